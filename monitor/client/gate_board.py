"""Where a gate's state stands in memory: written by the thread that listens, read by whoever asks."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf
from threading import RLock

from .gate_reading import DRILL, Reading, Verdict, older, stale, standing, tightened, unheard

_KEPT = 1_000  # verdicts of segments and operations


class Board:
    """`verdict` holds until `until` (monotonic seconds); a reader that comes later asks `at`.

    Times are of the process's own monotonic clock; a lease counts from when its answer was received.
    """

    def __init__(self, version: str | None, on_stale: str | None, on_start: str | None) -> None:
        self._version, self._on_stale, self._on_start = version, on_stale, on_start
        self.reading: Reading | None = None
        self.problem = "the daemon was not asked yet"
        self.until = -inf
        self.heard = False  # since this process began
        self._lease_end = -inf
        self.begin()

    def begin(self) -> None:
        """Also in the child of a fork: what was heard stands, locks of the parent are of no use."""
        self._lock = RLock()
        self._others: dict[tuple[str | None, str | None], Verdict] = {}
        self.verdict = self._judged(False, None, None)
        self.until = -inf

    def take(self, reading: Reading, received: float, heard: bool = True) -> bool:
        """An answer came (or, not `heard`, was found in the file). Answers whether it is of the past: that one does not
        hold, but what it tightens does."""
        with self._lock:
            known = self.reading
            if known is not None and older(reading, known):
                self.reading = tightened(known, reading)
                if self.reading != known:
                    self._renew(self._lease_end)
                return True
            self.reading, self.heard = reading, self.heard or heard
            self.problem = "" if heard else self.problem
            self._renew(received + reading.lease)
        return False

    def trouble(self, problem: str) -> None:
        """Why the daemon is not heard at the moment."""
        with self._lock:
            self.problem = problem
            if not self.heard:  # what stands says why
                self._others.clear()
                self.verdict = self._judged(False, None, None)

    def at(self, now: float, segment: str | None = None, operation: str | None = None) -> Verdict:
        """What holds now, for a segment and an operation if they are named."""
        with self._lock:
            fresh = now < self._lease_end
            if not fresh and self.until < inf:  # the lease has run out: from here on until something is heard
                self._others.clear()
                self.verdict, self.until = self._judged(fresh, None, None), inf
            elif fresh:
                self.until = self._lease_end
            if segment is None and operation is None:
                return self.verdict
            found = self._others.get((segment, operation))
            if found is None:
                found = self._judged(fresh, segment, operation)
                if len(self._others) >= _KEPT:
                    self._others.clear()
                self._others[segment, operation] = found
            return found

    def drill(self, now: float) -> str:
        """What the operation that is rehearsed may do."""
        return self.at(now, None, DRILL).state

    def _renew(self, end: float) -> None:
        self._others.clear()
        self._lease_end = end
        self.verdict = self._judged(True, None, None)
        self.until = end

    def _judged(self, fresh: bool, segment: str | None, operation: str | None) -> Verdict:
        named = self._names(segment, operation)
        if self.reading is None or not self.heard:
            return unheard(self.reading, named, self._on_start, self.problem)
        if fresh:
            return standing(self.reading, named)
        return stale(self.reading, named, self._on_stale, self.problem or "nothing was heard for a lease")

    def _names(self, segment: str | None, operation: str | None) -> Mapping[str, str | None]:
        return {"version": self._version, "segment": segment, "operation": operation}
