"""Rings of panes: the geometry that every window shares.

A window of `over` seconds is cut into panes of `over / panes` seconds, aligned to the rule clock: pane `i` holds
the rows with `i * width <= clock < (i + 1) * width`. At time `at` the window is the running pane and the `panes`
before it, so it reaches back at least `over` and at most one pane further. Windows that compare two periods leave
the running pane out, so that both are exactly `over` long.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from monitor.core.events import Bools, Floats, Ints
from monitor.core.state import StateError

Rows = Ints | slice
SETTLED = 1e-3  # seconds before a pane moves from which nothing is taken for settled


@dataclass(frozen=True, slots=True)
class Field:
    """One number (or, with `depth`, an array of numbers) a segment and pane."""

    dtype: str
    fill: float = 0.0
    depth: int = 0


class Panes:
    """Arrays of segments x columns (x depth) for all fields; a column is one pane of the ring.

    `late` counts rows whose pane had already left the ring; they are not counted anywhere else. A jump of the clock
    costs as much as one turn of the ring, however far it goes.
    """

    def __init__(self, over: float, panes: int, periods: int = 1, fields: Mapping[str, Field] | None = None) -> None:
        self.width = over / panes
        self.panes = panes
        self.columns = panes * periods + 1
        self.head: int | None = None  # the newest pane
        self.late = 0
        self.rows = 0  # segments in use
        self._masks: dict[tuple[int, int, int], Bools] = {}  # columns of a stretch, by head, first and last pane
        self._fields = dict(fields or {})
        self._arrays = {name: self._blank(field, 1) for name, field in self._fields.items()}

    def __getitem__(self, name: str) -> npt.NDArray[Any]:
        """A field: rows in use x columns (x depth)."""
        array: npt.NDArray[Any] = self._arrays[name][: self.rows]
        return array

    def flat(self, name: str) -> npt.NDArray[Any]:
        """A field as one flat view, to be indexed by cell = row * columns + column (times depth)."""
        array: npt.NDArray[Any] = self._arrays[name].reshape(-1)
        return array

    def place(self, clock: Floats) -> tuple[Rows, Ints]:
        """Move the ring to the newest row. Answers which rows are still inside, and the column of each of those."""
        first, last = math.floor(clock[0] / self.width), math.floor(clock[-1] / self.width)
        if first == last and (self.head is None or last >= self.head):  # as in most steps: all in the running pane
            self.advance(last)
            return slice(None), np.full(len(clock), last % self.columns)
        pane = self.pane(clock)
        oldest = pane[0] if self.head is None else self.head
        running = np.maximum.accumulate(np.maximum(pane, oldest))
        self.late += int(np.count_nonzero(pane <= running - self.columns))
        self.advance(int(running[-1]))
        inside = pane > running[-1] - self.columns
        if inside.all():
            return slice(None), pane % self.columns
        return np.flatnonzero(inside), pane[inside] % self.columns

    def advance(self, newest: int) -> None:
        """Make `newest` the newest pane, unless it is older; panes that leave the ring are emptied."""
        if self.head is not None and newest > self.head:
            fresh = np.arange(max(self.head + 1, newest - self.columns + 1), newest + 1) % self.columns
            for name, field in self._fields.items():
                self._arrays[name][: self.rows, fresh] = field.fill
        self.head = newest if self.head is None else max(self.head, newest)

    def pane(self, clock: Floats) -> Ints:
        """The pane of each time."""
        return np.floor(clock / self.width).astype(np.int64)

    def room(self, rows: int) -> None:
        """Make sure that rows `0 .. rows - 1` exist."""
        self.rows = max(self.rows, rows)
        for name, field in self._fields.items():
            array = self._arrays[name]
            if len(array) < self.rows:
                more = self._blank(field, max(self.rows, 2 * len(array)) - len(array))
                self._arrays[name] = np.concatenate([array, more])

    def replace(self, name: str, array: npt.NDArray[Any]) -> None:
        """Put other rows in place of all rows, in a ring that has this field only."""
        self._arrays[name] = array if len(array) else self._blank(self._fields[name], 1)
        self.rows = len(array)

    def live(self, at: float) -> Bools:
        """Columns of the window at `at`: the running pane and those before it."""
        now = int(np.floor(at / self.width))
        return self._between(now - self.panes, now)

    def period(self, at: float, back: int) -> Bools:
        """Columns of complete panes: the last `over` seconds (`back` 0), or the `over` seconds before (`back` 1)."""
        last = int(np.floor(at / self.width)) - 1 - back * self.panes
        return self._between(last - self.panes + 1, last)

    def settled_until(self, at: float, filled: Bools) -> float:
        """When, after `at`, the first of the columns `filled` moves to another part of the window or leaves it.

        A little early where the numbers are not exact. Infinity: none of them will.
        """
        if self.head is None or not filled.any():
            return math.inf
        pane = self.head - (self.head - np.flatnonzero(filled)) % self.columns
        periods = np.arange(0, self.columns, self.panes)  # a pane is complete, and then grows a period older
        moves = (np.add.outer(pane, periods) + 1) * self.width - SETTLED
        return float(moves[moves > at].min(initial=math.inf))

    def length(self, at: float) -> float:
        """Seconds that the window at `at` reaches back."""
        return at - (float(np.floor(at / self.width)) - self.panes) * self.width

    def _between(self, first: int, last: int) -> Bools:
        """Asked again with every step, and seldom another: panes last much longer than steps. Do not write to it."""
        if self.head is None:
            return np.zeros(self.columns, dtype=bool)
        known = self._masks.get((self.head, first, last))
        if known is None:
            pane = self.head - (self.head - np.arange(self.columns)) % self.columns
            known = (pane >= first) & (pane <= last)
            self._masks = {key: mask for key, mask in self._masks.items() if key[0] == self.head and key[2] >= first}
            self._masks[self.head, first, last] = known
        return known

    def _blank(self, field: Field, rows: int) -> npt.NDArray[Any]:
        shape = (rows, self.columns, field.depth) if field.depth else (rows, self.columns)
        return np.full(shape, field.fill, dtype=field.dtype)

    def memory(self) -> int:
        """Bytes held."""
        return 200 + sum(array.nbytes for array in self._arrays.values())

    def save(self) -> Any:
        """State for `core.state.dump`."""
        arrays = {name: self[name].copy() for name in self._fields}
        return {"head": self.head, "late": self.late, "rows": self.rows, "arrays": arrays}

    def load(self, saved: Any) -> None:
        """Continue from `save`. Raises StateError if the shapes are not those of this window."""
        for name, field in self._fields.items():
            shape = self._blank(field, 0).shape[1:]
            array = saved["arrays"][name]
            if array.shape != (saved["rows"], *shape) or array.dtype != np.dtype(field.dtype):
                raise StateError(f"window field {name} has shape {array.shape}, this window has panes of {shape}")
            self._arrays[name] = array if len(array) else self._blank(field, 1)
        self.head, self.late, self.rows = saved["head"], saved["late"], saved["rows"]
