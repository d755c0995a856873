"""A bounded pool of helper processes, started when first needed, killed when they are late."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import monitor
from monitor.delivery.frames import read_frame, write_frame

_GRACE = 30.0  # seconds a helper outlives its parent's wish to use it again, so that neither races the other
_PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
_ENVIRONMENT = (  # what a helper may see: proxies and certificates, but none of our own settings and secrets
    *("PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "PYTHONPATH"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),
    *_PROXIES,
    *(name.upper() for name in _PROXIES),
)


class HelperError(Exception):
    """No answer. `late`: the time was over; else the helper died. `sent`: it had been given the request by then."""

    def __init__(self, late: bool, sent: bool) -> None:
        super().__init__("late" if late else "died")
        self.late, self.sent = late, sent


class HelperPool:
    """Threads share it. At most `size` helpers; each serves `sends` requests and rests at most `idle` seconds."""

    def __init__(
        self, size: int = 6, sends: int = 100, idle: float = 60.0, command: Sequence[str] | None = None
    ) -> None:
        self._command = [*(command or _COMMAND), str(idle + _GRACE)]
        self._sends, self._idle_seconds = sends, idle
        self._slots = threading.BoundedSemaphore(size)
        self._lock = threading.Lock()
        self._idle: list[_Helper] = []
        self._busy: set[_Helper] = set()
        self._closed = False

    def call(self, request: dict[str, Any], seconds: float) -> dict[str, Any]:
        """The helper's answer. The request is given `seconds`, which is what is left of them once it is handed over.

        Raises HelperError; the helper is dead by then.
        """
        ends = time.monotonic() + seconds
        if not self._slots.acquire(timeout=max(0.0, seconds)):
            raise HelperError(late=True, sent=False)
        try:
            with self._helper() as helper:
                return helper.ask(request, ends)
        finally:
            self._slots.release()

    def close(self) -> None:
        """Kills all helpers, also those at work: whoever waits for one gets HelperError and clears up after it."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
            for helper in self._busy:
                helper.kill()
        for helper in idle:
            helper.bury()

    @contextmanager
    def _helper(self) -> Iterator[_Helper]:
        helper = self._take()
        keep = False
        try:
            yield helper
            keep = helper.served < self._sends
        finally:
            with self._lock:
                self._busy.discard(helper)
                keep = keep and not self._closed
                if keep:
                    self._idle.append(helper)
            if not keep:
                helper.bury()

    def _take(self) -> _Helper:
        oldest = time.monotonic() - self._idle_seconds
        stale: list[_Helper] = []
        try:
            with self._lock:
                if self._closed:
                    raise HelperError(late=False, sent=False)
                stale = [h for h in self._idle if h.rested_since < oldest or not h.alive]
                self._idle = [h for h in self._idle if h not in stale]
                helper = self._idle.pop() if self._idle else _Helper(self._command)
                self._busy.add(helper)
                return helper
        except OSError:  # no memory, no process or no file descriptor is left for a helper
            raise HelperError(late=False, sent=False) from None
        finally:
            for old in stale:
                old.bury()


class _Helper:
    """One process. One thread at a time uses it; any may `kill` it."""

    def __init__(self, command: Sequence[str]) -> None:
        self._process = subprocess.Popen(  # noqa: S603  the command is ours
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            env=_environment(),
        )
        self._ready = False
        self.served = 0
        self.rested_since = time.monotonic()

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def ask(self, request: dict[str, Any], ends: float) -> dict[str, Any]:
        assert self._process.stdin is not None and self._process.stdout is not None
        handed_over = False
        try:
            answers = self._process.stdout.fileno()
            if not self._ready:
                read_frame(answers, ends)
                self._ready = True
            seconds = max(0.0, ends - time.monotonic())
            handed_over = True
            write_frame(self._process.stdin.fileno(), {**request, "seconds": seconds})
            answer = read_frame(answers, ends)
        except TimeoutError:
            raise HelperError(late=True, sent=handed_over) from None
        except (EOFError, OSError, ValueError):
            raise HelperError(late=False, sent=handed_over) from None
        self.served += 1
        self.rested_since = time.monotonic()
        return answer

    def kill(self) -> None:
        self._process.kill()

    def bury(self) -> None:
        """Kills it and gives its pipes back. A process that even SIGKILL cannot end is left to the kernel."""
        self._process.kill()
        try:
            self._process.wait(timeout=1.0)
        except subprocess.TimeoutExpired:
            return
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()


# -P: a file named like a module in the working directory must not be imported in its place.
_COMMAND = (sys.executable, "-P", "-m", "monitor.delivery.apprise_helper")


def _environment() -> dict[str, str]:
    chosen = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
    home = str(Path(monitor.__file__).resolve().parent.parent)
    if home not in sysconfig.get_paths().values():  # run from a checkout: the helper must find the same package
        chosen["PYTHONPATH"] = os.pathsep.join(filter(None, (home, chosen.get("PYTHONPATH"))))
    return chosen
