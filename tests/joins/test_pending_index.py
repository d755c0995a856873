from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.core.events import Bools, Ints
from monitor.core.pending.index import IdIndex
from monitor.core.windows.hashing import Hashes


class Rows:
    """The store of the index: hashes by row number."""

    def __init__(self) -> None:
        self.hashes = np.zeros(0, dtype=np.uint64)
        self.base = 0
        self.index = IdIndex()

    def add(self, new: Hashes) -> None:
        rows = np.arange(len(self.hashes), len(self.hashes) + len(new))
        self.hashes = np.concatenate([self.hashes, new])
        if not self.index.add(new, rows):
            self.index.rebuild(self.hashes[self.base :], self.base)

    def find(self, wanted: Hashes) -> list[int]:
        def matches(rows: Ints, which: Ints) -> Bools:
            equal: Bools = self.hashes[rows] == wanted[which]
            return equal

        found: list[int] = self.index.find(wanted, self.base, matches).tolist()
        return found


@settings(max_examples=60)
@given(
    st.lists(st.lists(st.integers(0, 7), min_size=1, max_size=200), min_size=1, max_size=12),
    st.lists(st.integers(0, 150), min_size=12, max_size=12),
)
def test_it_finds_what_a_dictionary_finds_also_when_all_places_collide(
    batches: list[list[int]], drops: list[int]
) -> None:
    rows, number = Rows(), 1
    kept: dict[int, int] = {}
    for homes, drop in zip(batches, drops, strict=False):
        hashes = np.array([(number + i) * 2**20 + home for i, home in enumerate(homes)], dtype=np.uint64)
        number += len(homes)
        kept |= {int(h): len(rows.hashes) + i for i, h in enumerate(hashes)}
        rows.add(hashes)
        rows.base = min(rows.base + drop, len(rows.hashes))
        wanted = np.array([*kept, 3, 2**63], dtype=np.uint64)
        expected = [row if row >= rows.base else -1 for row in kept.values()]
        assert rows.find(wanted) == [*expected, -1, -1]


def test_a_table_in_steady_use_does_not_grow() -> None:
    rows = Rows()
    rng = np.random.default_rng(2)
    sizes = []
    for _ in range(60):
        rows.add(rng.integers(0, 2**63, 1000).astype(np.uint64))
        rows.base = max(0, len(rows.hashes) - 5000)
        sizes.append(rows.index.memory())
    assert sizes[-1] == max(sizes) <= 16 * 6000
