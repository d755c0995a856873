from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.core.state import dump, load
from monitor.core.windows.buckets import ACCURACY, keys, middles
from monitor.core.windows.quantiles import LIMIT, Quantile

finite = st.floats(-1.79e308, 1.79e308, allow_subnormal=False)


def add(window: Quantile, values: list[float], clock: list[float], codes: list[int] | None = None) -> None:
    n = len(values)
    rows = np.zeros(n, dtype=np.int64) if codes is None else np.array(codes, dtype=np.int64)
    window.add(rows, np.array(clock, dtype=float), np.array(values, dtype=float), np.ones(n, dtype=bool))


def value(window: Quantile, at: float, size: int = 1) -> list[float]:
    found: list[float] = window.value(window.panes.live(at), size).tolist()
    return found


@given(st.lists(finite, min_size=1, max_size=50))
def test_a_bucket_stands_for_its_numbers_within_one_percent_and_keeps_their_order(numbers: list[float]) -> None:
    array = np.sort(np.array(numbers))
    found = keys(array)
    assert (np.diff(found) >= 0).all()
    assert (np.abs(middles(found) - array) <= ACCURACY * np.abs(array) * 1.0001).all()


@given(
    st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=100),
    st.sampled_from([0.01, 0.1, 0.25, 0.5, 0.9, 0.99, 0.999]),
)
def test_a_quantile_equals_the_sorted_list_within_one_percent(numbers: list[float], q: float) -> None:
    window = Quantile(60.0, q)
    add(window, numbers, [0.0] * len(numbers))
    exact = sorted(numbers)[int(np.floor(q * (len(numbers) - 1)))]
    assert value(window, 1.0)[0] == pytest.approx(exact, rel=ACCURACY * 1.001, abs=1e-300)


def test_one_monstrous_value_moves_only_the_quantile_that_it_is() -> None:
    rng = np.random.default_rng(3)
    usual = np.exp(rng.normal(4.0, 0.7, 5000)).tolist()
    window = Quantile(60.0, 0.5)
    add(window, [*usual, 1e300, -1e300], [0.0] * 5002)
    assert value(window, 1.0)[0] == pytest.approx(float(np.median(usual)), rel=0.011)


def test_too_many_buckets_are_merged_at_the_side_that_is_not_asked_for() -> None:
    numbers = np.exp(np.linspace(-300.0, 300.0, 20_000))
    high, low = Quantile(60.0, 0.99), Quantile(60.0, 0.01)
    for window in (high, low):
        add(window, numbers.tolist(), [0.0] * len(numbers))
        assert len(window.sketch.keys) == LIMIT
    assert value(high, 1.0)[0] == pytest.approx(float(np.quantile(numbers, 0.99, method="lower")), rel=0.011)
    assert value(low, 1.0)[0] == pytest.approx(float(np.quantile(numbers, 0.01, method="lower")), rel=0.011)


def test_after_the_wide_values_left_the_window_narrow_ones_are_exact_again() -> None:
    window = Quantile(60.0, 0.9)
    add(window, np.exp(np.linspace(0.0, 300.0, 2000)).tolist(), [0.0] * 2000)
    add(window, [1.0, 2.0, 3.0], [1000.0] * 3)
    assert value(window, 1000.0)[0] == pytest.approx(2.0, rel=0.011)


def test_unknown_rows_move_the_ring_of_the_sketch_too() -> None:
    window = Quantile(12.0, 0.5)
    add(window, [5.0, 7.0], [0.0, 6.0])
    later = np.array([15.0])
    window.add(np.zeros(1, dtype=np.int64), later, np.array([np.nan]), np.zeros(1, dtype=bool))
    assert value(window, 15.0)[0] == pytest.approx(7.0, rel=0.011)


@settings(max_examples=40)
@given(
    st.lists(st.tuples(st.floats(0.0, 9.0), st.integers(0, 1), st.floats(-600.0, 600.0)), min_size=1, max_size=40),
    st.lists(st.integers(1, 9), min_size=1, max_size=4),
)
def test_merging_buckets_does_not_depend_on_how_rows_are_cut(
    rows: list[tuple[float, int, float]], sizes: list[int]
) -> None:
    clock = np.repeat(np.cumsum([gap for gap, _, _ in rows]), 40)
    codes = np.repeat([code for _, code, _ in rows], 40)
    spread = np.tile(np.linspace(-1.0, 1.0, 40), len(rows))
    values = np.exp(np.repeat([center for _, _, center in rows], 40) / 2 + spread * 4)
    known = np.ones(len(values), dtype=bool)
    whole, pieces = Quantile(60.0, 0.9), Quantile(60.0, 0.9)
    whole.add(codes, clock, values, known)
    start = turn = 0
    while start < len(values):
        piece = slice(start, start + sizes[turn % len(sizes)] * 17)
        pieces.add(codes[piece], clock[piece], values[piece], known[piece])
        pieces.load(load(dump(pieces.save())))
        start, turn = piece.stop, turn + 1
    assert dump(pieces.save()) == dump(whole.save())
    assert max(np.bincount(whole.sketch.keys >> 18)) <= LIMIT


def test_a_window_takes_at_most_24_kilobytes() -> None:
    window = Quantile(3600.0, 0.99)
    rng = np.random.default_rng(1)
    for second in range(0, 7200, 60):
        add(window, np.exp(rng.uniform(-300, 300, 500)).tolist(), [float(second)] * 500)
        saved = window.save()
        used = sum(array.nbytes for array in (saved["sketch"]["keys"], saved["sketch"]["counts"]))
        assert used + 4 * len(saved["sketch"]["keys"]) <= 24_000
