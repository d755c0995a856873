"""Children that are forked: what all of them load is loaded once, and is in memory once."""

from __future__ import annotations

import ctypes
import gc
import os
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable
from importlib import import_module
from pathlib import Path
from typing import NoReturn

SHARED = ("monitor.runtime.books", "monitor.runtime.desk", "monitor.telemetry.share", "monitor.settings.telling")
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)
LOOK = 0.02  # seconds between looks at a child that is waited for
ARGUMENTS = 45  # place of arg_start in /proc/self/stat, after the name


class Forked:
    """A child as its parent holds it; the methods are those of `subprocess.Popen`."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """How it ended, negative for a signal; None while it runs."""
        if self.returncode is None:
            found, status = os.waitpid(self.pid, os.WNOHANG)
            if found:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def wait(self, timeout: float = float("inf")) -> int:
        """Raises subprocess.TimeoutExpired."""
        until = time.monotonic() + timeout
        while (code := self.poll()) is None:
            if time.monotonic() > until:
                raise subprocess.TimeoutExpired(str(self.pid), timeout)
            time.sleep(LOOK)
        return code

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def preload() -> None:
    """Load what every child needs. Call it in the parent, which must have no other threads, then or later."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # threads of numpy's own would not survive a fork, nor help us
    for name in SHARED:
        import_module(name)
    gc.collect()
    gc.freeze()  # else the first collection of a child would write to, and so copy, every page


def fork(work: Callable[[], int], name: str, keep: Iterable[int]) -> Forked:
    """Run `work` in a child called `name`; its answer is the exit code. Of the open files it has those of `keep`, and
    what it reads from standard input is nothing. Raises OSError where the system has no room for one.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)  # one that comes now is for whoever it is sent to
    pid = -1
    try:
        pid = os.fork()
    finally:
        if pid != 0:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
    if pid == 0:
        _child(work, name, sorted(keep), before)
    return Forked(pid)


def _child(work: Callable[[], int], name: str, keep: list[int], mask: Iterable[int]) -> NoReturn:
    """Never returns: what stands further up the stack, and whatever ends with it, is the parent's."""
    code = 1
    try:
        signal.set_wakeup_fd(-1)
        for number in SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        for low, high in zip([2, *keep], [*keep, os.sysconf("SC_OPEN_MAX")], strict=True):
            os.closerange(low + 1, high)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)
        rename(f"child {name}")
        code = work()
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        try:
            for thread in threading.enumerate():
                if thread is not threading.current_thread() and not thread.daemon:
                    thread.join()
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            os._exit(code)


def rename(tail: str) -> None:
    """Have `ps` show these words at the end of this process's command line, over as much of what stood there."""
    try:
        fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
        start, end = map(int, fields[ARGUMENTS : ARGUMENTS + 2])
    except (OSError, ValueError):
        return  # a system that cannot tell
    text = b"".join(b"\0%s" % word.encode() for word in tail.split()) + b"\0"
    if 0 < start < end - len(text):
        ctypes.memmove(end - len(text), text, len(text))
