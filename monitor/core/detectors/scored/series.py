"""The series of scores of one model of several columns: learn, freeze, then a series of numbers like any other."""

from __future__ import annotations

from typing import Any

import numpy as np

from monitor.core.detectors.base import Matrix
from monitor.core.detectors.budget.arming import Armed
from monitor.core.detectors.budget.collect import Collector
from monitor.core.detectors.budget.points import Blocks, Points
from monitor.core.detectors.budget.series import DISABLED, FULL, MUTE, SURE, BudgetSeries, Looks
from monitor.core.detectors.reference import Reference
from monitor.core.detectors.scored.rows import Plan, Rows, score
from monitor.core.events import Floats, Ints

RECENT = 32  # rows the most deviating columns are named from
TOP = 3


class ScoredSeries(BudgetSeries):
    """Takes points whose values are rows. The model is learned once for a reference; one row in `step` counts."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        super().__init__()

    def restart(self) -> None:
        super().restart()
        self.collector = Rows(self._plan)
        self.model: Reference | None = None
        self.names: list[str] = []  # columns of the rows that come next
        self.step, self.seen = 1, 0
        self.lead = 0.0  # seconds of the reference that the model was learned from
        self.recent: Matrix = np.empty((0, 0))  # the last rows in standard deviations
        self._shown_rows: tuple[Matrix, Ints, int] = (self.recent, np.empty(0, dtype=np.int64), 0)  # of this batch, too

    def arm(self, made: Armed | str, blocks: Blocks | None, complete: bool, now: float) -> None:
        rows = self.collector if isinstance(self.collector, Rows) else None
        if rows is not None and rows.model is not None and not isinstance(made, str):
            self.model, self.step, self.seen = rows.model, rows.step, rows.seen
            self.collector = Collector()  # more scores of the frozen model, for the second week of the reference
            self.collector.add(rows.points)
            self.lead = made.first - rows.first
        super().arm(made, blocks, complete, now)
        if self.armed is not None:
            self.share = min((self.armed.last - self.armed.first + self.lead) / (0.99 * FULL), 1.0)

    def due(self, rows: Ints, clock: Floats) -> int | None:
        """The time that the model was learned from is of the reference, too: two weeks are two weeks of both."""
        return super().due(rows, clock if isinstance(self.collector, Rows) else clock + self.lead)

    def take(self, given: Points) -> Looks | None:
        """Collect rows, or look at their scores."""
        if isinstance(self.collector, Rows):
            self.collector.add_rows(self.names, given)
        if self.model is None or self.state == DISABLED:
            return None
        kept = given.take(np.flatnonzero((self.seen + np.arange(given.n)) % self.step == 0))
        self.seen += given.n
        if not kept.n:
            return None
        scores, away = score(self.model, self.names, np.asarray(kept.value))
        usable = np.flatnonzero(np.isfinite(scores))
        shown = np.concatenate([self.recent.reshape(-1, len(self.model.names)), away])
        self._shown_rows = (shown, kept.rows, len(self.recent))
        self.recent = shown[-RECENT:]
        return super().take(Points(kept.rows, kept.clock, kept.at, scores, kept.score).take(usable))

    def before(self, looks: Looks | None, row: int, clock: float) -> Looks | None:
        if looks is None:
            self._shown_rows = (self.recent, np.empty(0, dtype=np.int64), len(self.recent))
        return super().before(looks, row, clock)

    def wake(self, clock: float) -> None:
        """A day after a page: watch on once scores are as in the reference. Of a rise the return is not told."""
        if self._after[0] >= SURE and self._returned():
            super().wake(clock)
        else:
            self.paged, self._after = clock - MUTE / 2, np.zeros(5)  # look again in half a day

    def _settle(self) -> None:
        self._after = np.zeros(5)
        super()._settle()

    def top(self, row: int) -> list[tuple[str, float]]:
        """The columns furthest from their means in the last rows up to one of the batch, in standard deviations."""
        if self.model is None:
            return []
        shown, rows, before = self._shown_rows
        until = before + int(rows.searchsorted(row, side="right"))
        away = shown[max(until - RECENT, 0) : until].mean(axis=0)
        order = np.argsort(-np.abs(away), kind="stable")[:TOP].tolist()
        return [(self.model.names[i], float(away[i])) for i in order]

    def memory(self) -> int:
        return super().memory() + self.recent.nbytes + (0 if self.model is None else self.model.memory())

    def save(self) -> Any:
        model = None if self.model is None else self.model.save()
        learning = isinstance(self.collector, Rows)
        more = {"model": model, "learning": learning, "thin": [self.step, self.seen, self.lead], "rows": self.recent}
        return super().save() | more

    def load(self, saved: Any) -> None:
        learning = saved["learning"]
        super().load(saved | {"collector": None} if learning else saved)
        if learning:
            self.collector = Rows(self._plan)
            self.collector.load(saved["collector"])
        self.step, self.seen, self.lead = saved["thin"]
        self.recent = saved["rows"]
        self.model = None
        if saved["model"] is not None:
            self.model = Reference(1, self._plan.fit)
            self.model.load(saved["model"])
