"""The ids seen lately, so that an event sent twice is counted and not observed twice."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Hashes = npt.NDArray[np.uint64]
GENERATIONS = 3


@dataclass(slots=True)
class _Generation:
    table: Hashes
    since: float
    count: int = 0


class RecentIds:
    """At least the last `reach` ids as 64-bit hashes, 24 bytes each when full; two different ids are taken for one
    about once in 10^13 events at two million.

    Open addressing with linear probing in three generations of half the reach: the oldest is dropped as a whole,
    so nothing is ever deleted from a table and no insertion has to rebuild one.
    """

    def __init__(self, reach: int = 2_000_000) -> None:
        self._room = max(1, -(-reach // (GENERATIONS - 1)))
        self._slots = 1 << (2 * self._room - 1).bit_length()
        self._generations: deque[_Generation] = deque(maxlen=GENERATIONS)

    @property
    def since(self) -> float | None:
        """The time of the oldest id remembered; None when there is none."""
        return self._generations[0].since if self._generations else None

    def known(self, hashes: Hashes) -> npt.NDArray[np.bool_]:
        """Which of these are remembered."""
        hashes = _without_zero(hashes)
        found = np.zeros(len(hashes), dtype=np.bool_)
        for generation in self._generations:
            _find(generation.table, hashes, found)
        return found

    def add(self, hashes: Hashes, at: float) -> None:
        """Remember hashes that are different from one another and not `known`."""
        hashes = _without_zero(hashes)
        start = 0
        while start < len(hashes):
            if not self._generations or self._generations[-1].count >= self._room:
                self._generations.append(_Generation(np.zeros(self._slots, dtype=np.uint64), at))
            generation = self._generations[-1]
            part = hashes[start : start + self._room - generation.count]
            _insert(generation.table, part)
            generation.count += len(part)
            start += len(part)


def _without_zero(hashes: Hashes) -> Hashes:
    """Zero marks an empty slot, so the one hash that is zero is taken for its neighbour."""
    return hashes if hashes.all() else np.where(hashes == 0, np.uint64(1), hashes)


def _find(table: Hashes, hashes: Hashes, found: npt.NDArray[np.bool_]) -> None:
    mask = np.uint64(len(table) - 1)
    rows = np.arange(len(hashes))
    slots = hashes & mask
    while rows.size:
        there = table[slots]
        hit = there == hashes[rows]
        found[rows[hit]] = True
        onward = ~hit & (there != 0)
        rows = rows[onward]
        slots = (slots[onward] + np.uint64(1)) & mask


def _insert(table: Hashes, hashes: Hashes) -> None:
    mask = np.uint64(len(table) - 1)
    slots = hashes & mask
    while hashes.size:
        free = table[slots] == 0
        table[slots[free]] = hashes[free]
        # Where several wanted one slot, the last to write has it and the others go on.
        onward = table[slots] != hashes
        hashes = hashes[onward]
        slots = (slots[onward] + np.uint64(1)) & mask
