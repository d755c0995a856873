"""How far vectors are from where their reference lay: first the centre is learned, then distances are a series."""

from __future__ import annotations

from typing import Any

import numpy as np

from monitor.core.detectors.budget.points import Points
from monitor.core.detectors.budget.predictor import DAY
from monitor.core.detectors.budget.series import BudgetSeries, Looks
from monitor.core.detectors.descriptors import FOLDED
from monitor.core.events import Floats, Ints

FEWEST = 100  # vectors that a centre is the mean of


class DistanceSeries(BudgetSeries):
    """Takes points whose values are folded vectors (`FOLDED` numbers).

    The centre is the mean of those of the first day, of at least `FEWEST`, and frozen. That day is of the reference.
    """

    def restart(self) -> None:
        super().restart()
        self.centre: Floats = np.zeros(FOLDED)  # while it is learned the sum
        self.n, self.begun = 0, np.nan
        self.learned = False
        self.lead = 0.0  # seconds from the first vector to the first distance

    def take(self, given: Points) -> Looks | None:
        given = given.take(slice(self._learn(given), None))
        if not given.n:
            return None
        with np.errstate(over="ignore", invalid="ignore"):
            away = np.asarray(given.value) - self.centre
            distance = np.sqrt(np.cumsum(away * away, axis=1)[:, -1])
        usable = np.flatnonzero(np.isfinite(distance))
        return super().take(Points(given.rows, given.clock, given.at, distance, given.score).take(usable))

    def _learn(self, given: Points) -> int:
        """Take vectors into the centre; how many were."""
        if self.learned or not given.n:
            return 0
        if np.isnan(self.begun):
            self.begun = float(given.clock[0])
        late = int(given.clock.searchsorted(self.begun + DAY, side="left"))
        stop = min(max(late, FEWEST - self.n), given.n)
        for row in np.asarray(given.value)[:stop]:  # one after another: cuts change no bit
            self.centre = self.centre + row
        self.n += stop
        if stop < given.n:
            self.learned, self.centre = True, (self.centre / self.n).astype(np.float32).astype(np.float64)
            self.lead = float(given.clock[stop]) - self.begun
        return stop

    def due(self, rows: Ints, clock: Floats) -> int | None:
        return super().due(rows, clock + self.lead) if self.learned else None

    def arm(self, *args: Any) -> None:
        super().arm(*args)
        if self.armed is not None:
            lead = self.lead / (self.armed.last - self.armed.first + self.lead) if self.lead > 0 else 0.0
            self.share = min(self.share / (1 - lead), 1.0)

    def memory(self) -> int:
        return super().memory() + self.centre.nbytes

    def save(self) -> Any:
        centre = self.centre.astype(np.float32) if self.learned else self.centre
        return super().save() | {"centre": centre, "learned": [self.learned, self.n, self.begun, self.lead]}

    def load(self, saved: Any) -> None:
        super().load(saved)
        self.centre = saved["centre"].astype(np.float64)
        self.learned, self.n, self.begun, self.lead = saved["learned"]
