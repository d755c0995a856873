"""What a series is reduced to before anything looks at it: its values, or means and spreads of blocks of them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from monitor.core.detectors.budget.cells import Cells, load_cells
from monitor.core.events import Floats, Ints

FEWEST = 20  # values of a block
SHORTEST = 300.0  # seconds of a block
NARROWEST = 1e-4  # variance of the normal scores of a block that are all but equal


@dataclass(frozen=True, slots=True)
class Points:
    """`rows` in the batch, when by the rule's budget clock and by the event, the value, and the mean normal score.

    `score` is NaN where a point is a single value: its score comes from the reference. `wide` is the log of the
    standard deviation of normal scores within a block; None where points are single values.
    """

    rows: Ints
    clock: Floats
    at: Floats
    value: Floats
    score: Floats
    wide: Floats | None = None

    def take(self, part: slice | Ints) -> Points:
        wide = None if self.wide is None else self.wide[part]
        return Points(self.rows[part], self.clock[part], self.at[part], self.value[part], self.score[part], wide)

    @property
    def n(self) -> int:
        return len(self.rows)


def single(rows: Ints, clock: Floats, at: Floats, values: Floats) -> Points:
    """Every value a point."""
    return Points(rows, clock, at, values, np.full(len(rows), np.nan))


def join(parts: list[Points]) -> Points:
    names = ("rows", "clock", "at", "value", "score")
    wide = [part.wide for part in parts if part.wide is not None]
    rows, *joined = (np.concatenate([getattr(part, name) for part in parts]) for name in names)
    joined += [np.concatenate(wide)] if len(wide) == len(parts) else []
    return Points(rows, *joined)


class Blocks:
    """Means and spreads of stretches of at least `length` seconds and `fewest` points, on a grid of the clock.

    A block becomes a point at the first one behind it. Sums run from point to point, so cuts change no bit. Points are
    single values, scored by `cells`, or blocks themselves, which have a score and a spread.
    """

    def __init__(self, cells: Cells, length: float = SHORTEST, fewest: int = FEWEST) -> None:
        self.cells, self.length, self.fewest = cells, length, fewest
        self._scores = cells.scores()
        self._squares = self._scores * self._scores
        self._start, self._n, self._value, self._score, self._square = -np.inf, 0, 0.0, 0.0, 0.0

    def take(self, given: Points) -> Points:
        scores, squares = self._seen(given)
        found: list[tuple[int, float, float, float, float, float]] = []
        i = 0
        while i < given.n:
            if self._n == 0:
                self._start = float(np.floor(given.clock[i] / self.length)) * self.length
            end = int(given.clock.searchsorted(self._start + self.length, side="left"))
            j = max(end, i + self.fewest - self._n, i)
            self._add(given.value[i:j], scores[i:j], squares[i:j])
            if j < given.n:
                middle = self._start + self.length / 2
                value, score, square = (total / self._n for total in (self._value, self._score, self._square))
                wide = 0.5 * math.log(max(square - score * score, NARROWEST))
                found.append((int(given.rows[j]), float(given.clock[j]), middle, value, score, wide))
                self._n, self._value, self._score, self._square = 0, 0.0, 0.0, 0.0
            i = j
        columns = list(zip(*found, strict=True)) or [()] * 6
        return Points(np.array(columns[0], dtype=np.int64), *(np.array(c, dtype=np.float64) for c in columns[1:]))

    def _seen(self, given: Points) -> tuple[Floats, Floats]:
        """The mean normal score of each point, and that of the squares."""
        if given.wide is not None:
            return given.score, given.score * given.score + np.exp(2 * given.wide)
        cells = self.cells.of(given.value)
        return self._scores[cells], self._squares[cells]

    def _add(self, values: Floats, scores: Floats, squares: Floats) -> None:
        if len(values):
            with np.errstate(over="ignore", invalid="ignore"):
                self._value = float(np.cumsum(np.concatenate([[self._value], values]))[-1])
            self._score = float(np.cumsum(np.concatenate([[self._score], scores]))[-1])
            self._square = float(np.cumsum(np.concatenate([[self._square], squares]))[-1])
            self._n += len(values)

    def save(self) -> Any:
        return {"cells": self.cells.save(), "head": self.head()}

    def head(self) -> list[float]:
        """All of its state but the cells."""
        return [self.length, self.fewest, self._start, self._n, self._value, self._score, self._square]


def load_blocks(saved: Any) -> Blocks:
    return blocks_of(load_cells(saved["cells"]), saved["head"])


def blocks_of(cells: Cells, head: list[Any]) -> Blocks:
    length, fewest, start, n, value, score, square = head
    blocks = Blocks(cells, length, fewest)
    blocks._start, blocks._n, blocks._value, blocks._score, blocks._square = start, n, value, score, square
    return blocks
