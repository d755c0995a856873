"""What a series has shown so far, bounded: its values, or blocks of them once there are too many."""

from __future__ import annotations

from typing import Any

import numpy as np

from monitor.core.detectors.budget.cells import fit_cells
from monitor.core.detectors.budget.points import Blocks, Points, join, load_blocks
from monitor.core.detectors.budget.predictor import DAY
from monitor.core.detectors.budget.shares import PERIOD
from monitor.core.events import Floats

LIMIT = 8192  # points kept
MOST = 4096.0  # values a period beyond which blocks are ranked, not values


class Collector:
    """Values until there are `LIMIT`. If they came too fast for a reference of two weeks, the values become blocks.

    Blocks need the cuts of a sample that covers a day: until then every second value, every fourth, … is kept.
    """

    def __init__(self) -> None:
        self.first = np.nan  # clock of the first value
        self.seen = 0  # values, kept or not
        self.blocks: Blocks | None = None
        self.points = _nothing()
        self._thin = 1

    @property
    def last(self) -> float:
        return float(self.points.clock[-1]) if self.points.n else self.first

    def add(self, given: Points) -> None:
        """Take points of single values, in order."""
        if given.n and np.isnan(self.first):
            self.first = float(given.clock[0])
        while given.n:
            given = self._add_blocks(given) if self.blocks is not None else self._add_values(given)

    def until(self, when: float) -> tuple[Points, Blocks | None]:
        """What was seen up to a time of the events, as points, and how later values become such points."""
        if self.blocks is None and self.points.n >= 2 and self.rate() > MOST:
            self._to_blocks()
        return self.points.take(np.flatnonzero(self.points.at <= when)), self.blocks

    def rate(self) -> float:
        """Values a period so far."""
        span = self.last - self.first
        return self.seen * PERIOD / span if span > 0 else 0.0

    def forget_before(self, clock: float) -> None:
        """Drop points that came before a time. A sample that does not cover a day yet is kept whole."""
        if self._thin > 1 and self.blocks is None:
            return
        self.points = self.points.take(slice(int(self.points.clock.searchsorted(clock)), None))
        self.first = float(self.points.clock[0]) if self.points.n else np.nan
        if self.blocks is None:
            self.seen = self.points.n

    def forget_after(self, at: float) -> None:
        """Drop points of events that happened at a time or later, and the block that is not complete."""
        self.points = self.points.take(np.flatnonzero(self.points.at < at))
        if self.blocks is not None:
            self.blocks = Blocks(self.blocks.cells, self.blocks.length, self.blocks.fewest)
        elif self._thin == 1:
            self.seen = self.points.n
        if not self.points.n:
            self.first = np.nan

    def _add_values(self, given: Points) -> Points:
        room = (LIMIT - self.points.n) * self._thin
        now, later = given.take(slice(0, room)), given.take(slice(room, None))
        kept = now.take(slice(-self.seen % self._thin, None, self._thin))
        self.seen += now.n
        self.points = join([self.points, kept]) if kept.n else self.points
        if self.points.n >= LIMIT:
            self._full()
        return later

    def _full(self) -> None:
        if self.rate() <= MOST * 1.05:
            self.points = self.points.take(slice(LIMIT // 8, None))
        elif self.last - self.first >= DAY:
            self._to_blocks()
        else:
            self._thin *= 2
            self.points = self.points.take(np.arange(0, LIMIT, 2))

    def _to_blocks(self) -> None:
        self.blocks = Blocks(fit_cells(self.points.value))
        before = self.points if self._thin == 1 else _nothing()  # a thinned day does not make blocks like later ones
        self.points = self.blocks.take(before)

    def _add_blocks(self, given: Points) -> Points:
        assert self.blocks is not None
        self.seen += given.n
        self.points = join([self.points, self.blocks.take(given)])
        if self.points.n >= LIMIT:
            self.points = self.points.take(slice(self.points.n - LIMIT + LIMIT // 8, None))
        return given.take(slice(given.n, None))

    def memory(self) -> int:
        return 40 * self.points.n + 2000

    def save(self) -> Any:
        p = self.points
        parts: dict[str, Floats] = {"clock": p.clock, "at": p.at, "value": p.value, "score": p.score}
        blocks = None if self.blocks is None else self.blocks.save()
        if p.wide is not None:
            parts["wide"] = p.wide
        return {**parts, "first": self.first, "seen": self.seen, "thin": self._thin, "blocks": blocks}

    def load(self, saved: Any) -> None:
        self.first, self.seen, self._thin = saved["first"], saved["seen"], saved["thin"]
        rows = np.zeros(len(saved["clock"]), dtype=np.int64)
        self.points = Points(rows, saved["clock"], saved["at"], saved["value"], saved["score"], saved.get("wide"))
        self.blocks = None if saved["blocks"] is None else load_blocks(saved["blocks"])


def _nothing() -> Points:
    empty = np.empty(0)
    return Points(np.empty(0, dtype=np.int64), empty, empty, empty, empty)
