"""What must never page: a simulated year of each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from monitor.core.events import MISSING

Make = Callable[..., Any]
DAY = 288
YEAR = 365 * DAY
START = 1_700_000_000.0


def a_year(watched: Any, columns: dict[str, list[Any]], cuts: int = 20_000) -> list[Any]:
    return list(watched.feed(columns, cuts=cuts))


def normal(seed: int, n: int) -> list[float]:
    return np.random.default_rng(seed).normal(0, 1, n).tolist()


def reference(player: Make, columns: dict[str, list[Any]], **more: Any) -> Any:
    watched = player(**more)
    watched.watcher.allow(1e-9)  # what the second week of a reference finds is tested elsewhere
    assert watched.feed(columns) == []
    watched.arm()
    watched.watcher.allow(1.0)
    return watched


@pytest.mark.parametrize("value", [0.0, 5, -1e300, True])
def test_a_constant(player: Make, value: Any) -> None:
    watched = reference(player, {"inputs.x": [value] * 14 * DAY})
    assert a_year(watched, {"inputs.x": [value] * YEAR}) == []


def test_a_constant_that_was_none_in_its_reference_pages_once(player: Make) -> None:
    watched = reference(player, {"inputs.x": normal(1, 14 * DAY)})
    assert len(a_year(watched, {"inputs.x": [0.1] * YEAR})) <= 2


@pytest.mark.parametrize("seed", [1, 2])
def test_rare_ones(player: Make, seed: int) -> None:
    rng = np.random.default_rng(seed)
    watched = reference(player, {"inputs.x": (rng.random(14 * DAY) < 0.05).astype(float).tolist()})
    assert a_year(watched, {"inputs.x": (rng.random(YEAR) < 0.05).astype(float).tolist()}) == []


def test_all_missing(player: Make) -> None:
    watched = reference(player, {"inputs.x": normal(1, 14 * DAY)})
    assert a_year(watched, {"inputs.x": [MISSING] * YEAR}) == []


def test_all_missing_from_the_start(player: Make) -> None:
    assert a_year(player(), {"inputs.x": [None] * YEAR}) == []


def test_nineteen_of_twenty_columns_absent(player: Make) -> None:
    columns = {f"inputs.c{i}": normal(i, 7 * DAY - 20) for i in range(20)}
    watched = reference(player, columns)
    found = a_year(watched, {"inputs.c0": normal(99, 60 * DAY)})
    assert [f for f in found if f.evidence.statistic == "shift: e-detector"] == []


def test_the_first_values_after_two_silent_weeks(player: Make) -> None:
    for seed in range(10):
        watched = reference(player, {"inputs.x": normal(seed, 14 * DAY)})
        watched.offset += 14 * DAY
        assert watched.feed({"inputs.x": normal(100 + seed, 40)}) == []


def chance(pages: int, years: int) -> None:
    """Ordinary noise is paged about by chance, less than once in a hundred weeks; a silence or a clock adds nothing."""
    assert pages <= max(1, years)


def test_two_silent_weeks_four_times_a_year_for_three_years(player: Make) -> None:
    pages = 0
    for seed in range(3):
        watched = reference(player, {"inputs.x": normal(seed, 14 * DAY)})
        at = watched.now + np.arange(YEAR) * 300.0
        at = at[((at - at[0]) // (7 * 86_400)).astype(int) % 13 < 11]
        pages += len(watched.feed({"inputs.x": normal(10 + seed, len(at))}, cuts=5000, at=at))
    chance(pages, 3)


def test_nineteen_of_twenty_columns_absent_for_a_year(player: Make) -> None:
    columns = {f"inputs.c{i}": normal(i, 14 * DAY) for i in range(20)}
    assert a_year(reference(player, columns), {"inputs.c0": normal(99, YEAR)}) == []


@pytest.mark.parametrize("seed", range(5))
def test_five_values_a_week_where_there_were_two_thousand(player: Make, seed: int) -> None:
    watched = reference(player, {"inputs.x": normal(seed, 14 * DAY)})
    at = watched.now + np.arange(5 * 52) * 604_800.0 / 5
    assert watched.feed({"inputs.x": normal(30 + seed, len(at))}, cuts=50, at=at) == []


def test_one_timestamp_in_2035_pays_nothing_out_and_blinds_nothing(player: Make) -> None:
    for past in (0.0, 3 * 365 * 86400.0):  # live, and a file of three years ago
        watched, days = player(), 74
        at = START - past + np.arange(days * DAY) * 300.0
        at[34 * DAY] = 2_051_222_400.0
        values = normal(5, days * DAY)
        values[73 * DAY :] = [v + 2 for v in values[73 * DAY :]]
        watched.feed({"inputs.x": values[: 14 * DAY]}, at=at[: 14 * DAY])
        watched.arm(at[14 * DAY - 1])
        found = watched.feed({"inputs.x": values[14 * DAY :]}, at=at[14 * DAY :], cuts=5000)
        slow = [f.evidence for f in found if f.evidence.statistic == "shift: e-detector"]
        assert slow
        assert slow[0].at >= START + 73 * DAY * 300.0


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_five_values_a_week(player: Make, seed: int) -> None:
    watched = player(step=604_800.0 / 5)
    watched.feed({"inputs.x": normal(seed, 110)})
    assert watched.states == ["watching"]
    assert a_year(watched, {"inputs.x": normal(100 + seed, 5 * 52)}, cuts=50) == []
