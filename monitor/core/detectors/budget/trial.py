"""How high the threshold of many series together has to be, found out in pieces of work: whole, it takes seconds."""

from __future__ import annotations

from typing import Any

from monitor.core.detectors.budget.arming import Stage
from monitor.core.detectors.budget.replay import HEIGHTS, Drawn, pages

PIECE = 8_000_000  # rows times pseudo-periods times series: about a fifth of a second


class Trial:
    """The answer of `replay.height`, which counts the pages of all pseudo-periods at one height after the other."""

    def __init__(self) -> None:
        self.over = False
        self.more: float | None = None  # once it is over: the height; None if none is enough
        self._height, self._periods, self._pages = 0, 0, 0

    def go_on(self, stage: Stage | None) -> int:
        """A piece of work; answers how much it was, in rows of one pseudo-period and series."""
        if stage is None:
            self.over, self.more = True, 1.0
            return 0
        length, periods, series = stage.cells.shape
        stop = min(self._periods + max(PIECE // max(length * series, 1), 1), periods)
        part = Drawn(stage.cells.cells, stage.cells.rows[:, self._periods : stop])
        threshold, left = stage.threshold * HEIGHTS[self._height], stage.allowed - self._pages
        self._pages += pages(stage.table, part, stage.due, stage.weights, threshold, left)
        work, self._periods = length * series * (stop - self._periods), stop
        if self._pages > stage.allowed:
            self._height, self._periods, self._pages = self._height + 1, 0, 0
            self.over = self._height == len(HEIGHTS)
        elif stop == periods:
            self.over, self.more = True, HEIGHTS[self._height]
        return work

    def save(self) -> Any:
        return [self._height, self._periods, self._pages]

    def load(self, saved: Any) -> None:
        """One that is not over."""
        self._height, self._periods, self._pages = saved
