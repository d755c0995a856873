"""How a value is seen: by the cell of a frozen reference in which it lies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from monitor.core.detectors.budget.normal import ndtr, ndtri
from monitor.core.events import Floats, Ints

LEAST = 8  # reference values outside every cut, and in every atom
ATOMS = 64  # distinct values up to which a column is discrete
_TAIL = (0.001, 0.002, 0.005, 0.01, 0.02, 0.035, 0.05, 0.075, 0.1)


def cut_levels(n: int) -> Floats:
    """Levels i/(n+1) of the order statistics that become cuts: at most 47, denser in the tails."""
    low = [q for q in _TAIL if q * n >= LEAST] + list(np.arange(0.125, 0.5, 0.025))
    wanted = np.array(low + [0.5] + [1.0 - q for q in low])
    ranks = np.unique(np.round(wanted * (n + 1)))
    return np.asarray(ranks[(ranks >= min(LEAST, n)) & (ranks <= n + 1 - min(LEAST, n))] / (n + 1))


@dataclass(frozen=True, slots=True)
class Cells:
    """Cuts of a reference of `n` values. A value lies in the cell whose number is how many cuts are below it.

    `ranks[k]` is how many reference values lie at or below `cuts[k]`, plus a half where ties made the cut an atom.
    """

    cuts: Floats
    ranks: Floats
    n: int

    @property
    def levels(self) -> Floats:
        return self.ranks / (self.n + 1)

    @property
    def constant(self) -> bool:
        return len(self.cuts) == 0

    def of(self, values: Floats) -> Ints:
        """The cell of each value; infinite ones lie in the outermost."""
        return self.cuts.searchsorted(values, side="left")

    def scores(self) -> Floats:
        """The mean of a standard normal inside each cell: the normal score of its values."""
        edges = np.concatenate([[-np.inf], ndtri(self.levels), [np.inf]])
        density = np.exp(-0.5 * edges * edges) / np.sqrt(2 * np.pi)
        return np.asarray(-np.diff(density) / np.diff(ndtr(edges)))

    def save(self) -> Any:
        with np.errstate(over="ignore"):
            single = self.cuts.astype(np.float32)  # where cuts were rounded to it, four bytes hold one
        cuts = single if np.array_equal(single.astype(np.float64), self.cuts) else self.cuts
        if np.array_equal(self.ranks, _ranks(self.n)):  # no ties
            return [cuts, None, self.n]
        return [cuts, np.round(2 * self.ranks).astype(np.int16 if 2 * self.n < 32768 else np.int32), self.n]


def load_cells(saved: Any) -> Cells:
    cuts, ranks, n = saved
    return Cells(cuts.astype(np.float64), _ranks(n) if ranks is None else ranks / 2.0, n)


def _ranks(n: int) -> Floats:
    return np.asarray(np.round(cut_levels(n) * (n + 1)))


def _rounded(cuts: Floats) -> Floats:
    """The next float32, so that four bytes keep a cut and a value equal to it stays below; as it was where two would
    become one."""
    with np.errstate(over="ignore"):
        single = cuts.astype(np.float32)
        up = np.where(single < cuts, np.nextafter(single, np.float32(np.inf)), single).astype(np.float64)
    return up if np.isfinite(up).all() and (np.diff(up) > 0).all() else cuts


def fit_cells(values: Floats) -> Cells:
    """Cells of a reference of finite values, in any order."""
    n = len(values)
    ordered = np.sort(values)
    last = np.append(np.flatnonzero(np.diff(ordered) != 0), n - 1)  # the last place of each distinct value
    if len(last) <= ATOMS:
        return _atoms(ordered, last)
    wanted = _ranks(n).astype(np.int64) - 1
    places = np.unique(last[last.searchsorted(wanted)])  # a cut stands at the end of its ties
    places = places[n - 1 - places >= min(LEAST, n)]
    tied = ordered[places] == ordered[np.maximum(places - 1, 0)]
    return Cells(_rounded(ordered[places]), (places + 1 + 0.5 * tied).astype(np.float64), n)


def _atoms(ordered: Floats, last: Ints) -> Cells:
    """The distinct values themselves, neighbours put together until each cell holds enough."""
    n, start = len(ordered), 0
    kept: list[int] = []
    for place in last.tolist():
        if place + 1 - start >= LEAST and n - 1 - place >= LEAST:
            kept.append(place)
            start = place + 1
    places = np.array(kept, dtype=np.int64)
    return Cells(ordered[places], (places + 1.5).astype(np.float64), n)
