"""Which targets the courier leaves alone for now: one message at a time each, not too many, none to one that fails."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

import structlog

from monitor.core.notices.pace import Allowance, Rate, retry_delay, spend
from monitor.delivery.protocol import Result

log = structlog.get_logger("courier")

Broke = Callable[[str, str], None]  # target, problem
Works = Callable[[str], None]
_FAILURES: Final = 4  # in a row, over at least
_LASTS: Final = 20.0  # seconds: then a target counts as failing


class Targets:
    """Shared by threads. Times are daemon time. What it knows may be lost with the process: notices have their own."""

    def __init__(self, rate: Rate, broke: Broke = lambda name, problem: None, works: Works = lambda name: None) -> None:
        """`broke` hears of a target that takes no messages, `works` of each that did; from the workers' threads."""
        self._rate, self._broke, self._works = rate, broke, works
        self._since: dict[str, float] = {}  # when each that fails began to
        self._told: dict[str, bool] = {}  # whether each was last said to work
        self._lock = threading.Lock()
        self._busy: set[str] = set()
        self._allowances: dict[str, Allowance] = {}
        self._failures: dict[str, int] = {}
        self._rest_until: dict[str, float] = {}

    def skip(self, now: float) -> frozenset[str]:
        """Targets that get nothing at `now`."""
        with self._lock:
            self._rest_until = {target: at for target, at in self._rest_until.items() if at > now}
            return frozenset(self._busy).union(self._rest_until)

    def next_at(self) -> float | None:
        """When the next of them may be told again."""
        with self._lock:
            return min(self._rest_until.values(), default=None)

    def take(self, target: str, now: float) -> None:
        """A message to it is on its way; it counts against the rate whatever comes of it."""
        with self._lock:
            self._busy.add(target)
            allowance, _ = spend(self._rate, self._allowances.get(target), now)
            self._allowances[target] = allowance

    def give_back(self, target: str, result: Result | None, now: float) -> None:
        """`result` is None where nothing was sent. One that fails rests 1 s, then 2, up to 5 min, or as it wishes."""
        with self._lock:
            self._busy.discard(target)
            rest = spend(self._rate, self._allowances.get(target), now)[1]  # only asked, not spent
            if result is not None and result.outcome in ("retry", "unknown"):
                failures = self._failures[target] = self._failures.get(target, 0) + 1
                rest = max(rest, retry_delay(target, failures, result.retry_after))
            elif result is not None:
                self._failures.pop(target, None)
            if rest > 0.0:
                self._rest_until[target] = now + rest
            works = None if result is None else self._judge(target, result, now)
        if works is not None and result is not None:
            self._tell(target, works, result.problem)

    def _tell(self, target: str, works: bool, problem: str) -> None:
        """What could not be said is said after the next message."""
        try:
            if works:
                self._works(target)
            else:
                self._broke(target, problem)
        except Exception:
            log.exception(
                "That a receiver fails or works again was not kept.", action="courier_failed", receiver=target
            )
            return
        with self._lock:
            self._told[target] = works

    def _judge(self, target: str, result: Result, now: float) -> bool | None:
        """Whether a target is to be said to work (True) or to fail; None: that is known, or not clear yet.

        One that refuses needs a person at once; one that cannot be reached may be back in a moment.
        """
        if result.outcome == "delivered":
            self._since.pop(target, None)
            return True if self._told.get(target) is not True else None
        since = self._since.setdefault(target, now)
        refuses = result.reason in ("authError", "clientError")
        lasts = self._failures.get(target, 0) >= _FAILURES and now - since >= _LASTS
        return False if (refuses or lasts) and self._told.get(target) is not False else None
