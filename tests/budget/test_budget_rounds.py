"""Arming many series: in pieces, with the same outcome, and one that fails alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from monitor.core.detectors.budget import arming
from monitor.core.detectors.budget.points import single
from monitor.core.detectors.budget.replay import height
from monitor.core.detectors.budget.rounds import PAUSE, Rounds
from monitor.core.detectors.budget.trial import Trial
from monitor.core.references import Fitted, FittedSeries
from monitor.core.state import dump, load

Make = Callable[..., Any]
LEARNED = 64  # values from which the kind of a column is known
WEEK = 168 + LEARNED  # an hour between values
HOUR = 3600.0
START = 1_700_000_000.0


def columns(n: int, count: int = 6, seed: int = 1) -> dict[str, list[float]]:
    rng = np.random.default_rng(seed)
    return {f"inputs.c{i}": rng.normal(0, 1, n).tolist() for i in range(count)}


def test_series_have_their_turns_one_after_the_other_and_take_effect_together(player: Make) -> None:
    watched = player(step=HOUR)
    watched.feed(columns(WEEK + 1))
    seen = []
    for i in range(20):
        watched.feed(columns(1, seed=100 + i))
        seen.append(watched.states.count("watching"))
    assert set(seen) == {0, 6}
    assert 5 <= seen.index(6) <= 8


def test_what_comes_of_it_does_not_depend_on_where_it_is_cut_or_saved(player: Make) -> None:
    values = columns(2 * WEEK + 30 - LEARNED, 3)
    whole, pieces = player(step=HOUR), player(step=HOUR)
    assert pieces.feed(values, cuts=7, reload=True) == whole.feed(values, cuts=10_000)
    assert pieces.digest() == whole.digest()
    assert set(whole.states) == {"watching"}


def test_the_pause_is_of_recorded_time_whatever_the_events_say(player: Make) -> None:
    watched = player(step=HOUR)
    watched.feed(columns(WEEK + 1, 3))
    watched.step, watched.offset = PAUSE / 8, int((WEEK + 2) * HOUR / (PAUSE / 8))
    watched.feed(columns(8, 3))
    assert set(watched.states) == {"collecting"}
    watched.feed(columns(120, 3))
    assert set(watched.states) == {"watching"}


def test_a_series_whose_arming_fails_is_off_alone_and_named(player: Make) -> None:
    watched = player(step=HOUR)
    values = columns(WEEK + 20, 3)
    whole = watched.watcher._turn

    def turn(key: Any, now: float) -> int:
        if key[2] == "inputs.c1":
            raise ZeroDivisionError("a mistake of ours")
        return int(whole(key, now))

    watched.watcher._turn = turn
    (found,) = watched.feed(values)
    assert (found.evidence.column, found.evidence.statistic) == ("inputs.c1", "detector_error")
    assert "ZeroDivisionError" in found.evidence.detail
    assert watched.states == ["watching", "disabled", "watching"]


def test_a_series_with_a_cell_beyond_its_table_is_off_alone(player: Make) -> None:
    watched = player(step=HOUR)
    watched.feed(columns(WEEK + 20, 3))
    entry = watched.watcher._entries.entries[("", "", "inputs.c2")]
    seen = entry.armed.seen
    entry.armed = replace(entry.armed, seen=replace(seen, raw=replace(seen.raw, cuts=np.append(seen.raw.cuts, 1e9))))
    (found,) = watched.feed({"inputs.c2": [1e10]})
    assert (found.evidence.column, found.evidence.statistic) == ("inputs.c2", "detector_error")
    assert watched.states == ["watching", "watching", "disabled"]


def references(count: int) -> list[arming.Reference]:
    found = []
    for i in range(count):
        rng, clock = np.random.default_rng(i), START + np.arange(300) * HOUR
        value = np.cumsum(rng.normal(0, 1, 300)) * 0.2 + rng.normal(0, 1, 300)
        found.append(arming.Reference(f"r{i}", single(np.arange(300), clock, clock, value), None))
    return found


def test_a_trial_in_pieces_comes_to_the_same_height(monkeypatch: pytest.MonkeyPatch) -> None:
    terms = arming.Terms(4.0, 0.0, 0.0, ("a",))
    both = [arming.arm_one(reference, terms) for reference in references(8)]
    stage = arming.together(both, terms)
    assert stage is not None
    monkeypatch.setattr("monitor.core.detectors.budget.trial.PIECE", 8 * stage.cells.shape[0] * 3)
    trial, pieces = Trial(), 0
    while not trial.over:
        trial.go_on(stage)
        pieces += 1
        if not trial.over:
            again = Trial()
            again.load(load(dump(trial.save())))
            trial = again
    assert trial.more == height(*stage)
    assert pieces >= 10


def test_nothing_waits_where_nothing_is_to_be_armed() -> None:
    rounds = Rounds()
    rounds.add([], 5.0)
    assert rounds.next == np.inf
    rounds.add([("", "", "a")], 5.0)
    assert rounds.next == 5.0
    rounds.drop([("", "", "a")])
    assert rounds.next == np.inf and ("", "", "a") not in rounds


def test_of_versions_without_series_of_their_own_the_one_that_came_last_counts() -> None:
    terms = arming.Terms(1.0, 0.05, 0.1, ("a",))
    made = arming.arm(references(1), terms)[0]
    assert isinstance(made, arming.Armed)
    newer = replace(made, first=made.first + 5.0)
    series = [FittedSeries("1.10", "", "inputs.x", newer, None), FittedSeries("1.9", "", "inputs.x", made, None)]
    fitted = Fitted("p/R", "form", 0.05, tuple(series))
    assert fitted.for_version("2")[0].armed is newer
    assert fitted.for_version("1.9")[0].armed is made
    assert Fitted("p/R", "form", 0.05, ()).for_version("2") == []
