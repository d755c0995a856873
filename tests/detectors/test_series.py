from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.core import state
from monitor.core.detectors.adwin import Adwin
from monitor.core.detectors.base import ScalarDetector
from monitor.core.detectors.compare import Guard, Moments, judge, moments, split
from monitor.core.detectors.methods import ADWIN
from monitor.core.detectors.scaling import CLIP, fit_scale, standardise
from monitor.core.detectors.series import Change, Series, Settings
from monitor.core.events import Floats
from monitor.core.state import StateError

GUARD = Guard(0.178)


def adwin() -> ScalarDetector:
    return Adwin({name: p.default for name, p in ADWIN.items()})


class Fires:
    """A detector of our own that fires at given counts of values after the warm-up."""

    def __init__(self, *at: int) -> None:
        self._at, self._seen = set(at), -50

    def first(self, values: Floats) -> int:
        for index in range(len(values)):
            self._seen += 1
            if self._seen in self._at:
                return index
        return -1

    def save(self) -> Any:
        return self._seen

    def load(self, saved: Any) -> None:
        self._seen = saved


def normal(seed: int, n: int, mean: float = 0.0, sd: float = 1.0) -> Floats:
    return np.random.default_rng(seed).normal(mean, sd, n)


def fed(series: Series, *parts: Floats) -> list[tuple[int, Change]]:
    found, offset = [], 0
    for part in parts:
        hit = series.feed(part)
        if hit is not None:
            found.append((offset + hit[0], hit[1]))
        offset += len(part)
    return found


def of_adwin(**more: Any) -> Series:
    return Series(adwin, Settings(GUARD, **more))


def test_a_shift_is_told_once_in_data_units_with_an_interval_that_holds_it() -> None:
    series = of_adwin()
    ((at, change),) = fed(series, normal(1, 1000, 100, 5), normal(2, 1000, 110, 5))
    assert 1000 <= at < 1064
    assert change.expected == pytest.approx(100, abs=0.6)
    assert change.value == pytest.approx(110, abs=2)
    assert change.effect == pytest.approx(2, abs=0.4)
    assert change.interval is not None
    assert change.interval[0] < 10 < change.interval[1]
    assert series.state == "latched"


def test_the_unit_of_the_data_does_not_matter() -> None:
    shape = np.concatenate([normal(1, 600), normal(2, 300, 1.5)])
    found = [fed(of_adwin(), shape * unit + unit)[0] for unit in (1e-9, 1.0, 1e9, 1e200)]
    assert len({at for at, _ in found}) == 1
    assert [round(c.effect, 6) for _, c in found] == [round(found[0][1].effect, 6)] * 4


def test_after_rearm_the_next_change_is_found_against_the_same_baseline() -> None:
    series = of_adwin()
    assert len(fed(series, normal(1, 600), normal(2, 300, 3))) == 1
    series.rearm()
    assert fed(series, normal(3, 900, 3)) == []  # what a person has seen is not told again
    ((_, change),) = fed(series, normal(4, 300, 6))
    assert change.expected == pytest.approx(0, abs=0.15)
    assert change.effect == pytest.approx(6, abs=0.7)


def test_going_back_to_the_baseline_after_rearm_is_no_finding_but_leaving_it_again_is() -> None:
    series = of_adwin()
    fed(series, normal(1, 600), normal(2, 300, 3))
    series.rearm()
    assert fed(series, normal(3, 300, 3), normal(4, 600, 0)) == []
    assert len(fed(series, normal(5, 300, 3))) == 1


def test_a_latched_series_learns_nothing_and_says_where_it_is_now() -> None:
    series = of_adwin()
    fed(series, normal(1, 600), normal(2, 300, 3), normal(3, 5000, 3))
    base = series.base
    still = series.now()
    fed(series, normal(4, 5000, 0))
    back = series.now()
    assert still is not None
    assert back is not None
    assert still[1] > 2.5
    assert abs(back[1]) < 0.5
    assert series.base == base


@pytest.mark.parametrize("value", [0.0, 0.1, -3.7, 1e300, 5e-324, 1e-9])
def test_a_constant_never_fires(value: float) -> None:
    for series in (of_adwin(), Series(lambda: Fires(1, 2, 50, 300), Settings(GUARD, 50))):
        assert fed(series, np.full(3000, value)) == []


def test_a_constant_that_changes_is_found() -> None:
    ((at, change),) = fed(of_adwin(), np.full(600, 5.0), np.full(200, 7.0))
    assert 600 <= at < 664
    assert (change.expected, change.value) == (5.0, 7.0)
    assert change.interval is None


def test_huge_numbers_do_not_blind_it() -> None:
    poisoned = normal(1, 900)
    poisoned[[5, 80, 300, 500]] = [1e308, -1e308, 1.7e308, -1.7e308]
    ((at, change),) = fed(of_adwin(), poisoned, normal(2, 300, 2))
    assert 900 <= at < 1000
    assert change.value == pytest.approx(2, abs=0.5)


def test_one_outlier_is_no_change_however_large() -> None:
    values = normal(1, 1000)
    values[600] = 1e12
    series = Series(lambda: Fires(551, 552), Settings(GUARD, 50))
    assert fed(series, values) == []


def test_a_detection_that_comes_too_early_to_be_sure_is_judged_again() -> None:
    early = Series(lambda: Fires(351), Settings(GUARD, 50))  # fires at the first changed value, and never again
    ((at, change),) = fed(early, normal(1, 400), normal(2, 200, 1.5))
    assert 405 <= at <= 440
    assert change.n <= 41


def test_changes_nobody_would_act_on_are_not_told() -> None:
    series = Series(adwin, Settings(Guard(0.5)))
    assert fed(series, normal(1, 2000), normal(2, 6000, 0.3)) == []
    assert len(fed(series, normal(3, 2000, 1.0))) == 1


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 2400), max_size=8), st.integers(0, 3))
def test_cuts_change_neither_the_finding_nor_the_state(cuts: list[int], kind: int) -> None:
    make: Callable[[], ScalarDetector] = adwin if kind < 2 else lambda: Fires(100, 700, 1310)
    values = np.concatenate([normal(kind, 1300), normal(9, 1100, 0.8)])
    whole, pieces = (Series(make, Settings(GUARD, 50)) for _ in range(2))
    edges = [0, *sorted(cuts), len(values)]
    parts = [values[a:b] for a, b in itertools.pairwise(edges)]
    assert fed(pieces, *parts) == fed(whole, values)
    assert state.dump(pieces.save()) == state.dump(whole.save())


def test_shares_are_judged_by_an_interval_for_shares() -> None:
    rates = Settings(Guard(0.01, rates=True, up=True), 50, scaled=False)
    values = np.zeros(800)
    values[[500, 620]] = 1.0  # rare, and a detector that fires at every one of them
    series = Series(lambda: Fires(451, 571), rates)
    assert fed(series, values) == []
    errors = (np.random.default_rng(1).random(200) < 0.4).astype(float)
    ((_, change),) = fed(Series(adwin, rates), values, errors)
    assert change.interval is not None
    assert 0 < change.interval[0] < change.value - change.expected < change.interval[1] + 0.1


def test_a_fall_is_no_rise() -> None:
    series = Series(adwin, Settings(Guard(0.178, up=True)))
    assert fed(series, normal(1, 600), normal(2, 600, -2)) == []


class Unreadable(Fires):
    def load(self, saved: Any) -> None:
        raise StateError("of another River")


def test_a_detector_that_cannot_be_read_starts_again_and_says_so() -> None:
    series = Series(Unreadable, Settings(GUARD, 50))
    fed(series, normal(1, 300))
    other = Series(Unreadable, Settings(GUARD, 50))
    other.load(state.load(state.dump(series.save())))
    assert other.state == "watching"
    assert "of another River" in other.note
    assert other.feed(normal(2, 100)) is None


def test_split_takes_the_cut_with_the_largest_difference() -> None:
    values = np.concatenate([np.zeros(50), np.ones(12)])
    assert split(values, moments(values), 20) == 12
    assert split(values[:20], moments(values[:20]), 20) == 0


def test_judging_needs_a_difference_that_is_large_and_sure() -> None:
    before = moments(normal(1, 500))
    assert judge(before, moments(normal(2, 100, 0.5)), Guard(0.178)) is not None
    assert judge(before, moments(normal(2, 100, 0.5)), Guard(1.0)) is None
    assert judge(before, moments(normal(2, 100, 0.0)), Guard(0.0)) is None
    assert judge(before, moments(normal(2, 100, 0.0, 3.0)), Guard(0.178)) is None
    assert judge(before, moments(normal(2, 100, 0.0, 3.0)), Guard(0.178, spread=True)) is not None
    assert judge(Moments(), Moments(), Guard(0.0)) is None


def test_scaling_is_set_neither_by_broken_values_nor_by_rare_ones() -> None:
    values = normal(1, 200, 50, 2)
    values[3], values[9] = 1e300, -1e300
    centre, width = fit_scale(values)
    assert (centre, width) == (pytest.approx(50, abs=1), pytest.approx(2, abs=1))
    rare = np.zeros(200)
    rare[:8] = 1e6
    assert fit_scale(rare) == (0.0, 0.0)
    assert standardise(np.array([0.0, 3.0, -2.0, 1e300]), 0.0, 0.0).tolist() == [0.0, 1.0, -1.0, 1.0]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=60))
def test_standardised_values_are_finite_and_bounded_for_any_numbers(values: list[float]) -> None:
    array = np.array(values)
    centre, width = fit_scale(array)
    z = standardise(array, centre, width)
    assert np.isfinite([centre, width]).all()
    assert np.isfinite(z).all()
    assert np.abs(z).max() <= CLIP
