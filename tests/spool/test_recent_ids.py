from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.spool import Limits, Options, Receipt, Spool
from monitor.spool.recent import RecentIds


def hashes(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.uint64)


@settings(deadline=None)
@given(st.lists(st.lists(st.integers(0, 60), unique=True, max_size=12), max_size=40))
def test_the_last_ids_are_remembered_and_no_other_is_found(groups: list[list[int]]) -> None:
    ids = RecentIds(reach=20)
    seen: list[int] = []
    for group in groups:
        # Multiples of a power of two collide in every table, and zero is the mark of an empty slot.
        values = [value << 40 for value in group]
        known = ids.known(hashes(*values))
        for value, found in zip(values, known, strict=True):
            assert found or value not in seen[-20:]
            assert not found or value in seen or (value == 0 and 1 in seen)
        new = [value for value, found in zip(values, known, strict=True) if not found]
        ids.add(hashes(*new), 1.0)
        seen += new


def test_memory_is_bounded_and_since_moves_on() -> None:
    ids = RecentIds(reach=1_000)
    assert ids.since is None
    numbers = np.random.default_rng(1).integers(1, 2**63, 10_000, dtype=np.uint64)
    for at in range(100):
        ids.add(numbers[at * 100 : at * 100 + 100], float(at))
    assert ids.known(numbers[-1_000:]).all()
    assert not ids.known(numbers[:8_000]).any()
    assert 80.0 <= ids.since <= 90.0


def test_one_large_batch_fills_several_generations() -> None:
    ids = RecentIds(reach=100)
    numbers = np.arange(1, 1_001, dtype=np.uint64)
    ids.add(numbers, 5.0)
    assert ids.known(numbers[-100:]).all() and not ids.known(numbers[:800]).any()


def test_ids_are_remembered_over_a_restart(folder, events) -> None:  # type: ignore[no-untyped-def]
    options = Options(limits=Limits(segment_bytes=5_000, recent_ids=300))
    with Spool.open(folder, options=options) as spool:
        for start in range(0, 1_000, 20):
            spool.append(0, [events(*range(start, start + 20))], float(start))
    with Spool.open(folder, options=options) as spool:
        assert spool.append(0, [events(*range(700, 1_000))], 2_000.0) == [Receipt(0, 300)]
        assert spool.append(0, [events(*range(100))], 2_000.0) == [Receipt(100, 0)]
        assert 600.0 <= (spool.dedup_since(0) or 0) <= 700.0
