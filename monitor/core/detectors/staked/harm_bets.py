"""What is bet on answers that are bad or not: that they have become more frequent. Falls are no harm."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from monitor.core.detectors.budget.beta import betaincinv
from monitor.core.detectors.staked.category_bets import FADES
from monitor.core.events import Floats, Ints

TRUST = 0.8  # share of references of this size for which every bet is fair
CAREFUL = 0.9  # the same where the reference is shorter than a period
RISES = ((1.4, 0.25), (2.0, 0.5), (4.0, 0.75))  # times the rate, but no more than this part of what is above it
WEIGHTS = np.array([0.30, 0.35, 0.35])
MOST = 0.98  # rate above which no rise can be told
_STEEP = 600.0  # largest logarithm of a ratio


@dataclass(frozen=True, slots=True)
class HarmBets:
    """`k` of `n` were bad; `upper` is the largest rate that is not worth acting on. Values come in groups of `size`."""

    n: float
    k: float
    upper: float
    size: int

    @property
    def weights(self) -> Floats:
        return WEIGHTS

    @property
    def usual(self) -> float:
        return self.k / self.n

    def ratios(self, codes: Ints) -> Floats:
        """One row for each group of which `codes` were bad, one column a bet."""
        return self._table()[codes]

    def _table(self) -> Floats:
        u = self.upper
        if u > MOST:  # since a page nearly all are bad: no rise is left to bet on, and at 1 the ratios are no numbers
            return np.full((self.size + 1, len(RISES)), FADES)
        moved = np.array([min(times * u, u + part * (1 - u)) for times, part in RISES])
        bad = np.arange(self.size + 1)[:, None]
        logs = bad * np.log(moved / u) + (self.size - bad) * np.log((1 - moved) / (1 - u))
        return np.asarray(np.exp(np.clip(logs, -_STEEP, _STEEP)))

    def standing(self) -> Floats:
        """The mass of each bet at the usual rate, in what one answer releases."""
        u, p = self.upper, self.usual
        moved = np.array([min(times * u, u + part * (1 - u)) for times, part in RISES])
        return np.asarray(1.0 / np.maximum(1.0 - (p * moved / u + (1 - p) * (1 - moved) / (1 - u)), 1e-4))

    def growth(self, rate: float) -> Floats:
        """The expected growth of the log of each bet with one answer, if `rate` of them are bad."""
        u = self.upper
        moved = np.array([min(times * u, u + part * (1 - u)) for times, part in RISES])
        return np.asarray(rate * np.log(moved / u) + (1 - rate) * np.log((1 - moved) / (1 - u)))

    def save(self) -> Any:
        return [self.n, self.k, self.upper, self.size]


def fit_harm(n: float, k: float, tolerance: float, size: int, rate: float) -> HarmBets:
    """From `k` bad ones of `n`, as if independent; `rate` is of values a period."""
    careful = n < rate
    slack = max(tolerance, 0.1 * k / n) if careful else tolerance
    upper = 1.0 if k >= n else betaincinv(k + 1, n - k, CAREFUL if careful else TRUST)
    return HarmBets(n, k, min(upper + slack, 1.0), size)


def load_harm(saved: Any) -> HarmBets:
    n, k, upper, size = saved
    return HarmBets(n, k, upper, size)


def rate_interval(k: float, n: float) -> tuple[float, float]:
    """Wilson's 95 % interval of a rate."""
    z = 1.959963984540054
    middle, reach = (k + z * z / 2) / (n + z * z), z / (n + z * z) * math.sqrt(k * (n - k) / n + z * z / 4)
    return middle - reach, middle + reach
