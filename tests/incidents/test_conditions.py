from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from deciding import DAY, T0, a_level, a_rule
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.incidents.conditions import Moves, advance, evidence, gone_after, worst
from monitor.core.incidents.keys import LENGTH, kept_name
from monitor.core.incidents.model import RuleState
from monitor.core.rules.model import Rule
from monitor.store import rows


class Track:
    """Runs one rule over a script of levels, one character a minute, and says when it fired and cleared."""

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self.states: dict[str, RuleState] = {}
        self.log: list[tuple[int, str]] = []

    def run(self, script: str) -> list[tuple[int, str]]:
        for minute, code in enumerate(script):
            self.feed(minute, a_level(self.rule, code, T0 + 60.0 * minute))
        return self.log

    def feed(self, minute: int, level: object) -> None:
        moves = advance(self.rule, level, self.states, T0 + 60.0 * minute) or Moves()  # type: ignore[arg-type]
        for segment, state in moves.states.items():
            if state is None:
                del self.states[segment]
            else:
                self.states[segment] = state
        self.log += [(minute, "fired")] * len(moves.fired) + [(minute, "cleared")] * len(moves.cleared)


@pytest.mark.parametrize(
    ("given_", "script", "expected"),
    [
        ({}, "nyyn", [(1, "fired"), (3, "cleared")]),
        ({"for_": 120.0}, "yyyy", [(2, "fired")]),
        ({"for_": 120.0}, "yynyyy", [(5, "fired")]),  # one false look starts `for` again
        ({"for_": 120.0}, "yyn", []),
        ({"for_": 120.0}, "y??yy", [(4, "fired")]),  # unknown pauses `for`: minutes 1 to 3 do not count
        ({}, "y??", [(0, "fired")]),  # and clears nothing
        ({}, "y?n", [(0, "fired"), (2, "cleared")]),
        ({"keep_firing_for": 120.0}, "ynny", [(0, "fired")]),
        ({"keep_firing_for": 120.0}, "ynnn", [(0, "fired"), (3, "cleared")]),
        ({"keep_firing_for": 120.0}, "ynynnn", [(0, "fired"), (5, "cleared")]),  # a true look starts it again
        ({"no_data": "alert"}, "???", [(0, "fired")]),
        ({"no_data": "alert", "for_": 60.0}, "?ny?n", [(3, "fired"), (4, "cleared")]),
        ({"no_data": "alert"}, "?n", [(0, "fired"), (1, "cleared")]),
    ],
)
def test_a_condition_fires_and_clears_when_its_rule_says(
    given_: dict[str, object], script: str, expected: list[tuple[int, str]]
) -> None:
    assert Track(a_rule(**given_)).run(script) == expected


def test_a_muted_level_keeps_quiet_until_it_cleared_once() -> None:
    track = Track(a_rule())
    track.run("y")
    (state,) = track.states.values()
    track.states[""] = replace(state, muted_since=T0, incident=None)
    track.log.clear()
    assert track.run("yyny") == [(3, "fired")]


def test_a_muted_level_that_fires_for_24_hours_fires_again() -> None:
    rule = a_rule()
    muted = RuleState(rule.key, "fraud-eu", "", T0, True, T0, muted_since=T0)
    before = advance(rule, a_level(rule, "y", T0 + DAY - 1), {"": muted}, T0 + DAY - 1)
    after = advance(rule, a_level(rule, "y", T0 + DAY), {"": muted}, T0 + DAY)
    assert before is not None and before.fired == [] and before.firing == [] and before.states == {}
    assert after is not None and after.fired == [""]


def test_a_segment_the_level_no_longer_knows_has_no_data() -> None:
    rule = a_rule()
    held = RuleState(rule.key, "fraud-eu", "gone", T0, True, T0, incident="x")
    moves = advance(rule, a_level(rule, "n", T0 + 60), {"gone": held}, T0 + 60)
    assert moves is not None and moves.cleared == []
    kept = moves.states["gone"]
    assert kept is not None and kept.firing and kept.unknown_since == T0 + 60


def test_a_segment_without_data_is_waited_for_however_long_and_one_that_is_not_there_is_not() -> None:
    rule = a_rule()  # over 15 minutes
    held = {name: RuleState(rule.key, "fraud-eu", name, T0, True, T0, incident="x") for name in ("there", "gone")}
    minutes = int(gone_after(rule) // 60)
    assert minutes == 75
    track = Track(rule)
    track.states = dict(held)
    gone_at = []
    for minute in range(24 * 60):
        level = a_level(rule, "?n", T0 + 60.0 * minute, ["there", "other"])
        moves = advance(rule, level, track.states, T0 + 60.0 * minute) or Moves()
        gone_at += [(minute, state.segment) for state in moves.gone]
        track.feed(minute, level)
    assert gone_at == [(minutes, "gone")]
    assert set(track.states) == {"there"} and track.log == []


def test_a_watcher_made_anew_has_the_time_of_a_window_and_more_to_see_its_segments_again() -> None:
    rule = a_rule()
    track = Track(rule)
    track.states = {"night": RuleState(rule.key, "fraud-eu", "night", T0, True, T0, incident="x")}
    for minute in range(6 * 60):  # a night segment by day
        track.feed(minute, a_level(rule, "?", T0 + 60.0 * minute, ["night"]))
    for minute in range(6 * 60, 7 * 60):  # the rule was changed: its watcher knows no segment yet
        track.feed(minute, a_level(rule, "n", T0 + 60.0 * minute, ["day"]))
    assert track.states["night"].firing
    track.feed(7 * 60, a_level(rule, "y", T0 + 60.0 * 7 * 60, ["night"]))
    assert track.log == [], "it fires as it did"


def test_time_without_data_does_not_count_towards_for_however_it_is_noted() -> None:
    rule = a_rule(for_=120.0)
    assert Track(rule).run("y" + "?" * 100 + "y") == []
    assert Track(rule).run("y" + "?" * 100 + "yyy") == [(102, "fired")]


def test_a_level_with_nothing_true_and_nothing_tracked_moves_nothing() -> None:
    rule = a_rule()
    assert advance(rule, a_level(rule, "n?n?", T0), {}, T0) is None


def test_only_what_changes_is_written() -> None:
    rule = a_rule(keep_firing_for=60.0)
    track = Track(rule)
    track.run("y")
    moves = advance(rule, a_level(rule, "y", T0 + 60), track.states, T0 + 60)
    assert moves is not None and moves.states == {} and moves.firing == [""]


def test_the_worst_segments_come_first_and_unknown_effects_last() -> None:
    level = a_level(a_rule(), "yyyy", T0, effect=[1.2, float("nan"), 9.0, 1.2])
    assert worst(level, [0, 1, 2, 3], 3) == [2, 0, 3]


def test_evidence_holds_no_number_that_json_cannot_write() -> None:
    level = a_level(a_rule(), "yy", T0, effect=[float("inf"), float("nan")])
    level.value[0] = float("-inf")
    level.expected[0] = np.nan
    first, second = evidence(level, 0), evidence(level, 1)
    assert (first.value, first.expected, first.effect, second.effect) == (-1e12, None, 1e12, None)
    assert evidence(a_level(a_rule(), "?", T0), 0).detail == "there is not enough data to judge"


@given(st.text(max_size=LENGTH * 2))
def test_a_segment_has_the_same_name_in_memory_and_in_the_ledger(text: str) -> None:
    key = kept_name(text)
    assert len(key) <= LENGTH
    assert kept_name(key) == key
    assert rows.clean(key, LENGTH) == key


def test_a_segment_with_a_name_the_ledger_cannot_keep_is_tracked_all_the_same() -> None:
    rule = a_rule()
    name = "inputs.note=" + "x\0" * 500
    first = advance(rule, a_level(rule, "yn", T0, [name, "b"]), {}, T0)
    assert first is not None
    states = {segment: state for segment, state in first.states.items() if state is not None}
    second = advance(rule, a_level(rule, "nn", T0 + 60, [name, "b"]), states, T0 + 60)
    assert second is not None and [s.segment for s in second.cleared] == list(states)


@given(st.text("yn?", max_size=40), st.sampled_from([0.0, 60.0, 150.0]), st.sampled_from([0.0, 90.0, 180.0]))
def test_firing_and_clearing_take_turns_whatever_comes(script: str, for_: float, keep: float) -> None:
    words = [word for _, word in Track(a_rule(for_=for_, keep_firing_for=keep)).run(script)]
    assert words == ["fired", "cleared"] * (len(words) // 2) + ["fired"] * (len(words) % 2)
