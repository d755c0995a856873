"""Deciding: what was observed and what people did become rule states, incidents, notices owed and gates.

Pure: the same view, book, policy, observation and time give the same changes, ids included, however often it runs.
"""

from __future__ import annotations

from dataclasses import replace

from monitor.core.changes import Changes
from monitor.core.findings import NO, UNKNOWN, YES, Evidence, Finding, Level, Observation
from monitor.core.incidents.casework import Casework, Episode, episode
from monitor.core.incidents.conditions import Moves, advance, evidence, worst
from monitor.core.incidents.deadlines import next_due, sweep
from monitor.core.incidents.keys import kept_name
from monitor.core.incidents.machine import Facts
from monitor.core.incidents.model import RuleState
from monitor.core.incidents.opening import ROWS, Subject, fire, worst_first
from monitor.core.notices.model import Policy
from monitor.core.rules.model import Book
from monitor.core.view import View

__all__ = ["decide", "next_due", "sweep"]


def decide(
    view: View,
    book: Book,
    policy: Policy,
    observation: Observation,
    partition: int,
    step_seq: int,
    at: float,
) -> Changes:
    """What one step's observation changes, at daemon time `at`. The view is not changed.

    Costs next to nothing where no condition holds and none is tracked. Deadlines are `sweep`'s.
    """
    work = Casework(view, policy, book, at)
    seed = (partition, step_seq)
    past = {(level.rule, level.model) for level in observation.levels if level.historical}
    for level in observation.levels:
        if not level.historical and (level.rule, level.model) not in past:
            _end_history(work, level)
        _level(work, level, seed)
    if observation.findings:
        _findings(work, observation.findings, seed)
    return work.finish()


# -- edges ------------------------------------------------------------------------------------------------------


def _findings(work: Casework, findings: list[Finding], seed: tuple[int, int]) -> None:
    """One incident may have many findings in a step: they are its evidence, the worst first."""
    gathered: dict[Episode, tuple[Subject, list[Evidence]]] = {}
    for finding in findings:
        subject = None if finding.warming else _subject_of(work, finding)
        if subject is not None:
            gathered.setdefault(subject.episode, (subject, []))[1].append(finding.evidence)
    for subject, rows in gathered.values():
        fire(work, subject, worst_first(rows), seed, edge=True)


def _subject_of(work: Casework, finding: Finding) -> Subject | None:
    found = work.rule(finding.rule, finding.model)
    if found is None:
        return None
    pack, rule = found
    segment = kept_name(finding.evidence.segment) if rule.per_segment else ""
    return Subject(pack, rule, finding.model, finding.version, segment, finding.historical, latches=True)


# -- levels -----------------------------------------------------------------------------------------------------


def _level(work: Casework, level: Level, seed: tuple[int, int]) -> None:
    tracked = work.tracked(level.rule, level.model, level.historical)
    if not tracked:
        holds = level.holds.tobytes()  # looked through with every tick for every rule and model
        if YES not in holds and not (work.alerting and UNKNOWN in holds):
            return  # nowhere, or unknown and no rule takes that for an alert
    found = work.rule(level.rule, level.model)
    if found is None:
        return  # withdrawn: `sweep` ends the watch
    pack, rule = found
    moves = advance(rule, level, tracked, work.at)
    if moves is None:
        return
    for segment, state in moves.states.items():
        work.put_state((level.rule, level.model, segment, level.historical), state)
    for scope, part in _scopes(moves, rule.per_segment).items():
        subject = Subject(pack, rule, level.model, level.version, scope, level.historical, rule.latches)
        _scope(work, level, subject, part, seed)


def _scopes(moves: Moves, per_segment: bool) -> dict[str, Moves]:
    """The moves by incident: all in one, or each segment's own."""
    if not per_segment:
        return {"": moves}
    parts: dict[str, Moves] = {}
    for segment in moves.fired:
        parts.setdefault(segment, Moves()).fired.append(segment)
    for segment in moves.firing:
        parts.setdefault(segment, Moves()).firing.append(segment)
    for state in moves.cleared:
        parts.setdefault(state.segment, Moves()).cleared.append(state)
    for state in moves.gone:
        parts.setdefault(state.segment, Moves()).gone.append(state)
    for segment, part in parts.items():
        part.places = {segment: moves.places[segment]} if segment in moves.places else {}
    return parts


def _scope(work: Casework, level: Level, subject: Subject, moves: Moves, seed: tuple[int, int]) -> None:
    holding = moves.fired + moves.firing
    if holding:
        _settle_strangers(work, level, subject, moves.firing)
        places = worst(level, [moves.places[segment] for segment in holding], ROWS)
        rows = [evidence(level, place) for place in places]
        _link(work, level, holding, fire(work, subject, rows, seed, edge=bool(moves.fired)))
    elif (moves.cleared or moves.gone) and not _still_fires(work, level, subject):
        judged = bool(moves.cleared) or (not subject.rule.per_segment and bool((level.holds == NO).any()))
        for state in {state.incident: state for state in moves.cleared + moves.gone}.values():
            if judged:
                _clear(work, state.incident)
            else:
                _end_watch(work, level, state)


def _link(work: Casework, level: Level, segments: list[str], id_: str) -> None:
    tracked = work.tracked(level.rule, level.model, level.historical)
    for segment in segments:
        state = tracked[segment]
        if state.incident != id_:
            work.put_state(state.key, replace(state, incident=id_))


def _settle_strangers(work: Casework, level: Level, subject: Subject, firing: list[str]) -> None:
    """What fired in shadow, or split otherwise, and now fires live is another incident; the old one is over.

    History has states of its own (`_end_history`), so what is settled here is always of the level's own time.
    """
    tracked = work.tracked(level.rule, level.model, level.historical)
    for id_ in dict.fromkeys(tracked[segment].incident for segment in firing):
        incident = work.incident(id_)
        if incident is not None and episode(incident) != subject.episode:
            _clear(work, id_)


def _still_fires(work: Casework, level: Level, subject: Subject) -> bool:
    """Whether other segments of the same incident fire, held up by missing data or `keep_firing_for`."""
    states = work.tracked(level.rule, level.model, level.historical)
    mine = (s for s in states.values() if not subject.rule.per_segment or s.segment == subject.segment)
    return any(state.firing and state.muted_since is None for state in mine)


def _end_history(work: Casework, level: Level) -> None:
    """The rule speaks of the present and nothing speaks of the past any more: what that left behind is over."""
    left = list(work.tracked(level.rule, level.model, historical=True).values())
    if not left:
        return
    for state in left:
        work.put_state(state.key, None)
    for id_ in dict.fromkeys(state.incident for state in left if state.firing):
        _clear(work, id_)


def _end_watch(work: Casework, level: Level, gone: RuleState) -> None:
    """The last segment that fired is watched no more, and nothing else says how things stand."""
    incident = work.incident(gone.incident)
    if incident is not None:
        what = f"its segment {gone.segment}" if gone.segment else "all events as one"
        why = f"The rule {level.rule} no longer watches {what} on the model {level.model}."
        work.step(incident, "watch_ended", Facts(why=why))


def _clear(work: Casework, id_: str | None) -> None:
    incident = work.incident(id_)
    if incident is not None:
        work.step(incident, "cleared", Facts())
