"""A fair lock over threads and processes: whoever asks first writes first.

SQLite's own lock is not fair: a process that commits in a tight loop can keep everyone else out for seconds. Here a
waiting writer first stands in the turnstile (held by at most one), then waits for the lock itself and lets the next
one into the turnstile. Whoever just wrote has to go through the turnstile again, behind the one who waits.
"""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections import deque
from pathlib import Path

_FIRST_NAP, _LONGEST_NAP = 0.0002, 0.002  # seconds; naps, because a blocking flock cannot be given up


class LockTimeout(TimeoutError):  # noqa: N818
    """The lock was not to be had in time."""


class ThreadQueue:
    """A lock that threads get in the order in which they ask. Not re-entrant."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._owner: int | None = None
        self._waiting: deque[tuple[int, threading.Event]] = deque()

    def acquire(self, timeout: float) -> None:
        """Raises LockTimeout, and RuntimeError if this thread has it already."""
        me, called = threading.get_ident(), threading.Event()
        with self._guard:
            if self._owner == me:
                raise RuntimeError("this thread is already writing to the ledger; finish that transaction first")
            if self._owner is None:
                self._owner = me
                return
            self._waiting.append((me, called))
        if called.wait(timeout):
            return
        with self._guard:
            if self._owner == me:  # called in the last moment
                return
            self._waiting.remove((me, called))
        raise LockTimeout

    @property
    def waiting(self) -> int:
        """How many threads wait."""
        return len(self._waiting)

    def release(self) -> None:
        """Hands over to the one who has waited longest."""
        with self._guard:
            self._owner = None
            if self._waiting:
                self._owner, called = self._waiting.popleft()
                called.set()


class FairLock:
    """The lock of one ledger. `folder` holds the two lock files; None where only this process writes with it.

    `waited` adds up the seconds for which its owners have waited for it.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._threads = ThreadQueue()
        self._files: tuple[int, int] | None = None  # turnstile, lock
        self.waited = 0.0

    def acquire(self, timeout: float) -> None:
        """Raises LockTimeout; OSError if the lock files cannot be opened; RuntimeError if this thread has it."""
        began = time.monotonic()
        deadline = began + timeout
        self._threads.acquire(timeout)
        try:
            if self._folder is not None:
                turnstile, lock = self._open(self._folder)
                _flock(turnstile, deadline)
                try:
                    _flock(lock, deadline)
                finally:
                    fcntl.flock(turnstile, fcntl.LOCK_UN)
        except BaseException:
            self._threads.release()
            raise
        self.waited += time.monotonic() - began  # only its owner writes this

    def release(self) -> None:
        if self._files is not None:
            fcntl.flock(self._files[1], fcntl.LOCK_UN)
        self._threads.release()

    def close(self) -> None:
        """Close the lock files. Nobody may hold the lock."""
        if self._files is not None:
            for descriptor in self._files:
                os.close(descriptor)
            self._files = None

    def _open(self, folder: Path) -> tuple[int, int]:
        if self._files is None:
            folder.mkdir(parents=True, exist_ok=True)
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
            turnstile = os.open(folder / "ledger.turnstile", flags, 0o600)
            try:
                self._files = (turnstile, os.open(folder / "ledger.lock", flags, 0o600))
            except OSError:
                os.close(turnstile)
                raise
        return self._files


def _flock(descriptor: int, deadline: float) -> None:
    nap = _FIRST_NAP
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise LockTimeout from None
            time.sleep(nap)
            nap = min(nap * 1.5, _LONGEST_NAP)
        else:
            return
