"""The estimate itself: how many of the answers of the last week are expected to be wrong, and how sure that is."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from monitor.core.detectors.estimated.calibration import UNIT
from monitor.core.detectors.staked.harm_bets import rate_interval
from monitor.core.events import Floats, Ints

PANE, PANES = 43_200.0, 14  # seconds of a pane, and how many there are: a week
SURE = 1.959963984540054  # of the normal: 95 %


@dataclass(frozen=True, slots=True)
class Estimate:
    """`rate` of `n` answers, with a 95 % interval: of chance, and of what the calibration does not know."""

    n: int
    rate: float
    low: float
    high: float


class Performance:
    """Sums over half days of the rule's clock, in whole numbers: where batches are cut changes nothing."""

    def __init__(self) -> None:
        self._newest = -1
        self._sums: Ints = np.zeros((PANES, 4), dtype=np.int64)  # n, errors, errors (1 - errors), standard errors

    def add(self, clock: Floats, errors: Ints, doubts: Ints) -> None:
        """Take answers in the order of a clock that never runs back."""
        panes = np.floor(clock / PANE).astype(np.int64)
        for pane in np.unique(panes).tolist():
            gone = min(pane - self._newest, PANES)
            for k in range(gone):
                self._sums[(pane - k) % PANES] = 0
            self._newest = max(pane, self._newest)
            here = panes == pane
            e = errors[here]
            self._sums[pane % PANES] += [len(e), e.sum(), (e * (UNIT - e)).sum(), doubts[here].sum()]

    def estimate(self) -> Estimate | None:
        """Of the answers of the last week; None while there are none."""
        n, errors, variance, doubts = self._sums.sum(axis=0).tolist()
        if not n:
            return None
        rate = errors / n / UNIT
        reach = SURE * math.hypot(math.sqrt(variance) / UNIT / n, doubts / n / UNIT)
        return Estimate(n, rate, max(rate - reach, 0.0), min(rate + reach, 1.0))

    def save(self) -> Any:
        return [self._newest, self._sums]

    def load(self, saved: Any) -> None:
        self._newest, sums = saved
        self._sums = sums.copy()


class Check:
    """Answers since the reference whose truth came: how many there are, were wrong, and were expected to be."""

    def __init__(self) -> None:
        self.n = self.wrong = self._expected = 0

    def add(self, errors: Ints, wrong: Ints) -> None:
        self.n, self.wrong = self.n + len(errors), self.wrong + int(wrong.sum())
        self._expected += int(errors.sum())

    @property
    def expected(self) -> float:
        """The rate that was expected."""
        return self._expected / max(self.n, 1) / UNIT

    @property
    def honest(self) -> bool:
        """Whether what was expected lies in the 95 % interval of what came."""
        low, high = rate_interval(self.wrong, max(self.n, 1))
        return low <= self.expected <= high

    def save(self) -> Any:
        return [self.n, self.wrong, self._expected]

    def load(self, saved: Any) -> None:
        self.n, self.wrong, self._expected = saved
