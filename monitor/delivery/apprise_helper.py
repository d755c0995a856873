"""The helper process: `python -m monitor.delivery.apprise_helper IDLE_SECONDS`.

Reads requests from its standard input and answers on its standard output, one at a time, in frames. It lives exactly
as long as somebody may want it: it ends when its input closes, when its parent dies, or after IDLE_SECONDS of rest.
Addresses come through the pipe only, and nothing leaves it that holds a part of one.
"""

from __future__ import annotations

import ctypes
import logging
import os
import queue
import resource
import signal
import sys
import threading
from dataclasses import asdict
from typing import Any

from monitor.delivery.frames import read_frame, write_frame
from monitor.delivery.protocol import Result

_PR_SET_PDEATHSIG = 1


def main() -> None:
    idle = float(sys.argv[1])
    _live_and_die_with_parent()
    replies = _own_standard_output()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core file would hold addresses
    for name in ("apprise", "urllib3", "requests"):
        logging.getLogger(name).setLevel(logging.INFO)  # below it they print tokens and payloads
        logging.getLogger(name).propagate = False
    logging.getLogger("apprise").addHandler(logging.NullHandler())
    from monitor.delivery.apprise_send import send_once  # a quarter of a second; the protections come first
    from monitor.delivery.apprise_target import TargetError, open_target

    def answer(request: dict[str, Any]) -> dict[str, Any]:
        try:
            target = open_target(request["url"])
        except TargetError as refused:
            return {"refused": str(refused)}
        about = {"label": target.label, "url_id": target.url_id}
        if request["do"] == "check":
            return about
        return about | asdict(send_once(target, request["message"], request["seconds"]))

    requests = _read_in_background(replies)
    while True:
        try:
            request = requests.get(timeout=idle)
        except queue.Empty:
            os._exit(0)
        write_frame(replies, _safely(answer, request))


def _safely(answer: Any, request: dict[str, Any]) -> dict[str, Any]:
    """Also BaseException: native code of a plugin's libraries may raise one, and the parent waits for an answer."""
    try:
        return answer(request)  # type: ignore[no-any-return]
    except BaseException as error:
        problem = f"The sending library failed with {type(error).__name__}; the message was not accepted."
        return asdict(Result("retry", "other", None, problem))


def _read_in_background(replies: int) -> queue.Queue[dict[str, Any]]:
    """A thread, so that the end of the input is noticed in the middle of a send. The first frame says: ready."""
    requests: queue.Queue[dict[str, Any]] = queue.Queue()

    def read() -> None:
        try:
            while True:
                requests.put(read_frame(0))
        except BaseException:
            os._exit(0)

    threading.Thread(target=read, name="input", daemon=True).start()
    write_frame(replies, {"ready": True})
    return requests


def _own_standard_output() -> int:
    """Frames go through a descriptor of our own: a plugin that prints must not spoil them."""
    replies = os.dup(1)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    return replies


def _live_and_die_with_parent() -> None:
    """Signals that reach the whole group (Ctrl-C, systemd's SIGTERM) must not cut a message short.

    The kernel also reports the end of the thread that started us, so the report is checked against the parent's id.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    parent = os.getppid()

    def look(number: int, frame: object) -> None:
        if os.getppid() != parent:
            os._exit(0)

    signal.signal(signal.SIGUSR1, look)
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGUSR1)


if __name__ == "__main__":
    main()
