"""What is bet on expected errors: that their mean has risen. Falls are no harm.

An expected error e lies between 0 and 1. If its mean, given the past, is at most u, then 1 + a (e - u) has a mean of at
most 1 for every a from 0 to 1/u: each bet is fair. (Waudby-Smith, Ramdas, Estimating means of bounded random variables
by betting, 2020.)
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from monitor.core.detectors.estimated.calibration import UNIT
from monitor.core.detectors.staked.category_bets import FADES
from monitor.core.detectors.staked.harm_bets import MOST, RISES, WEIGHTS
from monitor.core.events import Floats, Ints

QUANTILES = {True: 1.2816, False: 0.8416}  # of the normal: for careful references (0.9), and for others (0.8)
DARING = 0.9  # of what a bet can stake without losing all at once


@dataclass(frozen=True, slots=True)
class EstimateBets:
    """`n` expected errors as if independent, their mean and standard deviation; means up to `upper` are tolerated."""

    n: float
    usual: float
    spread: float
    upper: float

    @property
    def weights(self) -> Floats:
        return WEIGHTS

    def ratios(self, codes: Ints) -> Floats:
        """One row for each expected error in ten-thousandths, one column a bet."""
        if self.upper > MOST:  # no rise is left to bet on
            return np.full((len(codes), len(WEIGHTS)), FADES)
        return 1.0 + self._stakes() * (codes[:, None] / UNIT - self.upper)

    def standing(self) -> Floats:
        """The mass of each bet at the usual mean, in what one answer releases."""
        return 1.0 / np.maximum(self._stakes() * (self.upper - self.usual), 1e-4)

    def growth(self, mean: float) -> Floats:
        """The expected growth of the log of each bet with one answer, about, if errors have this mean."""
        stakes = self._stakes()
        gain = 1.0 + stakes * (mean - self.upper)
        return np.asarray(np.log(gain) - (stakes * self.spread / gain) ** 2 / 2)

    def _stakes(self) -> Floats:
        """For each rise the stake that grows fastest, about."""
        u = self.upper
        rises = np.array([min(times * u, u + part * (1 - u)) - u for times, part in RISES])
        return np.asarray(np.minimum(rises / (self.spread**2 + rises**2), DARING / u))

    def save(self) -> Any:
        return [self.n, self.usual, self.spread, self.upper]


def fit_estimates(errors: Floats, n: float, tolerance: float, rate: float) -> EstimateBets:
    """From expected errors between 0 and 1, worth `n` independent ones; `rate` is of values a period."""
    mean, spread = float(errors.mean()), float(errors.std())
    return bets_of(n, mean, spread, tolerance, n < rate)


def bets_of(n: float, mean: float, spread: float, tolerance: float, careful: bool) -> EstimateBets:
    upper = mean + QUANTILES[careful] * spread / math.sqrt(n) + max(tolerance, 1.0 / UNIT)
    return EstimateBets(n, mean, spread, min(upper, 1.0))


def load_estimates(saved: Any) -> EstimateBets:
    return EstimateBets(*saved)
