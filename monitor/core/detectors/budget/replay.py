"""What the detector would have done on the reference: pseudo-periods of it by a stationary bootstrap.

The one place of the core where numbers are drawn: by a generator whose seed is the sha256 of the rule and the columns,
so every replay draws the same. (Politis, Romano, The stationary bootstrap, 1994.)
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from monitor.core.detectors.budget.recursion import FLOOR, Cube
from monitor.core.events import Floats, Ints

PERIODS = 40
HEIGHTS = (1.0, 1.5, 2.0, 3.0, 5.0, 8.0, 15.0, 30.0)


def generator(names: Iterable[str]) -> np.random.Generator:
    """A generator that depends on the names alone."""
    digest = hashlib.sha256("\n".join(names).encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "little"))


def resample(rows: int, length: int, mean: float, rng: np.random.Generator) -> Ints:
    """Row numbers (length, PERIODS): stretches of geometric length around the reference taken as a circle."""
    start = rng.integers(0, rows, (length, PERIODS))
    fresh = rng.random((length, PERIODS)) < 1.0 / max(mean, 1.0)
    fresh[0] = True
    place = np.arange(length)[:, None]
    last = np.maximum.accumulate(np.where(fresh, place, 0), axis=0)
    return np.asarray((np.take_along_axis(start, last, axis=0) + place - last) % rows)


@dataclass(frozen=True, slots=True)
class Drawn:
    """`cells[rows]` row by row: of 500 series at once it would be more than a gigabyte."""

    cells: Ints  # (reference rows, series)
    rows: Ints  # (rows, PERIODS)

    @property
    def shape(self) -> tuple[int, ...]:
        return *self.rows.shape, self.cells.shape[1]

    def __iter__(self) -> Iterator[Ints]:
        return (self.cells[row] for row in self.rows)


def pages(table: Cube, cells: Ints | Drawn, due: Floats, weights: Floats, threshold: float, most: float) -> int:
    """Pages in all pseudo-periods together; stops counting beyond `most`.

    `cells` (rows, PERIODS, series) are rows of `table`, `due` (series,) what each value releases.
    """
    shape = (*cells.shape[1:], len(weights))
    mass, growth = np.zeros(shape), np.ones(shape)
    stake = due[:, None] * weights
    missing = len(table) - 1
    count = 0
    for row in cells:
        ratio = table[row]
        growth = np.maximum(growth, 1.0) * ratio
        mass += np.where((row == missing)[..., None], 0.0, stake)
        mass *= ratio
        over = np.flatnonzero(mass.sum(axis=(1, 2)) >= threshold)
        if len(over):
            sure = over[(growth[over] * weights).sum(axis=2).max(axis=1) >= FLOOR]
            mass[sure] = 0.0
            count += len(sure)
            if count > most:
                break
    return count


def height(
    table: Cube, cells: Ints | Drawn, due: Floats, weights: Floats, threshold: float, allowed: float
) -> float | None:
    """The smallest height of the threshold that keeps the budget in the pseudo-periods; None if 30 does not."""
    for h in HEIGHTS:
        if pages(table, cells, due, weights, h * threshold, allowed) <= allowed:
            return h
    return None
