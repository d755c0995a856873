"""Which targets the courier leaves alone for now: one message at a time each, not too many, none to one that fails."""

from __future__ import annotations

import threading

from monitor.core.notices.pace import Allowance, Rate, retry_delay, spend
from monitor.delivery.protocol import Result


class Targets:
    """Shared by threads. Times are daemon time. What it knows may be lost with the process: notices have their own."""

    def __init__(self, rate: Rate) -> None:
        self._rate = rate
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
