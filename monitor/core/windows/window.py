"""What all windows have in common: how many values they know, how many were unknown, and their aggregate."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from monitor.core.events import Bools, Floats, Ints
from monitor.core.windows.panes import Field, Panes

PANES = 60  # of a window of plain numbers
SKETCH_PANES = 12  # of a window of sketches


class Window(ABC):
    """One aggregate over a sliding window, for many segments at once.

    What it answers depends on the rows and their times only, never on how they were cut into batches.
    """

    def __init__(self, over: float, panes: int, periods: int, fields: Mapping[str, Field]) -> None:
        self.panes = Panes(over, panes, periods, {"n": Field("i8"), "unknown": Field("i8"), **fields})

    def add(self, codes: Ints, clock: Floats, values: npt.NDArray[Any], known: Bools) -> None:
        """Take in rows: segment number, rule clock (not decreasing), value, and whether the value is known."""
        if len(codes) == 0:
            return
        self.panes.room(int(codes.max()) + 1)
        kept, column = self.panes.place(clock)
        cells = codes[kept] * self.panes.columns + column
        known, values = known[kept], values[kept]
        if not known.all():
            _count(self.panes.flat("unknown"), cells[~known])
            cells, values = cells[known], values[known]
        self._fold(cells, values)
        _count(self.panes.flat("n"), cells)

    def counts(self, columns: Bools, size: int) -> tuple[Ints, Ints]:
        """Known and unknown values of each of `size` segments over some columns of the ring."""
        return self.over(columns, "n", size), self.over(columns, "unknown", size)

    def over(self, columns: Bools, name: str, size: int) -> npt.NDArray[Any]:
        """A field of whole numbers summed over columns; segments without rows yet are 0."""
        total: npt.NDArray[Any] = self.panes[name] @ columns
        return padded(total, size)

    def settled_until(self, at: float) -> float:
        """Until when all that it says at `at` stays as it is, if no rows come; infinity: for good."""
        filled = ((self.panes["n"] != 0) | (self.panes["unknown"] != 0)).any(axis=0)
        return self.panes.settled_until(at, filled)

    @abstractmethod
    def value(self, columns: Bools, size: int) -> Floats:
        """The aggregate of each of `size` segments over some columns; NaN where it is not defined."""

    @abstractmethod
    def _fold(self, cells: Ints, values: npt.NDArray[Any]) -> None:
        """Take in known values, each into its cell (row * columns + column) of the fields; `n` is counted after."""

    def memory(self) -> int:
        """Bytes held."""
        return self.panes.memory()

    def save(self) -> Any:
        """State for `core.state.dump`."""
        return {"panes": self.panes.save()}

    def load(self, saved: Any) -> None:
        """Continue from `save`. Raises StateError if it was another window's."""
        self.panes.load(saved["panes"])


def padded(array: npt.NDArray[Any], size: int, fill: float = 0) -> npt.NDArray[Any]:
    """The first `size` entries; missing ones are `fill`."""
    if len(array) >= size:
        return array if len(array) == size else array[:size]
    return np.concatenate([array, np.full(size - len(array), fill, dtype=array.dtype)])


def _count(field: npt.NDArray[Any], cells: Ints) -> None:
    np.add.at(field, cells, np.ones(len(cells), dtype=field.dtype))
