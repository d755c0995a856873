from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from monitor.core import state
from monitor.core.detectors.budget.bets import bet_table, drift
from monitor.core.detectors.budget.cells import cut_levels
from monitor.core.detectors.budget.points import Points
from monitor.core.detectors.budget.seen import RISES
from monitor.core.detectors.budget.tell import row_sentences
from monitor.core.detectors.scored.rows import Plan, Rows
from monitor.core.detectors.scored.series import ScoredSeries
from monitor.core.detectors.vector_methods import fitter
from monitor.core.events import MISSING
from monitor.core.rules.model import ColumnSetting, Detect

Make = Callable[..., Any]
WEEK = 2016
ANOMALY = Detect("anomaly", ("inputs.*",))
OUTLIER = Detect("outlier", ("inputs.*",))
SETTINGS = {f"inputs.c{i}": ColumnSetting("number") for i in range(6)}


def events(seed: int, n: int, level: float = 0.0, moved: int = 6) -> dict[str, list[float]]:
    """Six columns with a factor in common; the first `moved` of them at another level."""
    rng = np.random.default_rng(seed)
    x = 0.7 * rng.normal(0, 1, (n, 1)) + 0.71 * rng.normal(0, 1, (n, 6))
    x[:, :moved] += level
    return {f"inputs.c{i}": x[:, i].tolist() for i in range(6)}


def watching(player: Make, detect: Detect, seed: int = 1, **more: Any) -> Any:
    watched = player(detect, **more)
    watched.columns.configure(SETTINGS)
    watched.feed(events(seed, 2000))
    watched.arm()
    return watched


def entry(watched: Any) -> ScoredSeries:
    (found,) = [e for e in watched.watcher._entries.entries.values() if isinstance(e, ScoredSeries)]
    return found


def test_bets_on_rises_alone_are_bets_of_the_same_table() -> None:
    table = bet_table(cut_levels(2000), 2000, drift(0.05), 0.1)
    rises = table[:, RISES[0]]
    assert np.all(np.diff(rises[:, [0, 2]], axis=0) >= 0)  # never less for a higher cell
    assert {tuple(column) for column in rises.T} <= {tuple(column) for column in table.T}


def test_what_is_unusual_together_is_found_and_told_with_the_columns_furthest_away(player: Make) -> None:
    watched = watching(player, ANOMALY)
    assert watched.feed(events(2, 300)) == []
    changed = watched.now
    (found,) = watched.feed(events(3, 100, 3.0, 1))
    evidence = found.evidence
    assert evidence.statistic == "score of half_space_trees"
    assert evidence.at - changed < 60 * 300
    assert evidence.value > evidence.expected
    assert evidence.detail.startswith("The score (half-space trees) of inputs.* rose from ")
    assert "with inputs.c0 (+" in evidence.detail


@pytest.mark.parametrize("method", [None, "gaussian", "sad"])
def test_nothing_changed_and_nothing_pages(player: Make, method: str | None) -> None:
    watched = watching(player, Detect("anomaly", ("inputs.*",), method=method))
    assert len(watched.feed(events(2, 3 * WEEK), cuts=5000)) <= 1


def test_a_shift_of_all_columns_by_a_standard_deviation_is_found_within_a_day(player: Make) -> None:
    delays = []
    for seed in range(4):
        watched = watching(player, ANOMALY, seed)
        changed = watched.now
        found = watched.feed(events(10 + seed, 600, 1.0))
        delays.append((found[0].evidence.at - changed) / 300)
    assert np.mean(delays) < 240


def test_after_two_weeks_scores_have_their_whole_budget(player: Make) -> None:
    watched = player(ANOMALY, step=1800.0)
    watched.columns.configure(SETTINGS)
    watched.feed(events(1, 13 * 48 + 47))
    assert entry(watched).share == pytest.approx(0.5, abs=0.02)
    watched.feed(events(2, 5))
    assert entry(watched).share == 1.0 and entry(watched).collector is None


def test_scores_that_fall_are_no_anomaly(player: Make) -> None:
    watched = watching(player, ANOMALY)
    still = {path: [0.0] * 2000 for path in SETTINGS}
    assert watched.feed(still) == []


def test_the_model_learns_the_first_half_and_nothing_more(player: Make) -> None:
    watched = watching(player, ANOMALY)
    model = entry(watched).model
    assert model is not None
    before = state.dump(model.save())
    watched.feed(events(2, 2 * WEEK, 2.0))
    after = entry(watched).model
    assert after is model
    saved = {k: v for k, v in model.save().items() if k != "missing"}
    assert state.dump(saved) == state.dump({k: v for k, v in state.load(before).items() if k != "missing"})
    assert entry(watched).armed is not None
    assert entry(watched).armed.n == 1000  # type: ignore[union-attr]


def test_a_column_that_vanishes_is_told_and_counts_as_its_middle(player: Make) -> None:
    watched = watching(player, ANOMALY)
    gone = events(2, WEEK // 2) | {"inputs.c5": [MISSING] * (WEEK // 2)}
    assert watched.feed(gone) == []
    assert watched.feed(events(3, 100, 3.0, 1))


@pytest.mark.parametrize("size", [700, 5000])
def test_many_rows_are_thinned_alike_however_they_are_cut(size: int) -> None:
    plan = Plan(fitter("gaussian", {}), 300, 600)
    x = np.random.default_rng(1).normal(0, 1, (5001, 3))
    clock, rows = np.arange(5001, dtype=float), np.arange(5001)
    whole, pieces = Rows(plan), Rows(plan)
    for made, step in ((whole, 10_000), (pieces, size)):
        for start in range(0, 5001, step):
            part = slice(start, start + step)
            points = Points(rows[part], clock[part], clock[part], x[part], np.full(len(x[part]), np.nan))
            made.add_rows(["a", "b", "c"], points)
    assert state.dump(pieces.save()) == state.dump(whole.save())
    assert whole.step == 16
    points, _ = whole.until(np.inf)
    assert np.diff(points.clock).tolist() == [16.0] * (points.n - 1)


def test_one_monstrous_value_is_an_outlier_and_told_once_a_day(player: Make) -> None:
    watched = watching(player, OUTLIER)
    assert watched.feed(events(2, 300)) == []
    spoiled = events(3, 300)
    for place in (100, 101, 150):
        spoiled["inputs.c2"][place] = 40.0
    found = [f for f in watched.feed(spoiled) if f.evidence.column == "inputs.c2"]
    assert len(found) == 1
    assert found[0].evidence.at == watched.now - 200 * 300
    assert found[0].evidence.detail.startswith("inputs.c2 is at 40 where about ")


def test_a_shift_is_no_outlier(player: Make) -> None:
    watched = watching(player, OUTLIER)
    assert watched.feed(events(3, 200, 0.3)) == []
    rows = watched.watcher.describe()["references"]
    assert {row["slow_changes"] for row in rows} == {None}
    for told in map(row_sentences, rows):
        assert told[1] == "Single values are looked at, not slow changes."
        assert not any("refused" in sentence or "of what pages" in sentence for sentence in told)
    assert {row["sudden_changes"] for row in rows} == {True}


def test_outliers_of_nothing_page_no_more_often_than_the_budget_allows(player: Make) -> None:
    pages = 0
    for seed in range(3):
        watched = watching(player, Detect("outlier", ("inputs.*",), method="sad"), seed)
        pages += len(watched.feed(events(20 + seed, 4 * WEEK), cuts=5000))
    assert pages <= 12


def test_an_event_whose_score_alone_is_extreme_is_named(player: Make) -> None:
    watched = watching(player, Detect("outlier", ("inputs.*",), method="sad"))
    spoiled = events(3, 100)
    for i in range(6):
        spoiled[f"inputs.c{i}"][50] = (-1) ** i * 10.0
    found = [f for f in watched.feed(spoiled) if f.evidence.statistic == "score of sad"]
    assert found
    assert found[0].evidence.detail.startswith(f"Event '{watched.offset - 50}' is unlike those of the reference in ")


def test_an_outlier_rule_on_one_column_has_no_score(player: Make) -> None:
    watched = player(Detect("outlier", ("inputs.c0",)))
    watched.columns.configure(SETTINGS)
    watched.feed({"inputs.c0": events(1, 2000)["inputs.c0"]})
    watched.arm()
    assert [row["column"] for row in watched.watcher.describe()["references"]] == ["inputs.c0"]
    assert watched.feed({"inputs.c0": [*events(2, 50)["inputs.c0"], 30.0, 0.0]})
