from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.events import MISSING, OK, Batch, number

cells = st.one_of(
    st.floats(),
    st.integers(),
    st.integers(10**300, 10**320),
    st.booleans(),
    st.none(),
    st.just(MISSING),
    st.sampled_from(["NaN", "12", "x", [1.0]]),
)
plain = st.floats() | st.integers(-9, 9) | st.booleans()
sparse = plain | st.none() | st.just(MISSING)


@given(st.lists(cells, max_size=20) | st.lists(plain, max_size=20) | st.lists(sparse, max_size=20))
def test_a_column_of_numbers_is_what_its_cells_are_one_by_one(values: list[Any]) -> None:
    n = len(values)
    times = np.zeros(n)
    batch = Batch("m", [""] * n, times, times, np.arange(n), {"inputs.a": values}, [None] * n)
    array, codes = batch.numbers("inputs.a")
    expected = [number(value) for value in values]
    assert codes.tolist() == [code for _, code in expected]
    assert array.dtype == np.float64 and codes.dtype == np.uint8
    np.testing.assert_array_equal(array, np.array([v if code == OK else np.nan for v, code in expected], dtype=float))
