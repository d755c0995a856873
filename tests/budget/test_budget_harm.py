from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import stats

from monitor.core import state
from monitor.core.detectors.budget.points import single
from monitor.core.detectors.staked.groups import LIMIT, Groups, HarmTally
from monitor.core.detectors.staked.harm_bets import WEIGHTS, HarmBets, fit_harm
from monitor.core.detectors.staked.watcher import HarmWatcher
from monitor.core.events import MISSING
from monitor.core.rules.model import Detect

Make = Callable[..., Any]
WEEK = 2016
HARM = Detect("harm", (), of="output.label != truth.label")


def answers(seed: int, n: int, rate: Any) -> dict[str, list[Any]]:
    wrong = np.random.default_rng(seed).random(n) < rate
    return {"output.label": ["a"] * n, "truth.label": ["b" if w else "a" for w in wrong]}


def watching(player: Make, rate: Any = 0.05, detect: Detect = HARM, **more: Any) -> Any:
    watched = player(detect, **more)
    watched.watcher.allow(1e-9)
    watched.feed(answers(1, 2 * WEEK, rate))
    watched.watcher.allow(1.0)
    watched.arm()
    return watched


@pytest.mark.parametrize(("n", "k", "size"), [(4000, 200, 1), (4000, 0, 1), (500, 30, 4)])
def test_bets_are_those_of_the_definition(n: int, k: int, size: int) -> None:
    bets = fit_harm(n, k, 0.01, size, 100.0)
    u = stats.beta.ppf(0.8, k + 1, n - k) + 0.01
    assert bets.upper == pytest.approx(u, rel=1e-9)
    for bad in range(size + 1):
        (row,) = bets.ratios(np.array([bad]))
        for got, times in zip(row, (1.4, 2.0, 4.0), strict=True):
            moved = min(times * u, u + {1.4: 0.25, 2.0: 0.5, 4.0: 0.75}[times] * (1 - u))
            assert got == pytest.approx((moved / u) ** bad * ((1 - moved) / (1 - u)) ** (size - bad), rel=1e-9)
    assert WEIGHTS.sum() == pytest.approx(1.0)


@pytest.mark.parametrize("rate", [0.0, 0.02, 0.0527])
def test_bets_are_fair_up_to_the_upper_rate(rate: float) -> None:
    bets = HarmBets(4000.0, 200.0, 0.0527, 3)
    mass = stats.binom.pmf(np.arange(4), 3, rate)
    assert (mass[:, None] * bets.ratios(np.arange(4))).sum(axis=0).max() <= 1 + 1e-12


def test_a_reference_shorter_than_a_period_vouches_for_less() -> None:
    assert fit_harm(1000, 50, 0.0, 1, 2000.0).upper > fit_harm(1000, 50, 0.0, 1, 500.0).upper + 0.004


def first_page(bets: HarmBets, bad: np.ndarray, start: int = 0) -> int | None:
    mass = np.zeros(3)
    for i, ratio in enumerate(bets.ratios(bad)):
        mass = ratio * (mass + WEIGHTS / WEEK)
        if mass.sum() >= 1.0 and i >= start:
            return i - start + 1
    return None


def test_a_rate_of_one_in_five_after_one_in_twenty_is_found_within_42_answers() -> None:
    rng = np.random.default_rng(1)
    delays = []
    for _ in range(300):
        bets = fit_harm(4000, rng.binomial(4000, 0.05), 0.005, 1, WEEK)
        story = np.concatenate([rng.random(200) < 0.05, rng.random(600) < 0.2]).astype(np.int64)
        delays.append(first_page(bets, story, 200) or 600)
    assert np.mean(delays) < 45  # 41 with more repetitions
    assert max(delays) < 600


def test_a_rate_that_stays_pages_less_often_than_the_budget_allows(player: Make) -> None:
    pages = 0
    for seed in range(5):
        watched = player(HARM)
        watched.feed(answers(seed, 2 * WEEK, 0.05))
        watched.arm()
        pages += len(watched.feed(answers(100 + seed, 6 * WEEK, 0.05), cuts=5000))
    assert pages <= 18  # 0.6 a week


def test_errors_that_become_more_frequent_are_told_in_words(player: Make) -> None:
    watched = watching(player)
    assert isinstance(watched.watcher, HarmWatcher)
    changed = watched.now
    (found,) = watched.feed(answers(2, 200, 0.25))
    evidence = found.evidence
    assert (evidence.column, evidence.statistic) == (HARM.of, "harm: e-detector")
    assert 0 < evidence.at - changed < 100 * 300
    assert evidence.expected == pytest.approx(0.05, abs=0.01)
    assert evidence.interval[0] < 0.2 < evidence.interval[1]
    assert evidence.detail.startswith("output.label != truth.label holds for ")
    for words in ("where the reference had", "since 20", "times likelier"):
        assert words in evidence.detail


def test_an_outage_in_which_all_answers_are_bad_blinds_no_rule_for_what_comes_later(player: Make) -> None:
    watched = watching(player)
    assert len(watched.feed(answers(2, 600, 1.0), cuts=50)) == 1
    assert watched.states == ["watching"]  # by where it has been since the page: nothing is left above that
    watched.reload()
    assert watched.feed(answers(3, WEEK, 0.05), cuts=50) == []
    assert watched.feed(answers(4, WEEK // 2, 0.5), cuts=50)


def test_errors_that_become_rarer_are_no_harm(player: Make) -> None:
    assert watching(player, 0.3).feed(answers(2, 2 * WEEK, 0.02)) == []


def test_answers_whose_truth_is_unknown_count_for_nothing(player: Make) -> None:
    whole, half = watching(player), watching(player)
    told = answers(2, 120, 0.3)
    (wanted,) = whole.feed(told)
    (found,) = half.feed({path: [v for value in column for v in (value, MISSING)] for path, column in told.items()})
    assert (found.evidence.n, found.evidence.value) == (wanted.evidence.n, wanted.evidence.value)
    silent = watching(player)
    assert silent.feed({"output.label": ["a"] * 20_000, "truth.label": [MISSING] * 20_000}, cuts=5000) == []


def test_truth_that_comes_later_counts_when_it_arrives(player: Make) -> None:
    watched = watching(player)
    late = answers(2, 200, 0.3)
    at = np.full(200, watched.now - 30 * 86_400.0)  # labels of events of a month ago
    (found,) = watched.feed(late, at=at)
    assert found.evidence.at > watched.now - 200 * 300


def test_a_daily_season_of_the_error_rate_is_held_to_the_budget_or_refused(player: Make) -> None:
    def rate(days: int) -> np.ndarray:
        return 0.08 + 0.07 * np.sin(2 * np.pi * np.arange(288 * days) / 288)

    watched = player(HARM)
    watched.feed(answers(1, 2000, rate(7)[:2000]))
    watched.arm()
    pages = watched.feed(answers(3, 288 * 70, rate(70)), cuts=5000)
    (row,) = watched.watcher.describe()["references"]
    assert row["state"] == "refused" or "times as high" in row["chosen"]
    assert len(pages) <= 10


def test_always_bad_is_refused_in_a_sentence(player: Make) -> None:
    (row,) = watching(player, 1.0).watcher.describe()["references"]
    assert row["state"] == "refused"
    assert row["refused"].startswith("In the reference 100% of the answers were bad")


def test_a_condition_that_never_held_is_watched(player: Make) -> None:
    watched = watching(player, 0.0)
    assert watched.feed(answers(2, 4 * WEEK, 0.0)) == []
    assert watched.feed(answers(3, 60, 0.3))


@pytest.mark.parametrize("size", [999, 20_000])
def test_many_answers_become_groups_alike_however_they_are_cut(size: int) -> None:
    n = 2 * LIMIT + 101
    bad = (np.random.default_rng(4).random(n) < 0.1).astype(float)
    clock, rows = np.arange(n, dtype=float), np.arange(n)
    whole, pieces = HarmTally(), HarmTally()
    whole.add(single(rows, clock, clock, bad))
    for start in range(0, n, size):
        part = slice(start, start + size)
        pieces.add(single(rows[part], clock[part], clock[part], bad[part]))
    assert state.dump(pieces.save()) == state.dump(whole.save())
    assert whole.groups.size == 4
    assert whole.bad.sum() == bad[: len(whole.bad) * 4].sum()


def test_groups_are_the_product_of_single_answers() -> None:
    single_bets, grouped = HarmBets(4000, 200, 0.06, 1), HarmBets(4000, 200, 0.06, 5)
    bad = (np.random.default_rng(5).random(40) < 0.3).astype(float)
    rows = np.arange(40)
    groups = Groups(5).take(single(rows, rows * 1.0, rows * 1.0, bad))
    assert groups.rows.tolist() == list(range(4, 40, 5))
    one_by_one = single_bets.ratios(bad.astype(np.int64)).reshape(8, 5, 3).prod(axis=1)
    assert grouped.ratios(groups.value.astype(np.int64)) == pytest.approx(one_by_one, rel=1e-12)


def test_high_rates_are_looked_at_in_groups(player: Make) -> None:
    watched = player(HARM, step=20.0)  # 30,240 a week
    watched.feed(answers(1, 30_240, 0.05), cuts=5000)
    watched.arm()
    (row,) = watched.watcher.describe()["references"]
    assert "looked at in groups of 4" in row["chosen"]
    assert watched.feed(answers(2, 5000, 0.05)) == []
    assert watched.feed(answers(3, 200, 0.25))


def test_harm_by_a_condition_without_truth_is_watched_too(player: Make) -> None:
    watched = player(Detect("harm", (), of="output.refused == true"))
    refused = (np.random.default_rng(1).random(2 * WEEK) < 0.02).tolist()
    watched.feed({"output.refused": refused})
    watched.arm()
    assert watched.feed({"output.refused": (np.random.default_rng(2).random(150) < 0.3).tolist()})


def test_state_is_small_once_armed(player: Make) -> None:
    saved = watching(player).watcher.save()
    assert len(state.dump(saved["entries"]["entries"])) + len(state.dump(saved["pool"])) < 2000
