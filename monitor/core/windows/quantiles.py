"""Quantiles over a sliding window: a log-bucket sketch in panes.

Every bucket that is in use in a segment has a row of counts, one a pane. A segment keeps at most `LIMIT` buckets;
beyond that the buckets farthest from the wanted quantile are merged (the lowest for a high quantile, as DDSketch
does, the highest for a low one), so one monstrous value costs one bucket and moves nothing else.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from monitor.core.events import Bools, Floats, Ints
from monitor.core.windows.buckets import KEY_BITS, keys, middles
from monitor.core.windows.panes import Field, Panes
from monitor.core.windows.window import SKETCH_PANES, Window

LIMIT = 360  # buckets a segment: 3 decades at 1 % without merging; 360 * (13 panes * 4 + 12) bytes = 23 kB
Slots = npt.NDArray[np.int32]


class Quantile(Window):
    """One quantile of numbers, the value at rank floor(q (n - 1)), to 1 % relative error."""

    def __init__(self, over: float, quantile: float, periods: int = 1) -> None:
        super().__init__(over, SKETCH_PANES, periods, {})
        self.quantile = quantile
        self._sign = 1.0 if quantile >= 0.5 else -1.0  # low quantiles are high ones of the negated numbers
        self.sketch = Sketch(Panes(over, SKETCH_PANES, periods, {"counts": Field("u4")}))

    def value(self, columns: Bools, size: int) -> Floats:
        """The quantile; NaN without values."""
        n = self.counts(columns, size)[0]
        rank = np.floor(self.quantile * np.maximum(n - 1, 0)).astype(np.int64)
        rank = rank if self._sign > 0 else np.maximum(n - 1, 0) - rank
        found = self._sign * middles(self.sketch.at_rank(columns, rank))
        return np.where(n > 0, found, np.nan)

    def add(self, codes: Ints, clock: Floats, values: npt.NDArray[Any], known: Bools) -> None:
        """Take in rows. The sketch sees all of them, also those that leave the window within the same batch."""
        super().add(codes, clock, values, known)
        if known.any():
            self.sketch.add(codes[known] << KEY_BITS | keys(self._sign * values[known]), clock[known])
        if self.panes.head is not None:
            self.sketch.panes.advance(self.panes.head)

    def _fold(self, cells: Ints, values: npt.NDArray[Any]) -> None:
        pass  # the sketch holds the values

    def memory(self) -> int:
        """Bytes held."""
        return super().memory() + self.sketch.memory()

    def save(self) -> Any:
        """State for `core.state.dump`."""
        return {**super().save(), "sketch": self.sketch.save()}

    def load(self, saved: Any) -> None:
        """Continue from `save`."""
        super().load(saved)
        self.sketch.load(saved["sketch"])


class Sketch:
    """Counts of buckets a pane. A key is segment * 2^18 + bucket; keys are sorted, `slots` says where each counts.

    At most 2^32 - 1 values of one bucket fit into one pane.
    """

    def __init__(self, panes: Panes) -> None:
        self.panes = panes
        self.keys: Ints = np.zeros(0, dtype=np.int64)
        self.slots: Slots = np.zeros(0, dtype=np.int32)

    def add(self, found: Ints, clock: Floats) -> None:
        """Count rows. Where a segment might overflow, pane by pane: merging must not depend on how batches are cut."""
        if self._fits(found):
            self._put(found, clock)
            return
        self._trim()  # without the buckets that left the window there may be room
        edges = np.flatnonzero(np.diff(self.panes.pane(clock))) + 1
        if len(edges) == 0:
            self._put(found, clock)
            self._trim()
            return
        middle = int(edges[len(edges) // 2])
        self.add(found[:middle], clock[:middle])
        self.add(found[middle:], clock[middle:])

    def at_rank(self, columns: Bools, rank: Ints) -> Ints:
        """The bucket in which each segment's value of this rank (from 0) lies; meaningless for segments without."""
        if len(self.keys) == 0:
            return np.zeros(len(rank), dtype=np.int64)
        totals = self.panes["counts"][:, columns].sum(axis=1, dtype=np.int64)[self.slots]
        cumulated = np.cumsum(totals)
        first = np.searchsorted(self.keys, np.arange(len(rank)) << KEY_BITS)
        before = np.where(first > 0, cumulated[first - 1], 0)
        place = np.searchsorted(cumulated, before + rank, side="right")
        found: Ints = self.keys[np.minimum(place, len(self.keys) - 1)] & ((1 << KEY_BITS) - 1)
        return found

    def _fits(self, found: Ints) -> bool:
        """Whether no segment can have more than LIMIT buckets at any row, even if none of them left the window."""
        if len(self.keys) + len(found) <= LIMIT:
            return True
        distinct = np.unique(found)
        new = distinct[~self._known(distinct)]
        if len(new) == 0:
            return True
        edges = np.unique(new >> KEY_BITS) << KEY_BITS
        ends = edges + (1 << KEY_BITS)
        held = np.searchsorted(self.keys, ends) - np.searchsorted(self.keys, edges)
        added = np.searchsorted(new, ends) - np.searchsorted(new, edges)
        return bool((held + added <= LIMIT).all())

    def _known(self, found: Ints) -> Bools:
        if len(self.keys) == 0:
            return np.zeros(len(found), dtype=bool)
        known: Bools = self.keys[np.minimum(np.searchsorted(self.keys, found), len(self.keys) - 1)] == found
        return known

    def _put(self, found: Ints, clock: Floats) -> None:
        kept, column = self.panes.place(clock)
        width = self.panes.columns
        cells, counts = np.unique(found[kept] * width + column, return_counts=True)  # far fewer than rows
        found, column = cells // width, cells % width
        new = np.unique(found[~self._known(found)])
        if len(new):
            fresh = np.arange(self.panes.rows, self.panes.rows + len(new), dtype=np.int32)
            both = np.concatenate([self.keys, new])
            order = both.argsort(kind="stable")
            self.keys, self.slots = both[order], np.concatenate([self.slots, fresh])[order]
            self.panes.room(self.panes.rows + len(new))
        slot = self.slots[np.searchsorted(self.keys, found)].astype(np.int64)
        self.panes.flat("counts")[slot * width + column] += counts.astype(np.uint32)  # no cell twice

    def _trim(self) -> None:
        """Forget buckets that left the window, then merge the lowest ones of segments that have too many."""
        counts = self.panes["counts"][self.slots]
        alive = counts.any(axis=1)
        live, counts = self.keys[alive], counts[alive]
        segments, held = np.unique(live >> KEY_BITS, return_counts=True)
        keep = np.ones(len(live), dtype=bool)
        for segment in segments[held > LIMIT].tolist():
            first, end = np.searchsorted(live, [segment << KEY_BITS, (segment + 1) << KEY_BITS])
            counts[end - LIMIT] += counts[first : end - LIMIT].sum(axis=0, dtype=np.uint32)
            keep[first : end - LIMIT] = False
        self._replace(live[keep], counts[keep])

    def _replace(self, live: Ints, counts: npt.NDArray[np.uint32]) -> None:
        self.keys, self.slots = live, np.arange(len(live), dtype=np.int32)
        self.panes.replace("counts", counts)

    def memory(self) -> int:
        """Bytes held."""
        return self.panes.memory() + self.keys.nbytes + self.slots.nbytes

    def save(self) -> Any:
        """State for `core.state.dump`: the buckets in use, in their order."""
        counts = self.panes["counts"][self.slots]
        alive = counts.any(axis=1)
        return {"keys": self.keys[alive], "counts": counts[alive], "head": self.panes.head}

    def load(self, saved: Any) -> None:
        """Continue from `save`."""
        self._replace(saved["keys"], saved["counts"])
        self.panes.head = saved["head"]
