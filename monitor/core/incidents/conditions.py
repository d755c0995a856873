"""From a level's condition to a rule's state: `for`, `keep_firing_for`, missing data, and what moved.

Cost is that of the segments where the condition holds or that are tracked already, never of all segments.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from monitor.core.findings import NO, UNKNOWN, YES, Evidence, Level
from monitor.core.incidents.keys import kept_name
from monitor.core.incidents.model import RuleState
from monitor.core.rules.model import Absent, Rule, Windowed

UNSEEN_FOR: Final = 3600.0  # seconds beyond a rule's window after which a segment that is not there counts as gone
_NOTED_EVERY: Final = 900.0  # seconds between notes that a segment is still there, though without data
MUTED_FOR: Final = 24 * 3600.0  # seconds of daemon time a level that a person closed keeps quiet while it fires
_MOST: Final = 1e12  # the largest effect that is kept: beyond it is "without measure"


@dataclass(slots=True)
class Moves:
    """What one level did to one rule's states. `places` index the level's segments; names are segment keys."""

    states: dict[str, RuleState | None] = field(default_factory=dict)  # changed ones only; None: gone
    places: dict[str, int] = field(default_factory=dict)  # of segments that hold now
    fired: list[str] = field(default_factory=list)  # began to fire
    firing: list[str] = field(default_factory=list)  # fired before and hold now, muted ones left out
    cleared: list[RuleState] = field(default_factory=list)  # stopped firing, as they were
    gone: list[RuleState] = field(default_factory=list)  # fired, and their segments are watched no more


def advance(rule: Rule, level: Level, tracked: Mapping[str, RuleState], at: float) -> Moves | None:
    """The moves of a level's segments; `tracked` are the rule's states by segment, `at` is daemon time.

    None where nothing holds and nothing is tracked. A tracked segment without data waits for them, however long. One
    that the level does not know at all (the watcher was made anew, by another `by` perhaps) waits as long as it takes
    to see it again where it still exists, `gone_after`, and then ends.
    """
    alerting = rule.no_data == "alert"
    held = (level.holds != NO) if alerting else (level.holds == YES)
    if not tracked and not held.any():
        return None
    moves = Moves()
    for place in np.flatnonzero(held).tolist():
        segment = kept_name(level.segments[place])
        moves.places[segment] = place
        _holds(moves, rule, level, segment, tracked.get(segment), at)
    waiting = sorted(segment for segment in tracked if segment not in moves.places)
    for segment, where in zip(waiting, _find(level, waiting), strict=True):
        if where is None:
            _vanishes(moves, rule, level, segment, tracked[segment])
        elif int(level.holds[where]) == NO:
            _fails(moves, rule, level, segment, tracked[segment])
        else:
            _pauses(moves, level, segment, tracked[segment])
    return moves


def gone_after(rule: Rule) -> float:
    """Seconds of rule time for which a segment may be unknown to its watcher: the rule's window and an hour."""
    form = rule.form
    window = form.over if isinstance(form, Windowed) else form.seconds if isinstance(form, Absent) else 0.0
    return window + UNSEEN_FOR


def evidence(level: Level, place: int) -> Evidence:
    """One segment of a level as evidence."""
    unknown = int(level.holds[place]) == UNKNOWN
    effect = _finite(level.effect[place])
    return Evidence(
        column=level.column,
        segment=kept_name(level.segments[place]),
        statistic=level.statistic,
        value=_finite(level.value[place]),
        expected=_finite(level.expected[place]),
        effect=None if effect is None else max(-_MOST, min(_MOST, effect)),
        interval=None,
        n=int(level.n[place]),
        at=level.at,
        detail="there is not enough data to judge" if unknown else "",
    )


def worst(level: Level, places: list[int], limit: int) -> list[int]:
    """Up to `limit` of `places`, the largest effect first, unknown effects last."""
    index = np.asarray(places, dtype=np.int64)
    effects = np.nan_to_num(level.effect[index], nan=-np.inf)
    return [int(i) for i in index[np.argsort(-effects, kind="stable")][:limit]]


def _finite(value: float) -> float | None:
    value = float(value)
    if math.isnan(value):
        return None
    return math.copysign(_MOST, value) if math.isinf(value) else value


def _holds(moves: Moves, rule: Rule, level: Level, segment: str, state: RuleState | None, at: float) -> None:
    before = state
    if state is None:
        state = RuleState(level.rule, level.model, segment, level.at, False, level.at, historical=level.historical)
    if state.unknown_since is not None:
        waited = max(0.0, level.at - state.unknown_since)
        state = replace(state, paused=state.paused + waited, unknown_since=None)
    if state.last_true != state.since:
        state = replace(state, last_true=state.since)
    if state.muted_since is not None and at - state.muted_since >= MUTED_FOR:
        state = replace(state, muted_since=None, incident=None, firing=False)
    if state.muted_since is None:
        if state.firing:
            moves.firing.append(segment)
        elif level.at - state.since - state.paused >= rule.for_:
            state = replace(state, firing=True)
            moves.fired.append(segment)
    if state != before:
        moves.states[segment] = state


def _find(level: Level, segments: list[str]) -> list[int | None]:
    """Where tracked segments are in the level; None for one it does not know."""
    if not segments:
        return []
    places = dict(zip(level.segments, range(len(level.segments)), strict=True))
    if not all(segment in places for segment in segments):
        places = {kept_name(name): place for name, place in places.items()}
    return [places.get(segment) for segment in segments]


def _fails(moves: Moves, rule: Rule, level: Level, segment: str, state: RuleState) -> None:
    """`last_true` is `since` while the condition holds, and the time it was first seen not to hold after that."""
    if state.firing and state.muted_since is None and rule.keep_firing_for > 0.0:
        stopped = level.at if state.last_true == state.since else state.last_true
        if level.at - stopped < rule.keep_firing_for:
            kept = replace(state, last_true=stopped, unknown_since=None)
            if kept != state:
                moves.states[segment] = kept
            return
    moves.states[segment] = None
    if state.firing and state.muted_since is None:
        moves.cleared.append(state)


def _pauses(moves: Moves, level: Level, segment: str, state: RuleState) -> None:
    """`unknown_since` moves on while the segment is there, so that it also tells since when it is not."""
    if state.unknown_since is None:
        moves.states[segment] = replace(state, unknown_since=level.at)
    elif level.at - state.unknown_since >= _NOTED_EVERY:
        paused = state.paused + level.at - state.unknown_since
        moves.states[segment] = replace(state, paused=paused, unknown_since=level.at)


def _vanishes(moves: Moves, rule: Rule, level: Level, segment: str, state: RuleState) -> None:
    if state.unknown_since is None:
        moves.states[segment] = replace(state, unknown_since=level.at)
    elif level.at - state.unknown_since >= gone_after(rule):
        moves.states[segment] = None
        if state.firing and state.muted_since is None:
            moves.gone.append(state)
