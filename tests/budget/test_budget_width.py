"""Where there are too many values to look at each, blocks of them have a second view: how wide they are."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from monitor.core import state
from monitor.core.detectors.budget.bets import WEIGHTS
from monitor.core.detectors.budget.cells import fit_cells
from monitor.core.detectors.budget.points import Blocks, single
from monitor.core.detectors.budget.seen import fit_seen, load_seen
from monitor.core.detectors.budget.width import BASE, fit_width, ratios, renumbered, split

Make = Callable[..., Any]
STEP = 10.0  # seconds between values: 60,480 a week, 30 in a block
DAYS = 3
START = 1_700_000_100.0  # where a block begins


def noise(seed: int, n: int, sd: float = 1.0, mean: float = 0.0) -> Any:
    return np.random.default_rng(seed).normal(mean, sd, n)


def blocks(values: Any, cut: int = 10**9) -> tuple[Any, Any]:
    """The blocks of a stretch, and what they were scored by."""
    at: Any = START + STEP * np.arange(len(values))
    made = Blocks(fit_cells(noise(1, 4000)))
    parts = [
        made.take(
            single(np.arange(i, min(i + cut, len(values))), at[i : i + cut], at[i : i + cut], values[i : i + cut])
        )
        for i in range(0, len(values), cut)
    ]
    return parts, made.cells


def watching(player: Make, seed: int) -> Any:
    watched = player(step=STEP)
    watched.feed({"inputs.x": noise(seed, DAYS * 8640)}, cuts=5000)
    watched.arm()
    return watched


def shifts(found: Any) -> list[Any]:
    return [f for f in found if f.evidence.statistic == "shift: e-detector"]


def test_a_block_knows_the_spread_of_the_scores_within_it() -> None:
    values = noise(2, 3000)
    (points,), raw = blocks(values)
    scores = raw.scores()[raw.of(values)]
    assert points.n == 99
    for i in range(points.n):
        assert points.wide[i] == pytest.approx(math.log(scores[30 * i : 30 * i + 30].std()), abs=1e-9)
    equal, _ = blocks(np.full(300, 0.25))
    assert np.isfinite(equal[0].wide).all() and (equal[0].wide < -4).all()


@pytest.mark.parametrize("cut", [1, 7, 1000])
def test_where_blocks_are_cut_changes_no_bit_of_their_spread(cut: int) -> None:
    whole, parts = blocks(noise(3, 900))[0][0], blocks(noise(3, 900), cut)[0]
    assert np.array_equal(whole.wide, np.concatenate([part.wide for part in parts]))


@pytest.mark.parametrize("way", [1.0, -1.0])
def test_bets_on_spread_are_fair_while_it_moves_by_what_is_tolerated(way: float) -> None:
    """The mean ratio over a fresh stretch that is wider, or narrower, by the tolerance at every moment."""
    (points,), raw = blocks(noise(4, 30 * 2000))
    width = fit_width(points, raw, 0.1)
    assert width is not None and width.d == pytest.approx(0.1, abs=0.03)
    (fresh,), _ = blocks(noise(5, 30 * 2000, math.exp(0.1 * way)))
    cells, _ = width.cells(fresh, np.empty(0))
    table = width.table(0.1)
    assert (table[:, [0, 1, 2, 3, 6, 7]] == 1.0).all()
    assert (table[cells][:, [4, 5]].mean(axis=0) < 1.02).all()
    (far,), _ = blocks(noise(6, 30 * 2000, math.exp(0.35 * way)))
    grown = np.log(table[width.cells(far, np.empty(0))[0]]).mean(axis=0)
    assert grown[4 if way > 0 else 5] > 0.3


def test_a_code_is_a_cell_of_each_view_and_its_ratios_are_their_product() -> None:
    (points,), raw = blocks(noise(7, 30 * 1500))
    seen = fit_seen(points, raw, 0.05, 0.1)
    codes, lags = seen.cells(points, np.zeros(4))
    first, second = split(codes)
    assert len(lags) == 8 and first.max() < second.min() and second.max() < len(seen.table) <= BASE
    assert np.array_equal(ratios(seen.table, codes), seen.table[first] * seen.table[second])
    table, rows = renumbered(seen.table, codes)
    assert np.array_equal(table[rows], ratios(seen.table, codes))
    again = load_seen(state.load(state.dump(seen.save())))
    assert np.array_equal(again.table, seen.table) and np.array_equal(again.cells(points, np.zeros(4))[0], codes)


def test_single_values_and_columns_of_few_values_have_one_view() -> None:
    values = noise(8, 2000)
    at: Any = START + 300.0 * np.arange(2000)
    seen = fit_seen(single(np.arange(2000), at, at, values), None, 0.05, 0.1)
    codes, _ = seen.cells(single(np.arange(2000), at, at, values), np.zeros(4))
    assert seen.width is None and codes.max() < BASE
    assert ratios(seen.table, codes) is not None and np.array_equal(ratios(seen.table, codes), seen.table[codes])
    few = fit_cells(np.random.default_rng(9).integers(0, 5, 4000).astype(float))
    (points,), _ = blocks(noise(8, 30 * 200))
    assert fit_width(points, few, 0.1) is None
    assert WEIGHTS.sum() == pytest.approx(1.0)


@pytest.mark.parametrize("sd", [math.sqrt(2.0), 0.5])
def test_a_change_of_spread_is_found_at_high_rates(player: Make, sd: float) -> None:
    watched = watching(player, 11)
    (row,) = watched.watcher.describe()["references"]
    assert "means and spreads of blocks" in row["chosen"]
    assert watched.feed({"inputs.x": noise(12, 8640)}, cuts=5000) == []
    found = shifts(watched.feed({"inputs.x": noise(13, 4320, sd)}, cuts=5000))
    assert found and "distributed otherwise" in found[0].evidence.detail


def test_a_spread_that_moves_by_what_is_tolerated_does_not_page(player: Make) -> None:
    watched = watching(player, 14)
    assert watched.feed({"inputs.x": noise(15, 2 * 8640, 1.08)}, cuts=5000) == []


def test_both_views_go_on_after_a_restart_to_the_bit(player: Make) -> None:
    watched, values = watching(player, 16), noise(17, 4000).tolist()
    watched.feed({"inputs.x": values[:1700]})
    saved = watched.watcher.save()
    again = watched.fresh()
    again.load(state.load(state.dump(saved)))
    assert state.dump(again.save()) == state.dump(saved)
    other, offset = watched.watcher, watched.offset
    watched.watcher = again
    watched.feed({"inputs.x": values[1700:]}, cuts=131)
    cut = state.dump(watched.watcher.save())
    watched.watcher, watched.offset = other, offset
    watched.feed({"inputs.x": values[1700:]})
    assert state.dump(watched.watcher.save()) == cut
