"""How the budget is spread over series and over time."""

from __future__ import annotations

from typing import Any

import numpy as np

from monitor.core.events import Batch, Floats

PERIOD = 7 * 86400.0  # seconds of a budget period
CAP = 1.0 / 64.0  # of a period's budget that one value can release, however long it was awaited
AHEAD = 300.0  # seconds a producer's clock may lead ours


def shares(rates: Floats) -> Floats:
    """The share of each series in the budget, from values a period in its reference: half equal, half by traffic.

    At most `rate / 64`, so that a series of a few values a period cannot page by accrual; the sum is at most 1.
    """
    if not len(rates):
        return np.empty(0)
    total = float(rates.sum())
    even = 0.5 / len(rates) + 0.5 * rates / total if total > 0 else np.zeros(len(rates))
    return np.minimum(even, rates * CAP)


class BudgetClock:
    """The running maximum of `min(at, recorded_at + 5 min)`, confirmed by a second event.

    One timestamp in the far future is alone and moves nothing, even in a file whose own times are long past.
    """

    def __init__(self) -> None:
        self.now = -np.inf
        self._last = -np.inf  # what the last event said

    def advance(self, batch: Batch) -> Floats:
        """The clock at each row."""
        told = event_times(batch)
        before = np.concatenate([[self._last if np.isfinite(self._last) else told[0]], told[:-1]])
        clock = np.maximum(np.maximum.accumulate(np.minimum(told, before)), self.now)
        self.now, self._last = float(clock[-1]), float(told[-1])
        return clock

    def save(self) -> Any:
        return [self.now, self._last]

    def load(self, saved: Any) -> None:
        self.now, self._last = saved


def event_times(batch: Batch) -> Floats:
    """When each event happened, as far as its producer can be believed."""
    return np.minimum(batch.at, batch.recorded_at + AHEAD)
