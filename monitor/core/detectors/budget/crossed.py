"""What a part of a reference looks like to a view that was fitted on other parts of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from monitor.core.detectors.budget.bets import WEIGHTS, Table
from monitor.core.detectors.budget.cells import Cells
from monitor.core.detectors.budget.points import Points
from monitor.core.detectors.budget.predictor import LAGS
from monitor.core.detectors.budget.seen import Seen, fit_seen
from monitor.core.detectors.budget.shares import PERIOD
from monitor.core.detectors.budget.width import ratios
from monitor.core.events import Floats, Ints

SETTLING = 200  # points after which lags have forgotten their start
FOLDS = 4
QUARTER_DAY = 21600.0


@dataclass(frozen=True, slots=True)
class Sample:
    """A reference, and the view whose form others are fitted in. `raw`: what its blocks were scored by, or None."""

    points: Points
    raw: Cells | None
    seen: Seen
    tolerance: float
    spread: float

    def part(self, fitted: Ints | slice, shown: slice) -> tuple[Ints, Table]:
        """The codes of the points `shown` under a view fitted on those `fitted`, and its bets."""
        made = fit_seen(self.points.take(fitted), self.raw, self.tolerance, self.spread, form=self.seen)
        made = replace(made, up=self.seen.up, linear=self.seen.linear)
        _, lags = made.cells(self.points.take(slice(max(shown.start - SETTLING, 0), shown.start)), np.zeros(LAGS))
        return made.cells(self.points.take(shown), lags)[0], made.table


def asked(sample: Sample, due: float, budget: float) -> float:
    """How high the threshold has to be, in thresholds, for the reference in the order it came not to go beyond it in
    more stretches of six hours than the budget has pages in that time. Every quarter is seen by the other three.

    `due`: the part of a period's budget that a value releases; `budget` in pages a period. Unlike a bootstrap it sees
    what takes days: levels that wander, weeks that differ.
    """
    points = sample.points
    edges = np.linspace(0, points.n, FOLDS + 1).astype(np.int64).tolist()
    longest = max(np.diff(edges).tolist())
    found = np.ones((longest, FOLDS, len(WEIGHTS)))
    for fold, (start, stop) in enumerate(pairwise(edges)):
        others = np.concatenate([np.arange(start), np.arange(stop, points.n)])
        cells, table = sample.part(others, slice(start, stop))
        found[: stop - start, fold] = ratios(table, cells)
    sums = _masses(found, due)
    peaks = [_peaks(points.clock[a:b], sums[: b - a, i]) for i, (a, b) in enumerate(pairwise(edges))]
    highest = np.sort(np.concatenate(peaks))[::-1]
    weeks = float(points.clock[-1] - points.clock[0]) / PERIOD
    return float(highest[min(int(budget * weeks), len(highest) - 1)] * budget)


def _masses(grown: Table, due: float) -> Floats:
    """The sum of the masses after every row, of all folds side by side, each from nothing."""
    mass, stakes = np.zeros(grown.shape[1:]), due * WEIGHTS
    out = np.empty(grown.shape[:2])
    with np.errstate(over="ignore"):
        for k, ratio in enumerate(grown):
            mass = (mass + stakes) * ratio
            out[k] = mass.sum(axis=1)
    return out


def _peaks(clock: Floats, sums: Floats) -> Floats:
    """The largest sum of every six hours."""
    first = np.flatnonzero(np.diff(np.floor(clock / QUARTER_DAY), prepend=-1.0))
    return np.asarray(np.maximum.reduceat(sums, first))
