"""Counting: pages, false pages, delays, limits, and the benchmark's own score, against figures worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import chi2, poisson

from bench.quality.limits import bootstrap, mean_limits, poisson_limits, poisson_upper, rate
from bench.quality.nab_score import PROFILES, File, normalised, probation, raw_score, sigmoid
from bench.quality.score import Alarm, Outcome, Tally, pages, score
from bench.quality.stream import DAY, Truth

STANDARD = PROFILES["standard"]


@pytest.mark.parametrize(("count", "exposure"), [(0, 1.0), (1, 3.5), (7, 10.0), (120, 500.0)])
def test_poisson_limits_are_those_of_the_chi_squared_distribution(count: int, exposure: float) -> None:
    low, high = poisson_limits(count, exposure)
    assert low == pytest.approx(0.0 if count == 0 else chi2.ppf(0.025, 2 * count) / 2 / exposure)
    assert high == pytest.approx(chi2.ppf(0.975, 2 * count + 2) / 2 / exposure)
    assert poisson_upper(count, exposure) == pytest.approx(chi2.ppf(0.95, 2 * count + 2) / 2 / exposure)


def test_at_the_limits_a_count_as_extreme_has_the_probability_of_the_tail() -> None:
    low, high = poisson_limits(7, 1.0)
    assert poisson.sf(6, low) == pytest.approx(0.025)
    assert poisson.cdf(7, high) == pytest.approx(0.025)


def test_without_exposure_there_is_no_rate() -> None:
    found = rate([], [])
    assert math.isnan(found.value)
    assert math.isnan(found.upper)


def test_limits_over_streams_are_wide_when_pages_come_in_few_streams() -> None:
    even, bunched = bootstrap([1] * 20, [10.0] * 20), bootstrap([20] + [0] * 19, [10.0] * 20)
    assert even == (0.1, 0.1)
    assert bunched[0] == 0.0
    assert bunched[1] >= 0.2


def test_a_mean_has_limits_around_it() -> None:
    mean, low, high = mean_limits([10.0, 20.0, 30.0])
    assert mean == 20.0
    assert low < 20.0 < high


def test_pages_within_a_day_of_a_page_are_not_sent_and_start_no_new_day() -> None:
    hours = [1, 5, 23, 24.9, 25, 26, 49, 60]
    sent = pages([Alarm(h * 3600.0, i) for i, h in enumerate(hours)], after=2 * 3600.0)
    assert [alarm.at / 3600 for alarm in sent] == [5, 49]


def test_each_model_has_its_own_day() -> None:
    sent = pages([Alarm(0.0, 0, "a"), Alarm(1.0, 1, "b"), Alarm(2.0, 2, "a")], after=0.0)
    assert [alarm.model for alarm in sent] == ["a", "b"]


def observed(truth: Truth, alarms: list[float], hours: int) -> tuple[float, int, int, int, int, list[int], list[float]]:
    """A stream with an event an hour from time 0."""
    tally = Tally(truth)
    for start in range(0, hours, 7):
        tally.add(3600.0 * np.arange(start, min(start + 7, hours)))
    outcome = Outcome([Alarm(3600.0 * h, int(h)) for h in alarms])
    row = score("s", "x", truth, tally, outcome)
    return (row.weeks, row.pages, row.false_pages, row.detected, row.missed, row.delays_events, row.delays_seconds)


def test_on_a_null_stream_every_page_is_false() -> None:
    got = observed(Truth(168 * 3600.0, True), [100, 200, 210, 300], 2 * 168 + 1)
    assert got == (1.0, 2, 2, 0, 0, [], [])


def test_pages_before_the_change_are_false_and_the_first_within_the_horizon_finds_it() -> None:
    truth = Truth(48 * 3600.0, False, (120 * 3600.0,), DAY)
    weeks, *rest = observed(truth, [60, 122, 150, 190], 240)
    assert weeks == pytest.approx(3 / 7)
    assert rest == [4, 1, 1, 0, [3], [7200.0]]


def test_a_change_that_no_page_follows_within_the_horizon_counts_as_the_horizon() -> None:
    truth = Truth(48 * 3600.0, False, (120 * 3600.0, 180 * 3600.0), DAY)
    assert observed(truth, [119, 146, 180], 240)[2:] == (1, 1, 1, [24, 1], [DAY, 0.0])


def test_a_horizon_ends_where_the_next_change_begins() -> None:
    truth = Truth(0.0, False, (10 * 3600.0, 14 * 3600.0), DAY)
    assert observed(truth, [15], 60)[2:] == (0, 1, 1, [24, 2], [DAY, 3600.0])


# -- the benchmark's score; 1,000 rows, 150 of them probation ----------------------------------------------------------


def test_the_sigmoid_is_the_published_one() -> None:
    assert sigmoid(-1.0) == pytest.approx(0.98661, abs=1e-5)
    assert sigmoid(-0.5) == pytest.approx(0.84828, abs=1e-5)
    assert sigmoid(0.0) == 0.0
    assert sigmoid(1.0) == pytest.approx(-0.98661, abs=1e-5)
    assert sigmoid(3.0) == -1.0


def test_probation_is_15_percent_of_at_most_5000_rows() -> None:
    assert (probation(1000), probation(1007), probation(20_000)) == (150, 151, 750)


def test_a_window_found_at_its_left_edge_earns_one_and_later_less() -> None:
    assert raw_score(1000, [(400, 499)], [400], STANDARD) == pytest.approx(1.0)
    middle = raw_score(1000, [(400, 499)], [450], STANDARD)
    assert middle == pytest.approx((2 / (1 + math.exp(-2.5)) - 1) / 0.9866142981514303)
    assert raw_score(1000, [(400, 499)], [450, 460, 499], STANDARD) == pytest.approx(middle)


def test_a_missed_window_costs_its_weight() -> None:
    assert raw_score(1000, [(400, 499)], [], STANDARD) == -1.0
    assert raw_score(1000, [(400, 499)], [], PROFILES["reward low FN"]) == -2.0


def test_a_detection_outside_costs_by_its_distance_behind_the_last_window() -> None:
    lone = raw_score(1000, [(400, 499)], [200, 400], STANDARD)
    assert lone == pytest.approx(1.0 - 0.11)
    assert raw_score(1000, [(400, 499)], [200, 400], PROFILES["reward low FP"]) == pytest.approx(1.0 - 0.22)
    behind = raw_score(1000, [(400, 499)], [400, 598], STANDARD)  # one width (99 rows) behind
    assert behind == pytest.approx(1.0 - 0.11 * 0.9866142981514303)
    near = raw_score(1000, [(400, 499)], [400, 500], STANDARD)
    assert 0.0 < 1.0 - near < 0.11 * 0.03


def test_what_is_said_in_probation_does_not_count() -> None:
    assert raw_score(1000, [(400, 499)], [10, 149, 400], STANDARD) == pytest.approx(1.0)


def test_scores_are_scaled_between_the_silent_and_the_perfect_detector() -> None:
    windows = ((400, 499), (700, 799))
    silent, perfect = File(1000, windows, ()), File(1000, windows, (400, 700))
    half = File(1000, windows, (400,))
    for profile in PROFILES.values():
        assert normalised([silent], profile) == pytest.approx(0.0)
        assert normalised([perfect], profile) == pytest.approx(100.0)
        assert normalised([half], profile) == pytest.approx(50.0)
    assert normalised([half, File(1000, (), (500,))], STANDARD) == pytest.approx(50.0 - 100 * 0.11 / 4)
    assert math.isnan(normalised([File(1000, (), ())], STANDARD))
