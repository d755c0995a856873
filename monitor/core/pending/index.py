"""Where the event of an id is kept: a hash table of row numbers over an append-only store."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from monitor.core.events import Bools, Ints
from monitor.core.windows.hashing import Hashes

EMPTY = -1
_FULL = 0.6  # share of used places at which the table is built again
_SPAN = 2**31 - 1


class IdIndex:
    """Open addressing with linear probing, a few array operations for a whole batch; 7 to 16 bytes a row.

    Rows are only ever forgotten from the oldest on: their places stay taken until the table is built again, and are
    known by their number.
    """

    def __init__(self) -> None:
        self._places = np.full(1024, EMPTY, dtype=np.int32)
        self._origin = 0
        self._used = 0

    def find(self, wanted: Hashes, base: int, matches: Callable[[Ints, Ints], Bools]) -> Ints:
        """The row of each wanted hash, -1 where there is none; rows before `base` are gone.

        `matches(rows, which)` says of rows with a place whether each is the one that `wanted[which]` wants.
        """
        found = np.full(len(wanted), -1, dtype=np.int64)
        at, todo = self._home(wanted), np.arange(len(wanted))
        while len(todo):
            place = self._places[at[todo]].astype(np.int64)
            used = place != EMPTY
            todo, row = todo[used], place[used] + self._origin
            hit = row >= base
            hit[hit] = matches(row[hit], todo[hit])
            found[todo[hit]] = row[hit]
            todo = todo[~hit]
            at[todo] = (at[todo] + 1) & (len(self._places) - 1)
        return found

    def add(self, hashes: Hashes, rows: Ints) -> bool:
        """Note rows that are not in yet. False if the table is full: then `rebuild` it with all rows."""
        crowded = self._used + len(rows) > _FULL * len(self._places)
        if crowded or (len(rows) and int(rows[-1]) - self._origin > _SPAN):
            return False
        at, todo, numbers = self._home(hashes), np.arange(len(rows)), (rows - self._origin).astype(np.int32)
        while len(todo):
            claims = self._places[at[todo]] == EMPTY
            self._places[at[todo[claims]]] = numbers[todo[claims]]  # of rows that claim one place, the last gets it
            todo = todo[self._places[at[todo]] != numbers[todo]]
            at[todo] = (at[todo] + 1) & (len(self._places) - 1)
        self._used += len(rows)
        return True

    def rebuild(self, hashes: Hashes, base: int) -> None:
        """Start afresh with rows `base`, `base + 1`, …"""
        size = 1024
        while size * _FULL < 1.5 * len(hashes) + 512:
            size *= 2
        self._places, self._origin, self._used = np.full(size, EMPTY, dtype=np.int32), base, 0
        self.add(hashes, np.arange(base, base + len(hashes)))

    def memory(self) -> int:
        """Bytes held."""
        return self._places.nbytes

    def _home(self, hashes: Hashes) -> Ints:
        return (hashes & np.uint64(len(self._places) - 1)).astype(np.int64)
