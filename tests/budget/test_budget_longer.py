"""Where single values depend on each other too much for the budget, slow changes are looked for in longer blocks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from bench.quality.streams.processes import long_memory
from monitor.core import state
from monitor.core.detectors.budget.arming import SILENT, Reference, Terms, arm_one
from monitor.core.detectors.budget.cells import fit_cells
from monitor.core.detectors.budget.longer import ENOUGH, HOUR, Longer, merged
from monitor.core.detectors.budget.points import Blocks, Points, single
from monitor.core.sound import fault

Make = Callable[..., Any]
START = 1_700_000_100.0
DAY = 288  # values
TERMS = Terms(0.94, 0.05, 0.1, ("rule", "model"))
HEAVY = 7  # a seed of long memory whose own values are refused


def wandering(seed: int, n: int) -> Any:
    """Its mean over a week moves: what the last hours were like says little about the next days."""
    return long_memory(np.random.default_rng(seed), n, 0.45)


def points_of(values: Any, step: float = 300.0) -> Points:
    at: Any = START + step * np.arange(len(values))
    return single(np.arange(len(values)), at, at, values)


def watching(player: Make, days: int = 14, **more: Any) -> Any:
    watched = player(**more)
    watched.feed({"inputs.x": wandering(HEAVY, (days + 7) * DAY)[: days * DAY]})
    watched.arm()
    return watched


def test_a_reference_too_dependent_for_single_values_is_watched_in_longer_blocks() -> None:
    reference = Reference("x", points_of(wandering(HEAVY, 14 * DAY)), None)
    single_only, _ = arm_one(reference, replace(TERMS, longer=False))
    made, _ = arm_one(reference, TERMS)
    assert not isinstance(single_only, str) and single_only.height == SILENT
    assert not isinstance(made, str) and made.height < SILENT
    assert made.longer is not None and made.longer.length in (HOUR, 3 * HOUR) and not made.ranked
    assert made.size == made.longer.n >= ENOUGH and made.n == 14 * DAY
    assert made.pace == pytest.approx(made.size / 2, rel=0.05) and made.rate == pytest.approx(2016, rel=0.01)


def test_what_is_steady_stays_with_its_own_values() -> None:
    made, _ = arm_one(Reference("x", points_of(np.random.default_rng(1).normal(size=14 * DAY)), None), TERMS)
    assert not isinstance(made, str) and made.longer is None


def test_blocks_of_blocks_have_the_mean_and_the_spread_of_all_their_values() -> None:
    values = np.random.default_rng(2).normal(size=20 * 12 * 30)
    raw = fit_cells(values)
    fine = Blocks(raw).take(points_of(values, 15.0))
    coarse = Longer(HOUR, 1.0, 1, ranked=True).blocks(raw).take(fine)
    scores = raw.scores()[raw.of(values)]
    first = int(
        np.searchsorted(START + 15.0 * np.arange(len(values)), coarse.at[3] - HOUR / 2 - 300.0)
    )  # of blocks that ended then
    inside = scores[first : first + 240]
    assert coarse.score[3] == pytest.approx(inside.mean(), abs=1e-12)
    assert coarse.wide is not None and coarse.wide[3] == pytest.approx(np.log(inside.std()), abs=1e-9)


def test_longer_blocks_are_tried_while_a_reference_has_enough_of_them() -> None:
    lengths = [length for length, _ in merged(points_of(np.zeros(14 * DAY)), fit_cells(np.arange(100.0)))]
    assert lengths == [HOUR, 3 * HOUR]
    assert [n for n, _ in merged(points_of(np.zeros(400)), fit_cells(np.arange(100.0)))] == []
    hourly = points_of(np.zeros(14 * 24), 3600.0)  # twenty values a block are most of a day
    assert [n for n, _ in merged(hourly, fit_cells(np.arange(100.0)))] == []


def test_people_are_told_why_and_how_long_it_takes(player: Make) -> None:
    (row,) = watching(player).watcher.describe()["references"]
    assert "blocks of at least" in row["chosen"] and "depend too much on each other" in row["chosen"]
    assert row["blocks"] and row["spacing"] >= HOUR and row["slow_changes"]


def test_a_shift_is_found_and_one_strange_value_without_waiting_for_a_block(player: Make) -> None:
    watched = watching(player)
    values = wandering(HEAVY, 21 * DAY)
    assert not watched.feed({"inputs.x": values[14 * DAY : 15 * DAY]})
    shifted = watched.feed({"inputs.x": values[15 * DAY : 18 * DAY] + 4.0})
    assert any(f.evidence.effect is not None and f.evidence.effect > 2 for f in shifted)
    other = watching(player)
    at = other.now
    (found, *_) = other.feed({"inputs.x": [0.0, 0.0, 1000.0, 0.0]})
    assert found.evidence.statistic == "shift: outlier" and found.evidence.at == at + 600.0


def test_the_slow_arm_alone_finds_it_too_and_counts_in_blocks(player: Make) -> None:
    watched = watching(player)
    for entry in watched.watcher._entries.entries.values():
        entry.armed = replace(entry.armed, outliers=None)
    values = wandering(HEAVY, 21 * DAY)
    found = watched.feed({"inputs.x": values[14 * DAY : 21 * DAY] + 6.0})
    assert found and found[0].evidence.statistic == "shift: e-detector"
    assert found[0].evidence.n <= 24 and "blocks of values" in found[0].evidence.detail


@pytest.mark.parametrize("cuts", [1, 13, 500])
def test_cuts_and_restarts_change_no_bit(player: Make, cuts: int) -> None:
    values = wandering(HEAVY, 21 * DAY)[14 * DAY : 16 * DAY].copy()
    values[100:] += 3.0
    whole, parts = watching(player), watching(player)
    expected = whole.feed({"inputs.x": values})
    found = parts.feed({"inputs.x": values}, cuts=cuts, reload=True)
    assert found == expected and parts.digest() == whole.digest()


def test_a_series_in_longer_blocks_is_as_small_as_others(player: Make) -> None:
    (entry,) = watching(player).watcher._entries.entries.values()
    entry.collector = None
    assert len(state.dump(entry.save())) <= 2_000


def test_a_given_reference_keeps_its_blocks_and_wrong_ones_are_refused(player: Make) -> None:
    from monitor.core.references import unpack

    watched = watching(player)
    fitted = watched.watcher.fitted()
    (series,) = unpack(fitted.pack()).series
    assert series.armed is not None and series.armed.longer == fitted.series[0].armed.longer
    assert series.armed.longer is not None
    for wrong in ({"length": 0.0}, {"length": float("nan")}, {"rate": 0.0}, {"rate": float("inf")}, {"n": 0}):
        said = fault(replace(series.armed, longer=series.armed.longer._replace(**wrong)))
        assert said is not None and "blocks of a length" in said
