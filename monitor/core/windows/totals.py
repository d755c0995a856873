"""Windows of plain numbers: shares of yes, moments, extremes. Panes of over/60."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from monitor.core.events import Bools, Floats, Ints
from monitor.core.windows.panes import Field
from monitor.core.windows.window import PANES, Window, padded

LARGEST = 1e140  # magnitudes beyond it count as it, so that sums of squares stay finite


class Yes(Window):
    """How many of the known rows are a yes. Values are 1 and 0."""

    def __init__(self, over: float, periods: int = 1) -> None:
        super().__init__(over, PANES, periods, {"yes": Field("i8")})

    def value(self, columns: Bools, size: int) -> Floats:
        """The number of yes rows."""
        return self.over(columns, "yes", size).astype(np.float64)

    def _fold(self, cells: Ints, values: npt.NDArray[Any]) -> None:
        np.add.at(self.panes.flat("yes"), cells, values.astype(np.int64))


class Moments(Window):
    """Sum, mean or standard deviation (of the population, as Prometheus's `stddev_over_time`) of numbers.

    A pane keeps sums of differences from its first value, which loses no precision for values far from zero, and
    panes are combined as in Chan, Golub and LeVeque, "Updating formulae and a pairwise algorithm" (1979).
    """

    def __init__(self, over: float, what: Literal["sum", "mean", "stddev"], periods: int = 1) -> None:
        fields = {name: Field("f8") for name in ("pivot", "sum", "squares")}
        super().__init__(over, PANES, periods, fields)
        self.what = what

    def value(self, columns: Bools, size: int) -> Floats:
        """The moment; NaN without values."""
        n = self.panes["n"][:, columns]
        pivot, sums = self.panes["pivot"][:, columns], self.panes["sum"][:, columns]
        count = np.maximum(n.sum(axis=1), 1)
        total = (n * pivot + sums).sum(axis=1)
        mean = total / count
        result = {"sum": total, "mean": mean}.get(self.what)
        if result is None:
            own = sums / np.maximum(n, 1)
            inside = np.maximum(self.panes["squares"][:, columns] - sums * own, 0.0)
            between = n * (pivot + own - mean[:, None]) ** 2
            result = np.sqrt((inside + between).sum(axis=1) / count)
        return padded(np.where(n.sum(axis=1) > 0, result, np.nan), size, np.nan)

    def _fold(self, cells: Ints, values: npt.NDArray[Any]) -> None:
        numbers = np.clip(values, -LARGEST, LARGEST)
        pivot = self.panes.flat("pivot")
        empty = np.flatnonzero(self.panes.flat("n")[cells] == 0)
        if len(empty):
            fresh, first = np.unique(cells[empty], return_index=True)
            pivot[fresh] = numbers[empty[first]]
        difference = numbers - pivot[cells]
        np.add.at(self.panes.flat("sum"), cells, difference)
        np.add.at(self.panes.flat("squares"), cells, difference * difference)


class Extreme(Window):
    """The smallest or the largest number."""

    def __init__(self, over: float, what: Literal["min", "max"], periods: int = 1) -> None:
        self._fill = np.inf if what == "min" else -np.inf
        self._merge: np.ufunc = np.minimum if what == "min" else np.maximum
        super().__init__(over, PANES, periods, {"extreme": Field("f8", self._fill)})

    def value(self, columns: Bools, size: int) -> Floats:
        """The extreme; NaN without values."""
        found = self._merge.reduce(self.panes["extreme"][:, columns], axis=1, initial=self._fill)
        return padded(np.where(np.isfinite(found), found, np.nan), size, np.nan)

    def _fold(self, cells: Ints, values: npt.NDArray[Any]) -> None:
        self._merge.at(self.panes.flat("extreme"), cells, values)
