"""Daemon time: seconds since 1970 UTC that never go back, never stand still and do not follow a jump of the wall clock.

Daemon time is an anchor plus CLOCK_BOOTTIME, which counts on through suspend and which nobody can set. The anchor is
a small file in the home folder, so all processes of a home read the same time from it and a restart changes nothing.
The file also holds a ceiling that no time handed out has passed: after a reboot the clock starts at the wall clock or
at the ceiling, whichever is later. A wall clock that is off by up to a minute is approached at 0.05 %; one that is
further off has jumped: that is reported, and followed only after `accept`.
"""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

SLEW = 0.0005  # how much faster or slower the clock runs while it approaches the wall clock: ntpd's own figure
ACCEPTED_SLEW = 0.5  # the same after a person accepted a wall clock that went back: half speed until they meet
AGREES = 0.05  # seconds: a smaller difference is left alone
JUMP = 60.0  # seconds: a larger difference is a jump
RESERVE = 20.0  # seconds the ceiling lies ahead; half of it between two writes of the file
AGAIN = 5.0  # seconds between attempts to write a file that could not be written
STEP = 1e-6  # seconds: the least by which two readings of one process differ


class ClockError(Exception):
    """The clock file of a home cannot be used. The text is a sentence for people."""


@dataclass(frozen=True, slots=True)
class Jump:
    """The wall clock is `seconds` ahead of daemon time (negative: behind), too far to be followed unasked."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Raw:
    """The clocks underneath, in seconds: since boot, since 1970; and which boot this is ("" if nobody knows)."""

    boottime: Callable[[], float] = lambda: time.clock_gettime(time.CLOCK_BOOTTIME)
    wall: Callable[[], float] = time.time
    boot: Callable[[], str] = lambda: _boot_id()


class Clock:
    """The clock of one home folder; any number of processes and threads may read it.

    Raises ClockError if the home's clock file cannot be read or made. Later trouble with the file (a full disk) does
    not stop the clock: it stands in `problem` until a write succeeds.
    """

    def __init__(self, home: Path, raw: Raw | None = None) -> None:
        self._raw = raw or Raw()
        self._file = _AnchorFile(home / "clock.json")
        self._reading = threading.Lock()
        self._writing = threading.Lock()
        self._last = float("-inf")
        self._retry_at = float("-inf")
        self.problem: str | None = None
        try:
            with self._file.locked():
                self._anchor = self._open()
        except OSError as error:
            raise ClockError(self._file.unusable(error)) from error

    def now(self) -> float:
        """Daemon time. Rises with every call within a process; agrees between processes to microseconds."""
        with self._reading:
            self._anchor = self._newest() or self._anchor
            self._last = now = max(self._anchor.read(self._raw.boottime()), self._last + STEP)
            ceiling = self._anchor.ceiling
        # One thread waits for the disk while the others read on; below the ceiling there is no need to wait.
        if now > ceiling - RESERVE / 2 and self._writing.acquire(blocking=now > ceiling):
            try:
                self._change(lambda anchor, at: anchor)
            finally:
                self._writing.release()
        return now

    def check(self) -> Jump | None:
        """Compare with the wall clock: approach a small difference, report a large one. Call it at every tick."""
        difference = self._raw.wall() - self.now()
        left = self._anchor.left(self._raw.boottime())
        if abs(difference - left) > JUMP:
            return Jump(difference)
        if left == 0 and abs(difference) > AGREES:
            with self._writing:
                self._change(lambda anchor, at: _slewed(anchor, at, difference, SLEW))
        return None

    def accept(self) -> float:
        """A person says that the wall clock is right. Answers how many seconds daemon time still lies ahead of it.

        A wall clock that is ahead is followed at once. Daemon time cannot go back to one that is behind: it runs at
        half speed until they meet, which takes twice the answer. Raises ClockError if the file cannot be written.
        """
        difference = self._raw.wall() - self.now()
        with self._writing:
            self._retry_at = float("-inf")
            if difference < 0:
                self._change(lambda anchor, at: _slewed(anchor, at, difference, ACCEPTED_SLEW))
            else:
                self._change(lambda anchor, at: _Anchor(anchor.boot, at, anchor.read(at) + difference))
        if self.problem:
            raise ClockError(self.problem)
        return max(0.0, -difference)

    def _open(self) -> _Anchor:
        """The anchor in force, or a new one at a first start, after a reboot and where the old line went back."""
        saved, boot, at = self._file.newest(), self._raw.boot(), self._raw.boottime()
        if saved and saved.boot == boot and at >= saved.at and saved.read(at) > saved.ceiling - RESERVE:
            return saved
        return self._file.store(_Anchor(boot, at, max(self._raw.wall(), saved.ceiling if saved else 0.0)), at)

    def _newest(self) -> _Anchor | None:
        """Another process may have written a new anchor."""
        try:
            return self._file.newest()
        except (OSError, ClockError) as error:
            self.problem = self._file.unusable(error)
            return None

    def _change(self, make: Callable[[_Anchor, float], _Anchor]) -> None:
        """Put in force what `make` makes of the newest anchor at the present boottime. Never raises."""
        if self._raw.boottime() < self._retry_at:
            return
        try:
            with self._file.locked():
                newest, at = self._file.newest() or self._anchor, self._raw.boottime()
                self._anchor = self._file.store(make(newest, at), at)
            self.problem = None
        except (OSError, ClockError) as error:
            self.problem = self._file.unusable(error)
            self._retry_at = self._raw.boottime() + AGAIN


class _Anchor(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A line through (at, time), off the rate 1 by `slew` during its first `slewing` seconds of boottime."""

    boot: str
    at: float  # CLOCK_BOOTTIME
    time: float  # daemon time at that moment
    slew: float = 0.0
    slewing: float = 0.0
    ceiling: float = 0.0
    v: int = 1

    def read(self, boottime: float) -> float:
        passed = boottime - self.at
        return self.time + passed + self.slew * min(passed, self.slewing)

    def left(self, boottime: float) -> float:
        """Seconds still to be won (negative: lost) against the rate 1."""
        return self.slew * max(0.0, self.slewing - (boottime - self.at))


class _AnchorFile:
    """The anchor on disk: replaced as a whole, under a lock, and on the disk when `store` returns."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._known: tuple[tuple[int, int], _Anchor] | None = None

    def newest(self) -> _Anchor | None:
        """What the file holds, None if there is none. One stat call unless it was replaced since."""
        try:
            stamp, known = self._stamp(), self._known
            if known is None or known[0] != stamp:
                self._known = known = (stamp, msgspec.json.decode(self.path.read_bytes(), type=_Anchor))
            return known[1]
        except FileNotFoundError:
            return None
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise ClockError(
                f"The clock file {self.path} is damaged ({error}). "
                "Remove it, and daemon time starts again from the wall clock."
            ) from error

    def store(self, anchor: _Anchor, at: float) -> _Anchor:
        anchor = msgspec.structs.replace(anchor, ceiling=anchor.read(at) + RESERVE)
        draft = self.path.with_suffix(".tmp")
        with draft.open("wb") as file:
            file.write(msgspec.json.encode(anchor))
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self.path)
        folder = os.open(self.path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        self._known = (self._stamp(), anchor)
        return anchor

    @contextmanager
    def locked(self) -> Iterator[None]:
        with self.path.with_suffix(".lock").open("wb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def unusable(self, error: OSError | ClockError) -> str:
        if isinstance(error, ClockError):
            return str(error)
        return f"The clock file {self.path} cannot be written: {error.strerror}."

    def _stamp(self) -> tuple[int, int]:
        status = self.path.stat()
        return status.st_ino, status.st_mtime_ns


def _slewed(anchor: _Anchor, at: float, difference: float, rate: float) -> _Anchor:
    """From the anchor's line at `at`, approach a clock that is `difference` ahead at `rate`."""
    slew = rate if difference > 0 else -rate
    return _Anchor(anchor.boot, at, anchor.read(at), slew, abs(difference) / rate)


class ScriptedClock:
    """Daemon time as a test writes it."""

    def __init__(self, now: float = 1_700_000_000.0) -> None:
        self._now = now

    def now(self) -> float:
        return self._now

    def advance(self, seconds: float) -> float:
        if seconds < 0:
            raise ValueError(f"Daemon time does not go back, and {seconds} is negative.")
        self._now += seconds
        return self._now

    def check(self) -> Jump | None:
        return None


def _boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""
