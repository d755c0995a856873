"""What a series is reduced to before anything looks at it: its values, or means over blocks of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from monitor.core.detectors.budget.cells import Cells, load_cells
from monitor.core.events import Floats, Ints

FEWEST = 20  # values of a block
SHORTEST = 300.0  # seconds of a block


@dataclass(frozen=True, slots=True)
class Points:
    """`rows` in the batch, when by the rule's budget clock and by the event, the value, and the mean normal score.

    `score` is NaN where a point is a single value: its score comes from the reference.
    """

    rows: Ints
    clock: Floats
    at: Floats
    value: Floats
    score: Floats

    def take(self, part: slice | Ints) -> Points:
        return Points(self.rows[part], self.clock[part], self.at[part], self.value[part], self.score[part])

    @property
    def n(self) -> int:
        return len(self.rows)


def single(rows: Ints, clock: Floats, at: Floats, values: Floats) -> Points:
    """Every value a point."""
    return Points(rows, clock, at, values, np.full(len(rows), np.nan))


def join(parts: list[Points]) -> Points:
    names = ("rows", "clock", "at", "value", "score")
    return Points(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


class Blocks:
    """Means over stretches of at least `length` seconds of the clock and `FEWEST` values, on a grid of the clock.

    A block becomes a point at the first value behind it. Sums run from value to value, so cuts change no bit.
    """

    def __init__(self, cells: Cells, length: float = SHORTEST, fewest: int = FEWEST) -> None:
        self.cells, self.length, self.fewest = cells, length, fewest
        self._scores = cells.scores()
        self._start, self._n, self._value, self._score = -np.inf, 0, 0.0, 0.0

    def take(self, given: Points) -> Points:
        scores = self._scores[self.cells.of(given.value)]
        found: list[tuple[int, float, float, float, float]] = []
        i = 0
        while i < given.n:
            if self._n == 0:
                self._start = float(np.floor(given.clock[i] / self.length)) * self.length
            end = int(given.clock.searchsorted(self._start + self.length, side="left"))
            j = max(end, i + self.fewest - self._n, i)
            self._add(given.value[i:j], scores[i:j])
            if j < given.n:
                middle = self._start + self.length / 2
                mean = (self._value / self._n, self._score / self._n)
                found.append((int(given.rows[j]), float(given.clock[j]), middle, *mean))
                self._n, self._value, self._score = 0, 0.0, 0.0
            i = j
        columns = list(zip(*found, strict=True)) or [()] * 5
        return Points(np.array(columns[0], dtype=np.int64), *(np.array(c, dtype=np.float64) for c in columns[1:]))

    def _add(self, values: Floats, scores: Floats) -> None:
        if len(values):
            with np.errstate(over="ignore", invalid="ignore"):
                self._value = float(np.cumsum(np.concatenate([[self._value], values]))[-1])
            self._score = float(np.cumsum(np.concatenate([[self._score], scores]))[-1])
            self._n += len(values)

    def save(self) -> Any:
        head = [self.length, self.fewest, self._start, self._n, self._value, self._score]
        return {"cells": self.cells.save(), "head": head}


def load_blocks(saved: Any) -> Blocks:
    length, fewest, start, n, value, score = saved["head"]
    blocks = Blocks(load_cells(saved["cells"]), length, fewest)
    blocks._start, blocks._n, blocks._value, blocks._score = start, n, value, score
    return blocks
