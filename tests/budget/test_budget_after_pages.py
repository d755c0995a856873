"""The reference in the order it came, a model that waits to take effect, and what a page makes of those that follow."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from monitor.core import state
from monitor.core.detectors.budget.arming import Armed, Reference, Terms, arm_one
from monitor.core.detectors.budget.bets import WEIGHTS
from monitor.core.detectors.budget.crossed import FOLDS, Sample, asked
from monitor.core.detectors.budget.given import entry_of
from monitor.core.detectors.budget.points import Points, single
from monitor.core.detectors.budget.pool import AMONG, REMEMBERED, SHORT, STEEP, Pool
from monitor.core.detectors.budget.seen import fit_seen
from monitor.core.detectors.budget.series import DEARER, FADES, MUTE, RARE, BudgetSeries
from monitor.core.detectors.budget.shares import PERIOD
from monitor.core.detectors.methods import parameters_of
from monitor.core.detectors.scored.rows import Rows
from monitor.core.detectors.scored.watcher import plan
from monitor.core.references import FittedSeries
from monitor.core.rules.model import Detect

START = 1_700_000_000.0
DAY = 86_400.0


def points(values: Any, step: float = 300.0) -> Points:
    at: Any = START + step * np.arange(len(values))
    return single(np.arange(len(values)), at, at, np.asarray(values, dtype=np.float64))


def slowly(sample: Sample, due: float, budget: float) -> float:
    """One value after the other: each quarter by a view of the other three, from no mass at all."""
    every, highest = sample.points, list[float]()
    edges = np.linspace(0, every.n, FOLDS + 1).astype(int).tolist()
    for start, stop in pairwise(edges):
        others = [i for i in range(every.n) if not start <= i < stop]
        cells, table = sample.part(np.array(others), slice(start, stop))
        mass, peaks = [0.0] * len(WEIGHTS), dict[int, float]()
        for cell, clock in zip(cells.tolist(), every.clock[start:stop].tolist(), strict=True):
            mass = [(m + due * w) * ratio for m, w, ratio in zip(mass, WEIGHTS, table[cell], strict=True)]
            stretch = int(clock // 21_600)
            peaks[stretch] = max(peaks.get(stretch, 0.0), sum(mass))
        highest += peaks.values()
    weeks = (every.clock[-1] - every.clock[0]) / PERIOD
    return sorted(highest, reverse=True)[min(int(budget * weeks), len(highest) - 1)] * budget


@pytest.mark.parametrize("wander", [0.0, 0.8])
@pytest.mark.parametrize("budget", [0.5, 2.0])
def test_what_a_reference_asks_for_in_order_is_what_a_slow_form_says(wander: float, budget: float) -> None:
    rng = np.random.default_rng(5)
    given = points(rng.normal(0, 1, 1200) + wander * np.repeat(rng.normal(0, 1, 12), 100))
    sample = Sample(given, None, fit_seen(given, None, 0.05, 0.1), 0.05, 0.1)
    assert asked(sample, 1 / 2016, budget) == pytest.approx(slowly(sample, 1 / 2016, budget), rel=1e-9)


def test_a_level_that_wanders_asks_for_a_higher_threshold() -> None:
    rng = np.random.default_rng(6)
    calm, odd = rng.normal(0, 1, 2400), np.repeat(rng.normal(0, 1, 8), 300)
    made = []
    for given in (points(calm), points(calm + odd)):
        seen = fit_seen(points(calm), None, 0.05, 0.1)
        made.append(asked(Sample(given, None, seen, 0.05, 0.1), 1 / 2016, 1.0))
    assert made[1] > 10 * made[0]


def paged(at: float) -> BudgetSeries:
    series = BudgetSeries()
    series.mute(at)
    return series


def further(series: BudgetSeries, at: float, odds: float) -> float:
    return float(series._further(np.array([at]), np.array([odds]))[0])


def test_what_has_stood_since_a_page_is_not_reported_again_and_what_is_beyond_it_is() -> None:
    series = paged(0.0)
    stood = 100 * RARE
    assert further(series, 0.75 * DAY, stood) == 0.0  # within the day after the page nothing is
    assert further(series, MUTE + 1, stood) == 0.0
    assert further(series, MUTE + 2, 2 * stood) == 0.0
    assert further(series, MUTE + 3, 2 * stood * 10) == 20 * stood


def test_what_was_over_half_a_day_after_a_page_is_reported_when_it_comes_again() -> None:
    series = paged(0.0)
    assert further(series, 0.1 * DAY, 100 * RARE) == 0.0
    assert further(series, MUTE + 1, 100 * RARE) == 100 * RARE


def test_what_has_stood_is_forgotten_by_and_by() -> None:
    series, stood = paged(0.0), 100 * RARE
    further(series, 0.75 * DAY, stood)
    forgotten = 0.75 * DAY + np.log(stood / RARE) / FADES
    assert series.barred == pytest.approx(forgotten)
    assert further(series, forgotten + 1, stood) == stood


def test_where_a_stretch_is_cut_changes_nothing_of_what_is_reported() -> None:
    rng = np.random.default_rng(8)
    clock, odds = np.sort(rng.uniform(0, 6 * DAY, 300)), RARE * np.exp(rng.normal(0, 2.5, 300))
    whole = paged(0.0)._further(clock, odds)
    series = paged(0.0)
    parts = [series._further(clock[i : i + 7], odds[i : i + 7]) for i in range(0, 300, 7)]
    assert np.array_equal(whole, np.concatenate(parts)) and 0 < (whole > RARE).sum() < (odds > RARE).sum()


def test_the_shift_arm_rests_longer_after_each_page_of_late_but_no_more_than_a_week() -> None:
    series, rests, at = BudgetSeries(), [], 0.0
    for _ in range(4):
        series.latch(at)
        rests.append(round((series.wakes() - at) / DAY, 3))
        at = series.wakes()
    assert rests == [1.0, 2.0, 4.0, 7.0]
    series.latch(at + 100 * DAY)
    assert series.wakes() - at == pytest.approx(101 * DAY, abs=0.01 * DAY)


def test_a_model_that_waits_to_take_effect_is_kept() -> None:
    rng, detect = np.random.default_rng(9), Detect("anomaly", ("inputs.*",))
    assert parameters_of(detect) is not None
    rows = Rows(plan(detect))
    at: Any = START + 300.0 * np.arange(600)
    rows.add_rows(["a", "b"], Points(np.arange(600), at, at, rng.normal(0, 1, (600, 2)), np.full(600, np.nan)))
    found, _ = rows.until(np.inf)
    again = Rows(plan(detect))
    again.load(state.load(state.dump(rows.save())))
    assert again.model is not None and rows.model is not None
    assert state.dump(again.save()) == state.dump(rows.save())
    for name in ("clock", "at", "value"):
        assert np.array_equal(getattr(again.points, name), getattr(found, name))


def test_pages_of_a_rule_make_its_next_ones_dearer_from_half_a_day_on_for_weeks() -> None:
    """Other series of the rule, too; each page of late tenfold, three of them at most, a half as much every week."""
    pool = Pool(0.94, 0.06)
    own = np.ones(6)
    hours = np.array([1.0, 11.0, 13.0, 24 * 7 - 1, 24 * 7 + 1, 24 * 15])
    at = Points(np.arange(6), START + 3600 * hours, START + 3600 * hours, np.zeros(6), np.zeros(6))
    assert pool._worn(at, own) is own
    pool._note(START)
    tenth = DEARER[0]
    assert pool._worn(at, own).tolist() == pytest.approx([1.0, 1.0, tenth, tenth, tenth**0.5, tenth**0.25])
    pool._note(START + MUTE - 1)  # within a day of the other: the same page
    assert pool._worn(at, own)[2] == tenth
    for more in range(1, 9):
        pool._note(START + more * MUTE)
    late = Points(np.arange(1), at.clock[:1] + 9 * MUTE, at.at[:1], np.zeros(1), np.zeros(1))
    assert pool._worn(late, np.ones(1))[0] == tenth**AMONG
    assert pool._worn(late, np.full(1, 1e9))[0] == 1e9  # what its own pages make of it, where that is more
    assert len(pool._told) <= REMEMBERED


def test_pages_of_a_rule_are_remembered_by_its_state() -> None:
    pool, other = Pool(0.94, 0.06), Pool(0.94, 0.06)
    pool._note(START)
    other.load(state.load(state.dump(pool.save())), {})
    assert other._told.tolist() == [START]


@pytest.mark.parametrize(("days", "share"), [(14, 1.0), (20, 1.0), (7, 7 / 13.86), (3, 3 / 13.86)])
def test_a_reference_that_is_given_has_as_much_of_the_budget_as_it_is_long(days: int, share: float) -> None:
    given = Reference("x", points(np.random.default_rng(7).normal(0, 1, days * 288)), None)
    made, _ = arm_one(given, Terms(0.94, 0.05, 0.1, ("rule",)))
    assert isinstance(made, Armed)
    entry = entry_of(FittedSeries("", "", "x", made, None), 0.05, 0.05)
    assert entry.share == pytest.approx(share, rel=0.01)
    pool = Pool(0.94, 0.06)
    pool.adopt({("", "", "x"): entry})
    dearer = max(SHORT / share, 1.0) ** STEEP  # short of six days, slow changes ask for more
    assert pool._heights[0] == pytest.approx(made.height * dearer, rel=0.05)
