"""Where a stream changed, by how much, and whether the change is more than chance and worth acting on."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from monitor.core.events import Floats

SHORTEST = 5  # values behind a change
FEWEST = 20  # values before it
SURE = 4.0  # standard errors: the place of the change was picked, so 1.96 would not do
SURE_ADWIN = 3.0  # ADWIN has a bound of its own and gives few false alarms; the others fire at any crest
NORMAL_95 = 1.959963984540054
WIDER = 0.1  # |ln| of a ratio of standard deviations nobody would act on


class Moments(NamedTuple):
    """Count, sum and sum of squares of values that are bounded (standardised, or 0 and 1)."""

    n: int = 0
    total: float = 0.0
    squares: float = 0.0

    @property
    def mean(self) -> float:
        return self.total / self.n if self.n else 0.0

    @property
    def variance(self) -> float:
        return max(self.squares - self.total * self.mean, 0.0) / (self.n - 1) if self.n > 1 else 0.0

    def plus(self, other: Moments) -> Moments:
        return Moments(self.n + other.n, self.total + other.total, self.squares + other.squares)

    def minus(self, other: Moments) -> Moments:
        return Moments(self.n - other.n, self.total - other.total, self.squares - other.squares)


def moments(values: Floats) -> Moments:
    return Moments(len(values), float(values.sum()), float((values * values).sum()))


@dataclass(frozen=True, slots=True)
class Guard:
    """When a detection becomes a finding. `least` is a difference of means: in standard deviations, or of shares."""

    least: float
    sure: float = SURE
    rates: bool = False  # values are 0 and 1
    up: bool = False  # only a rise matters
    spread: bool = False  # a change of spread counts too


@dataclass(frozen=True, slots=True)
class Difference:
    """What is behind a change against what was before it. `effect` is in standard deviations of `before`."""

    before: Moments
    after: Moments
    effect: float
    interval: tuple[float, float]  # 95 %, of the difference of means, as if values were independent


def split(recent: Floats, whole: Moments, fewest: int) -> int:
    """How many of the last values to call "after": the cut with the largest sum of squares between the two sides.

    `whole` are the moments of everything since the watch began, `recent` its last part. 0 if there are too few.
    """
    longest = min(len(recent), whole.n - fewest)
    if longest < SHORTEST:
        return 0
    lengths = np.arange(SHORTEST, longest + 1)
    sums = np.cumsum(recent[::-1])[SHORTEST - 1 : longest]
    rest = whole.n - lengths
    between = (sums / lengths - (whole.total - sums) / np.maximum(rest, 1)) ** 2 * lengths * rest
    return int(lengths[int(np.argmax(between))])


def judge(before: Moments, after: Moments, guard: Guard) -> Difference | None:
    """The difference if it is worth telling, else None."""
    gap = after.mean - before.mean
    spread = math.sqrt(before.variance) or math.sqrt(before.plus(after).variance)
    middle, error = _rates(before, after) if guard.rates else (gap, _error(before, after))
    reach = NORMAL_95 * error
    seen = Difference(before, after, gap / spread if spread > 0 else 0.0, (middle - reach, middle + reach))
    size = gap if guard.rates else seen.effect
    beyond = size if guard.up else abs(size)
    moved = spread > 0 and beyond >= guard.least and abs(middle) > guard.sure * error
    return seen if moved or (guard.spread and _spread_changed(before, after)) else None


def _error(before: Moments, after: Moments) -> float:
    return math.sqrt(before.variance / max(before.n, 1) + after.variance / max(after.n, 1))


def _rates(before: Moments, after: Moments) -> tuple[float, float]:
    """Difference of two shares and its standard error, one success and one failure added to each side.

    Agresti and Caffo, Simple and effective confidence intervals for proportions, 2000. Without the additions three
    errors after a long time without any would look certain.
    """
    p0, p1 = (before.total + 1) / (before.n + 2), (after.total + 1) / (after.n + 2)
    return p1 - p0, math.sqrt(p0 * (1 - p0) / (before.n + 2) + p1 * (1 - p1) / (after.n + 2))


def _spread_changed(before: Moments, after: Moments) -> bool:
    """Whether standard deviations differ by more than chance; an ln of one has variance 1/2(n-1) on normal data."""
    if before.variance <= 0 or after.n < FEWEST:
        return False
    if after.variance <= 0:
        return True
    ratio = abs(math.log(after.variance / before.variance)) / 2
    error = math.sqrt(0.5 / (after.n - 1) + 0.5 / max(before.n - 1, 1))
    return ratio > max(WIDER, SURE * error)
