"""Rows of several columns while a reference is collected, and the frozen model that is made of their first half."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from monitor.core.detectors.base import Matrix
from monitor.core.detectors.budget.collect import Collector
from monitor.core.detectors.budget.points import Blocks, Points
from monitor.core.detectors.reference import Fitter, Reference
from monitor.core.events import Floats

CELLS = 1 << 17  # numbers in them
NEVER = 1 << 62  # rows after which a store of rows learns


@dataclass(frozen=True, slots=True)
class Plan:
    """How the model is learned, from how many rows at most, and how many rows of a reference are kept for it."""

    fit: Fitter
    learned: int
    kept: int


class Rows(Collector):
    """Every `step`-th row, so that the reference covers its time. `model` is made when it is asked for its points."""

    def __init__(self, plan: Plan) -> None:
        super().__init__()
        self._plan = plan
        self._store = Reference(NEVER, plan.fit)
        self._clock: Floats = np.empty(0)
        self._at: Floats = np.empty(0)
        self.step = 1
        self.model: Reference | None = None

    def add_rows(self, names: list[str], given: Points) -> None:
        """Take points whose values are rows in the columns `names`, NaN where there is no value."""
        if given.n and np.isnan(self.first):
            self.first = float(given.clock[0])
        while given.n:
            room = max(self._most(names) - len(self._clock), 1) * self.step
            now, given = given.take(slice(0, room)), given.take(slice(room, None))
            kept = now.take(np.flatnonzero((self.seen + np.arange(now.n)) % self.step == 0))
            self.seen += now.n
            self._store.collect(names, np.asarray(kept.value))
            self._clock, self._at = np.concatenate([self._clock, kept.clock]), np.concatenate([self._at, kept.at])
            while len(self._clock) >= self._most(names):
                self._clock, self._at, self._store.rows = self._clock[::2], self._at[::2], self._store.rows[::2]
                self.step *= 2

    def _most(self, names: list[str]) -> int:
        return max(min(self._plan.kept, CELLS // max(len(names), len(self._store.names), 1)), 512)

    def until(self, when: float) -> tuple[Points, Blocks | None]:
        """Learn the first half of the rows up to a time of the events; the scores of the second half as points."""
        there = np.flatnonzero(self._at <= when)
        half = len(there) // 2
        if half < 1:
            return self.points, None
        first = there[: half : -(-half // self._plan.learned)]
        model = Reference(len(first), self._plan.fit)
        model.collect(self._store.names, self._store.rows[first])
        if model.detector is None:
            return self.points, None
        model.forget_rows()
        self.model = model
        later = there[half:]
        scores, _ = score(model, self._store.names, self._store.rows[later])
        rows = np.zeros(len(later), dtype=np.int64)
        empty = np.full(len(later), np.nan)
        usable = np.flatnonzero(np.isfinite(scores))
        self.points = Points(rows, self._clock[later], self._at[later], scores, empty).take(usable)
        return self.points, None

    def memory(self) -> int:
        return self._store.memory() + 16 * len(self._clock)

    def save(self) -> Any:
        times, p = [self._clock, self._at], self.points
        made = None if self.model is None else [self.model.save(), p.clock, p.at, p.value]  # waits to take effect
        head = {"first": self.first, "seen": self.seen, "step": self.step}
        return head | {"times": times, "store": self._store.save(), "made": made}

    def load(self, saved: Any) -> None:
        self.first, self.seen, self.step = saved["first"], saved["seen"], saved["step"]
        self._clock, self._at = saved["times"]
        self._store.load(saved["store"])
        self.model = None
        if saved["made"] is not None:
            model, clock, at, value = saved["made"]
            self.model = Reference(1, self._plan.fit)
            self.model.load(model)
            self.points = Points(np.zeros(len(at), dtype=np.int64), clock, at, value, np.full(len(at), np.nan))


def score(model: Reference, names: list[str], rows: Matrix) -> tuple[Floats, Matrix]:
    """One score a row (higher is more unusual, NaN if the model cannot tell), and the rows in standard deviations."""
    assert model.detector is not None
    z = model.standard(model.place(names, rows))
    return model.detector.score(z), z
