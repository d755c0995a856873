from __future__ import annotations

from hashlib import blake2b

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.windows.distinct import REGISTERS, Distinct, estimate, positions
from monitor.core.windows.hashing import hashes


def add(window: Distinct, texts: list[str], at: float) -> None:
    n = len(texts)
    window.add(np.zeros(n, dtype=np.int64), np.full(n, at), hashes(texts), np.ones(n, dtype=bool))


def value(window: Distinct, at: float) -> float:
    return float(window.value(window.panes.live(at), 1)[0])


@pytest.mark.parametrize("n", [0, 1, 2, 10, 100, 1000, 3000, 10_000, 100_000])
def test_the_estimate_is_within_four_standard_errors(n: int) -> None:
    window = Distinct(60.0)
    add(window, [f"user-{i}" for i in range(n)] * 2, 5.0)
    assert value(window, 5.0) == pytest.approx(n, rel=0.13, abs=0.1)


def test_values_leave_with_their_panes() -> None:
    window = Distinct(60.0)
    add(window, [f"a{i}" for i in range(50)], 0.0)
    add(window, ["b"], 63.0)
    assert value(window, 63.0) == pytest.approx(51, rel=0.1)
    assert value(window, 66.0) == pytest.approx(1, rel=0.1)


def test_hashes_are_those_of_blake2b_and_any_text_has_one() -> None:
    first = int.from_bytes(blake2b(b"a", digest_size=8).digest(), "little")
    assert hashes(["a"]).tolist() == [first] == [3405396810240292928]
    assert len(set(hashes(["\ud800", None, "b", "c"]).tolist())) == 4


@given(st.lists(st.integers(0, 2**64 - 1), max_size=30))
def test_ranks_are_the_position_of_the_first_one_bit(values: list[int]) -> None:
    register, rank = positions(np.array(values, dtype=np.uint64))
    expected = [53 - (value >> 12).bit_length() for value in values]
    assert rank.tolist() == expected
    assert register.tolist() == [value % REGISTERS for value in values]


def test_no_registers_and_full_registers_have_an_estimate() -> None:
    assert estimate(np.zeros((1, REGISTERS), dtype=np.uint8)).tolist() == [0.0]
    assert np.isfinite(estimate(np.full((1, REGISTERS), 53, dtype=np.uint8))).all()
    assert estimate(np.zeros((0, REGISTERS), dtype=np.uint8)).tolist() == []
