"""How far the engine is behind what was accepted: beyond a bound nothing more is taken in."""

from __future__ import annotations

import time
from collections.abc import Callable

import structlog

log = structlog.get_logger(__name__)

_EVERY = 1.0  # seconds


class Backlog:
    """Accepted events that are not observed yet. `ask` tells how many; it is asked at most once a second, and what is
    accepted meanwhile is added to its last answer, so that the bound holds at any speed.
    """

    def __init__(
        self, ask: Callable[[], int] = lambda: 0, most: int = 1 << 62, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._ask, self._most, self._clock = ask, most, clock
        self._waiting = 0
        self._asked = float("-inf")
        self._unknown = False

    @property
    def full(self) -> str | None:
        """Why nothing more is taken, or None."""
        if self._waiting < self._most:
            return None
        return f"{self._waiting:,} accepted events wait for the engine, and at most {self._most:,} may"

    def add(self, accepted: int) -> None:
        self._waiting += accepted

    def look(self) -> None:
        """Ask, if it is time. When nobody answers, the last answer stands and what is accepted is still added."""
        now = self._clock()
        if now - self._asked < _EVERY:
            return
        self._asked = now
        try:
            self._waiting, self._unknown = self._ask(), False
        except Exception as problem:  # the ledger may be away; the bound must hold all the same
            if not self._unknown:
                log.warning("nobody knows how many events wait", reason=str(problem), action="intake_backlog_unknown")
            self._unknown = True
