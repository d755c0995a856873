"""References that roll: what refits, when, from what; and that neither cuts nor reloads change a bit of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monitor.core.detectors.budget.points import Points, single
from monitor.core.detectors.budget.trend import as_of_now, continues
from monitor.core.detectors.budget.window import Window
from monitor.core.events import MISSING
from monitor.core.watcher import Mark

Make = Callable[..., Any]
DAY = 86_400.0
SLOW = 1800.0  # seconds between values: 48 a day
START = 1_700_000_000.0


def load(seed: int, days: int, growth: float = 0.0, step: float = SLOW, steps: float = 1.0, at: int = 0) -> Any:
    """A load with a daily season and weather that grows by `growth` a week; `steps` times as much from day `at` on."""
    rng, t = np.random.default_rng(seed), np.arange(int(days * DAY / step)) * step / DAY
    level = 100 * (1 + growth) ** (t / 7) * np.where(t >= at, steps, 1.0)
    return level * np.exp(0.25 * np.sin(2 * np.pi * t) + rng.normal(0, 0.15, len(t)))


def rolling(player: Make, days: float = 28.0, **more: Any) -> Any:
    return player(step=SLOW, more={"reference": days * DAY}, **more)


def play(watched: Any, values: Any, closes: bool = True) -> list[float]:
    """Feed day by day, and close a page a day after it; answers the days of the pages."""
    pages: list[float] = []
    due = np.inf
    per_day = round(DAY / watched.step)
    for start in range(0, len(values), per_day):
        found = watched.feed({"inputs.x": values[start : start + per_day].tolist()})
        pages += [(f.evidence.at - START) / DAY for f in found]
        if due <= start and closes:
            watched.watcher.apply(Mark("rearm", watched.now))
            due = np.inf
        if found:
            due = min(due, start + per_day)
    return pages


def row_of(watched: Any) -> dict[str, Any]:
    (row,) = watched.watcher.describe()["references"]
    return dict(row)


def refits(watched: Any) -> int:
    return int(watched.watcher.describe()["rolling"]["refits"])


def test_growth_pages_for_ever_when_frozen_and_hardly_when_rolling(player: Make) -> None:
    values = load(3, 63, 0.1)
    frozen = player(replace(player().detect, tolerance=0.10), step=SLOW)
    often, seldom = play(frozen, values), play(watched := rolling(player), values)
    frozen_pages, rolling_pages = (len([day for day in days if day > 28]) for days in (often, seldom))
    assert frozen_pages >= 3 and rolling_pages <= 1 and 3 * rolling_pages <= frozen_pages
    assert refits(watched) >= 10  # none while a page is open, and none for a week after one that has moved
    assert "trend of +" in row_of(watched)["chosen"]


def test_a_sudden_shift_is_found_by_both(player: Make) -> None:
    values = load(4, 34, 0.0, steps=1.5, at=31)
    for watched in (player(step=SLOW), rolling(player)):
        pages = play(watched, values)
        assert pages and 31 <= pages[0] < 32


def test_a_rolling_reference_pages_no_more_often_where_nothing_happens(player: Make) -> None:
    assert play(rolling(player), load(5, 35)) == []


def test_while_a_page_is_open_nothing_rolls_and_nothing_enters(player: Make) -> None:
    watched = rolling(player)
    play(watched, load(7, 24, steps=2.0, at=20), closes=False)
    before, mean = refits(watched), row_of(watched)["mean"]
    assert before >= 4
    assert "close its incident" in row_of(watched)["rolling"]
    values = load(8, 20, steps=2.0)
    play(watched, values, closes=False)
    assert (refits(watched), row_of(watched)["mean"]) == (before, mean)
    watched.watcher.apply(Mark("rearm", watched.now))
    assert "elsewhere since its page" in row_of(watched)["rolling"]
    play(watched, load(9, 9, steps=2.0))
    assert refits(watched) > before
    assert row_of(watched)["mean"] == pytest.approx(2 * mean, rel=0.1)  # of the week that came after, and of no other
    assert row_of(watched)["share"] < 0.7


def test_a_reference_that_a_person_gives_stands_until_there_are_two_weeks_after_it(player: Make) -> None:
    watched = rolling(player)
    watched.feed({"inputs.x": load(1, 20).tolist()})
    watched.arm()
    watched.watcher.apply(Mark("reference", watched.now, body={"fitted": _text(watched), "version": 7}))
    before = refits(watched)
    play(watched, load(2, 13))
    assert refits(watched) == before
    play(watched, load(3, 4))
    assert refits(watched) > before


def _text(watched: Any) -> str:
    from monitor.core.references import to_text

    return to_text(watched.watcher.fitted().pack())


def test_each_refit_is_told_once_as_a_whole(player: Make) -> None:
    watched = rolling(player)
    play(watched, load(1, 14))
    watched.watcher.learned()
    told = []
    for day in range(4):
        play(watched, load(20 + day, 1))
        told += [one for one in watched.watcher.learned() if one.rolled]
    assert [one.rolled for one in told] == list(range(told[0].rolled, told[0].rolled + len(told)))
    assert len(told) >= 3 and {one.span for one in told} == {28 * DAY}
    assert all([s.column for s in one.fitted.series] == ["inputs.x"] for one in told)
    assert watched.watcher.learned() == []


@settings(max_examples=3, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts=st.integers(3, 400), reload=st.booleans(), seed=st.integers(0, 3))
def test_neither_cuts_nor_reloads_change_a_bit(player: Make, cuts: int, reload: bool, seed: int) -> None:
    rng = np.random.default_rng(seed)
    columns: dict[str, list[Any]] = {}
    for name in "xy":
        values = load(seed, 19, steps=2.0, at=16 if name == "y" else 99)
        columns[f"inputs.{name}"] = [MISSING if rng.random() < 0.05 else v for v in values.tolist()]
    whole, pieces = rolling(player), rolling(player)
    expected = whole.feed(columns, cuts=100_000)
    assert refits(whole) >= 2 and expected
    assert pieces.feed(columns, cuts=cuts, reload=reload and cuts > 40) == expected
    assert pieces.digest() == whole.digest()


def test_many_values_are_blocks_and_their_cuts_are_made_anew(player: Make) -> None:
    window, rng = Window(7 * DAY), np.random.default_rng(0)
    cuts = []
    for day in range(20):
        clock = START + day * DAY + np.arange(14_400) * 6.0
        window.add(single(np.arange(14_400), clock, clock, rng.normal(day, 1, 14_400)))
        window.roll(float(clock[-1]))
        points, blocks = window.until(np.inf)
        assert blocks is None or points.n <= 7 * 288 + 1
        cuts.append(None if blocks is None else float(np.median(blocks.cells.cuts)))
    assert window.covers()
    assert cuts[-1] is not None and cuts[3] is not None and cuts[-1] > cuts[3] + 3
    assert window.memory() < 705_000


def points_of(at: Any, values: Any) -> Points:
    return single(np.arange(len(at)), at, at, values)


def test_a_trend_is_taken_along_only_where_it_is_plain() -> None:
    at = START + np.arange(28 * 48) * SLOW
    still, growing = load(1, 28), load(1, 28, 0.1)
    same, none = as_of_now(points_of(at, still))
    assert none == 0.0 and same.value is still
    moved, growth = as_of_now(points_of(at, growing))
    assert growth == pytest.approx(0.08, abs=0.02)  # of the level it has in the end
    assert float(np.mean(moved.value[:480])) == pytest.approx(float(np.mean(moved.value[-480:])), rel=0.05)
    rng = np.random.default_rng(1)
    week = 20 * np.sin(2 * np.pi * (at - START) / (7 * DAY))
    assert as_of_now(points_of(at, 100 + week + rng.normal(0, 1, len(at))))[1] == 0.0
    below, falling = as_of_now(points_of(at, rng.normal(0, 1, len(at)) - (at - START) / DAY))
    assert falling < 0 and float(below.value[:480].mean()) == pytest.approx(-28, abs=0.5)


def test_what_comes_after_a_page_is_held_against_where_the_trend_leads() -> None:
    at = START + np.arange(28 * 48) * SLOW
    growing = load(1, 28, 0.1)
    early, late = slice(0, 21 * 48), slice(26 * 48, None)
    before = points_of(at[early], growing[early])
    assert continues(before, points_of(at[late], growing[late])) is True
    assert continues(before, points_of(at[late], 1.6 * growing[late])) is False
    assert continues(before, points_of(at[late][:20], growing[late][:20])) is None
