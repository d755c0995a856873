from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.core import state
from monitor.core.detectors.budget.points import single
from monitor.core.detectors.staked.category_bets import CategoryBets
from monitor.core.detectors.staked.thinned import LIMIT, CategoryTally
from monitor.core.detectors.staked.vocabulary import OWN, vocabulary
from monitor.core.detectors.staked.watcher import ShiftWatcher
from monitor.core.rules.model import ColumnSetting

Make = Callable[..., Any]
WEEK = 2016
TEN = list("abcdefghij")


def drawn(seed: int, n: int, shares: Any = None, names: list[str] = TEN) -> list[str]:
    return np.random.default_rng(seed).choice(names, n, p=shares).tolist()  # type: ignore[no-any-return]


def tilted(more: float, at: int = 2) -> np.ndarray:
    """One of ten categories gains, the others lose in proportion."""
    shares = np.full(10, (0.9 - more) / 9)
    shares[at] = 0.1 + more
    return shares


def watching(player: Make, column: list[str] | None = None, **more: Any) -> Any:
    watched = player(**more)
    watched.columns.configure({"inputs.c": ColumnSetting("category")})
    assert watched.feed({"inputs.c": drawn(1, 2 * WEEK) if column is None else column}) == []
    watched.arm()
    return watched


def by_hand(shares: list[float], n: float, eps: float, codes: list[int]) -> list[list[float]]:
    """The ratios as the definition says them: plain loops, one value at a time."""
    k_all = len(shares)
    recent = {memory: [float(np.float32(p)) for p in shares] for memory in (64, 512, 32)}
    sets: list[tuple[set[int], float]] = []
    leader: list[int] = []

    def anew() -> None:
        sets.clear()
        leader[:] = [max(range(k_all), key=lambda k: (np.float32(recent[32][k]) - np.float32(shares[k]), -k))]
        for memory, means in list(recent.items())[:2]:
            up = {k for k, p in enumerate(shares) if means[k] > p + 0.5 * math.sqrt(p * (1 - p) / memory)}
            sets.append((up, sum(shares[k] for k in up) + eps + 0.5 * math.sqrt((k_all - 1) / n)))

    anew()
    rows = []
    for count, code in enumerate(codes, start=1):
        row = []
        for up, u in sets:
            for g in (0.1, 0.3):
                p1 = u + g * (1 - u)
                row.append(0.98 if u > 0.95 else p1 / u if code in up else (1 - p1) / (1 - u))
        for k, errors in [(leader[0], 2), *((k, 1) for k in range(k_all))]:
            p = shares[k]
            u = max(min(0.98, p + eps + errors * math.sqrt(p * (1 - p) / n)), 1.6 / n)
            p1 = u + 0.2 * (1 - u)
            row.append(p1 / u if code == k else (1 - p1) / (1 - u))
        rows.append(row)
        for memory, means in recent.items():
            for k in range(k_all):
                means[k] += ((code == k) - means[k]) / memory
        if count % 8 == 0:
            recent.update({memory: [float(np.float32(mean)) for mean in means] for memory, means in recent.items()})
            anew()
    return rows


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 99), st.sampled_from([0.0, 0.05]), st.lists(st.integers(1, 299), max_size=20))
def test_the_array_form_is_the_scalar_form_however_it_is_cut(seed: int, eps: float, cuts: list[int]) -> None:
    rng = np.random.default_rng(seed)
    shares = np.append(rng.dirichlet(np.ones(4)), 0.0)
    codes = rng.integers(0, 5, 300)
    bets = CategoryBets(shares, 1000.0, eps)
    edges = [0, *sorted(set(cuts)), 300]
    got = np.concatenate([bets.ratios(codes[a:b]) for a, b in itertools.pairwise(edges)])
    assert got == pytest.approx(np.array(by_hand(shares.tolist(), 1000.0, eps, codes.tolist())), rel=1e-6)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 999), st.sampled_from([0.0, 0.02, 0.05]))
def test_every_bet_is_fair_while_no_set_of_categories_gained_more_than_eps(seed: int, eps: float) -> None:
    rng = np.random.default_rng(seed)
    shares = np.append(rng.dirichlet(np.ones(6)), 0.0)
    bets = CategoryBets(shares, 2000.0, eps)
    bets.ratios(rng.integers(0, 6, 8 * 36))  # whatever came before
    moved = shares.copy()
    gain, loss = rng.choice(6, 2, replace=False)
    step = min(eps, float(shares[loss]))
    moved[gain], moved[loss] = moved[gain] + step, moved[loss] - step
    table = bets.ratios(np.arange(7))
    assert (moved[:, None] * table).sum(axis=0).max() <= 1 + 1e-12
    assert bets.weights.sum() == pytest.approx(1.0)


def test_columns_of_categories_belong_to_a_shift_rule(player: Make) -> None:
    watched = watching(player)
    assert isinstance(watched.watcher, ShiftWatcher)
    (row,) = watched.watcher.describe()["references"]
    assert row["state"] == "watching"
    assert "10 categories have a bet of their own; a new value is reported." in row["chosen"]


def test_a_category_that_becomes_frequent_is_one_finding_in_words(player: Make) -> None:
    watched = watching(player)
    changed = watched.now
    (found,) = watched.feed({"inputs.c": drawn(2, 250, tilted(0.2))})
    evidence = found.evidence
    assert evidence.statistic == "categories: e-detector"
    assert 0 < evidence.at - changed < 200 * 300
    assert evidence.expected == pytest.approx(0.1, abs=0.02)
    assert evidence.value > 0.2
    assert evidence.interval[0] < 0.2 < evidence.interval[1]
    assert evidence.detail.startswith("inputs.c is 'c' in ")
    for words in ("where the reference had", "since 20", "times likelier"):
        assert words in evidence.detail


@pytest.mark.parametrize(
    ("equal", "tolerance", "most"), [(True, 0.0, 54), (True, 0.05, 100), (False, 0.0, 54), (False, 0.05, 100)]
)
def test_one_of_ten_categories_that_gains_a_fifth_is_found_soon(equal: bool, tolerance: float, most: float) -> None:
    delays = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        usual = np.full(10, 0.1) if equal else rng.dirichlet(np.full(10, 2.0))
        moved = usual * (0.8 - usual[2]) / (1 - usual[2])
        moved[2] = usual[2] + 0.2
        bets = CategoryBets(np.append(rng.multinomial(4000, usual) / 4000, 0.0), 4000.0, tolerance)
        codes = np.concatenate([rng.choice(10, 320, p=usual), rng.choice(10, 600, p=moved)])
        delays.append(first_page(bets, codes, 320))
    assert np.mean(delays) < most


def first_page(bets: CategoryBets, codes: np.ndarray, start: int) -> int:
    """Values from `start` to the first page at a budget of one a week, at 2,016 values a week."""
    mass = np.zeros(len(bets.weights))
    for i, ratio in enumerate(bets.ratios(codes)):
        mass = ratio * (mass + bets.weights / WEEK)
        if i >= start and mass.sum() >= 1.0:
            return i - start + 1
    return len(codes) - start


def test_nothing_changed_and_nothing_pages(player: Make) -> None:
    pages = 0
    for seed in range(4):
        watched = watching(player, drawn(seed, 2 * WEEK))
        pages += len(watched.feed({"inputs.c": drawn(100 + seed, 10 * WEEK)}, cuts=5000))
    assert pages <= 2  # of a budget of 40


def test_a_drift_within_the_tolerance_pages_no_more_often_than_the_budget_allows(player: Make) -> None:
    pages = [watching(player).feed({"inputs.c": drawn(s, 6 * WEEK, tilted(0.04))}, cuts=5000) for s in range(2, 5)]
    assert sum(map(len, pages)) <= 9


def test_a_daily_season_of_categories_is_held_to_the_budget_or_refused(player: Make) -> None:
    def season(seed: int, days: int) -> list[str]:
        rng = np.random.default_rng(seed)
        night = 0.5 + 0.4 * np.sin(2 * np.pi * np.arange(288 * days) / 288)
        return np.where(rng.random(288 * days) < night, "night", "day").tolist()  # type: ignore[no-any-return]

    watched = player()
    watched.columns.configure({"inputs.c": ColumnSetting("category")})
    watched.feed({"inputs.c": season(1, 7)[:2000]})
    watched.arm()
    assert len(watched.feed({"inputs.c": season(2, 70)}, cuts=5000)) <= 10
    (row,) = watched.watcher.describe()["references"]
    assert row["state"] == "refused" or "times as high" in row["chosen"]


def test_a_value_never_seen_is_told_at_its_third_occurrence_and_once(player: Make) -> None:
    watched = watching(player)
    column = drawn(2, 300)
    for place in (50, 120, 200, 250):
        column[place] = "fax"
    (found,) = watched.feed({"inputs.c": column})
    assert found.evidence.statistic == "new value"
    assert found.evidence.at == watched.now - 100 * 300
    assert found.evidence.detail == (
        "inputs.c is 'fax', for the third time, which none of the 4,032 values of its reference was."
    )


def test_every_new_value_of_a_day_is_told_up_to_ten_and_the_tenth_says_so(player: Make) -> None:
    watched = watching(player)
    column = drawn(2, 200)
    for k in range(12):
        column[10 + 3 * k : 13 + 3 * k] = [f"way {k}"] * 3
    found = watched.feed({"inputs.c": column}, cuts=7, reload=True)
    told = [f.evidence.detail for f in found if f.evidence.statistic == "new value"]
    assert [f"'way {k}'" in detail for k, detail in enumerate(told)] == [True] * 10
    assert ["not told one by one" in detail for detail in told] == [False] * 9 + [True]
    later = drawn(3, 300)
    later[200:203] = ["later"] * 3
    new = [f for f in watched.feed({"inputs.c": later}) if f.evidence.statistic == "new value"]
    assert len(new) == 1


def test_in_a_column_where_new_values_keep_coming_they_are_no_news(player: Make) -> None:
    column = drawn(1, 2 * WEEK)
    for i in range(100):
        column[40 * i] = f"word {i}"
    watched = watching(player, column)
    assert watched.feed({"inputs.c": ["fax" if i % 60 == 0 else v for i, v in enumerate(drawn(2, 300))]}) == []
    assert "new values keep coming and are not reported" in watched.watcher.describe()["references"][0]["chosen"]


def test_rare_categories_share_one_bet() -> None:
    rng = np.random.default_rng(1)
    codes = rng.choice(200, 4000, p=np.r_[np.full(20, 0.04), np.full(180, 0.2 / 180)])
    words, shares = vocabulary([f"c{k}" for k in range(200)], codes)
    assert len(words.own) == OWN - 1
    assert len(shares) == OWN
    assert shares.sum() == pytest.approx(1.0)
    assert shares[-1] == pytest.approx(0.19, abs=0.03)
    assert words.codes(["never seen"]).tolist() == [OWN - 1]
    few, _ = vocabulary([f"c{k}" for k in range(200)], codes[:500])
    assert len(few.own) == 4  # a hundred values of the reference for each


@pytest.mark.parametrize("size", [1000, 7777])
def test_a_reference_of_many_values_is_thinned_alike_however_it_is_cut(size: int) -> None:
    n = 3 * LIMIT + 100
    texts = np.array(drawn(4, n), dtype=object)
    clock, rows = np.arange(n, dtype=float), np.arange(n)
    whole, pieces = CategoryTally(), CategoryTally()
    whole.add(single(rows, clock, clock, texts))
    for start in range(0, n, size):
        part = slice(start, start + size)
        pieces.add(single(rows[part], clock[part], clock[part], texts[part]))
    assert state.dump(pieces.save()) == state.dump(whole.save())
    assert whole.thinning.step == 4
    assert np.diff(whole.clock).tolist() == [4.0] * (len(whole.clock) - 1)


def test_many_values_that_are_no_categories_are_refused(player: Make) -> None:
    watched = watching(player, [f"value {i}" for i in range(2 * WEEK)])
    (row,) = watched.watcher.describe()["references"]
    assert row["state"] == "refused"
    assert row["refused"] == "The column has more than 1,000 different values: it holds no categories."


def test_numbers_and_categories_of_one_rule_share_its_threshold(player: Make) -> None:
    rng = np.random.default_rng(5)
    watched = player()
    kinds = {"inputs.c": ColumnSetting("category"), "inputs.x": ColumnSetting("number")}
    watched.columns.configure(kinds)
    watched.feed({"inputs.c": drawn(1, 2 * WEEK), "inputs.x": rng.normal(0, 1, 2 * WEEK).tolist()})
    watched.arm()
    both = {"inputs.c": drawn(2, 200, tilted(0.5)), "inputs.x": (rng.normal(0, 1, 200) + 1.5).tolist()}
    found = watched.feed(both)
    assert {f.evidence.column for f in found} == {"inputs.c", "inputs.x"}


def test_a_column_that_a_person_calls_a_category_starts_anew_as_one(player: Make) -> None:
    watched = player()
    watched.feed({"inputs.x": [0.0, 1.0] * 300})
    watched.columns.fix("inputs.x", "category")
    watched.feed({"inputs.x": [0.0, 1.0] * 300})
    watched.arm()
    (row,) = watched.watcher.describe()["references"]
    assert row["usual"] == {"0": 0.5, "1": 0.5}
    watched.reload()


def test_what_stands_after_a_day_is_not_told_again_and_a_return_ends_it(player: Make) -> None:
    watched = watching(player)
    assert len(watched.feed({"inputs.c": drawn(2, 3 * 288, tilted(0.4))})) == 1
    assert "watches for further change" in " ".join(watched.watcher.describe()["notes"])
    watched.feed({"inputs.c": drawn(3, 2 * 288)})
    assert watched.watcher.describe()["notes"] == []


def test_state_is_small_once_armed(player: Make) -> None:
    saved = watching(player).watcher.save()
    assert len(state.dump(saved["entries"]["entries"])) + len(state.dump(saved["pool"])) < 2000


@pytest.mark.parametrize(("was", "now"), [("category", "number"), ("number", "category")])
def test_a_column_that_a_person_calls_another_kind_costs_the_others_nothing_in_a_restart(
    player: Make, was: Any, now: Any
) -> None:
    watched = player()
    watched.columns.configure({"inputs.c": ColumnSetting(was), "inputs.x": ColumnSetting("number")})
    values = np.random.default_rng(1).integers(0, 10, 2 * WEEK).tolist()
    watched.feed({"inputs.c": values, "inputs.x": np.random.default_rng(2).normal(0, 1, 2 * WEEK).tolist()})
    watched.arm()
    assert watched.states == ["watching", "watching"]
    watched.columns.configure({"inputs.c": ColumnSetting(now), "inputs.x": ColumnSetting("number")})
    before = watched.digest()
    watched.reload()  # before the next event has come
    assert watched.digest() == before
    watched.feed({"inputs.c": values[:5], "inputs.x": [0.0] * 5})
    assert watched.states == ["collecting", "watching"]
