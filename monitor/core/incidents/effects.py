"""What a step of the machine does to an incident: its effects, one small function each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal

from monitor.core.incidents.model import Incident, Opening, State
from monitor.core.rules.model import Severity, rank

Effect = Literal[
    "evidence",  # the condition holds: what was seen belongs to this incident
    "notice",  # people are owed a word about it
    "new",  # this incident stays as it is; a new one opens
    "worse",  # severity and effect people are told of
    "cleared",  # the condition is gone
    "orphaned",  # nobody watches any more
    "held",  # a person has it
    "take",  # ... and another takes it over where asked to
    "seen",  # a person has looked
    "stands",  # a person says that it is not over
    "rearm",  # the detectors of a latched incident start watching again
    "mute",  # a level that still fires keeps quiet until it cleared once
    "ask_verdict",  # what was it?
    "unseen",  # closed and nobody ever looked: counted
]
WORSEN_EVERY: Final = 30 * 60.0
FURTHER_AFTER: Final = 24 * 3600.0  # what a latching detector finds on is told to people who have heard nothing so long


@dataclass(frozen=True, slots=True)
class Facts:
    """What a trigger brings along. `newer` is a newer incident of the same rule and model that is not closed."""

    actor: str = "machine"
    severity: Severity | None = None
    effect: float | None = None
    until: float | None = None
    take: bool = False
    expired: bool = False
    newer: str | None = None
    further: bool = False  # a detector that latches has found something on
    why: str = ""


def revised(before: Incident, after: Incident) -> Incident:
    """`after` with its revision raised if state, severity, owner or verdict changed."""
    same = (before.state, before.severity, before.owner, before.verdict) == (
        after.state,
        after.severity,
        after.owner,
        after.verdict,
    )
    return after if same else replace(after, revision=before.revision + 1)


def severity_up(incident: Incident, facts: Facts) -> bool:
    return facts.severity is not None and rank(facts.severity) < rank(incident.severity)


def is_worse(incident: Incident, facts: Facts, at: float) -> bool:
    """Severity rose, or the effect is at least double what people last took note of; at most every 30 minutes.

    A latching detector that finds something on a day after people heard last has seen a further change: what was so
    when they heard would not fire again. While it stands open unacknowledged its opening counts as such a note: people
    have just been told.
    """
    if incident.worsened_at is not None and at - incident.worsened_at < WORSEN_EVERY:
        return False
    if severity_up(incident, facts) or (facts.further and at - _told(incident) >= FURTHER_AFTER):
        return True
    if incident.state == "open" and at - incident.changed_at < WORSEN_EVERY:
        return False
    known, now = incident.acknowledged_effect, facts.effect
    return known is not None and now is not None and known > 0.0 and now >= 2.0 * known


def _told(incident: Incident) -> float:
    """When people last heard what the incident is about."""
    opened = incident.changed_at if incident.state == "open" else incident.opened_at
    return opened if incident.worsened_at is None else max(opened, incident.worsened_at)


def enter(incident: Incident, state: State, reason: str, facts: Facts, at: float) -> Incident:
    entered = replace(incident, state=state, changed_at=at)
    if state == "closed":
        return replace(entered, closed_at=at, closed_by=facts.actor)
    if state != "open":
        return entered
    opening: Opening = _OPENINGS[reason]
    return replace(
        entered,
        opening=opening,
        occurrence=incident.occurrence + 1,
        closed_at=None,
        closed_by=None,
        acknowledged_by=None,
        acknowledged_at=None,
        acknowledged_until=None,
    )


_OPENINGS: Final[Mapping[str, Opening]] = {
    "again": "again",
    "flapping": "flapping",
    "worsened": "worsened",
    "expired": "expired",
    "released": "expired",
    "reopened": "reopened",
}


def _evidence(incident: Incident, facts: Facts, at: float) -> Incident:
    """The condition holds: what had cleared or ended has not. A new occurrence measures its effect afresh."""
    fresh = incident.state in ("recovered", "closed")
    known = [e for e in (None if fresh else incident.effect, facts.effect) if e is not None]
    effect = max(known, default=None)
    note = effect if fresh or incident.acknowledged_effect is None else incident.acknowledged_effect
    return replace(incident, cleared_at=None, orphaned=None, effect=effect, acknowledged_effect=note, evidence_at=at)


def _worse(incident: Incident, facts: Facts, at: float) -> Incident:
    severity = facts.severity if facts.severity and severity_up(incident, facts) else incident.severity
    return replace(incident, severity=severity, worsened_at=at, acknowledged_effect=incident.effect)


def _held(incident: Incident, facts: Facts, at: float) -> Incident:
    return replace(
        incident,
        acknowledged_by=facts.actor,
        acknowledged_at=at,
        acknowledged_until=facts.until,
        acknowledged_effect=incident.effect,
        owner=facts.actor if facts.take or incident.owner is None else incident.owner,
    )


def _take(incident: Incident, facts: Facts, at: float) -> Incident:
    if facts.take:
        return _held(incident, facts, at)
    if facts.until is not None and facts.actor == incident.acknowledged_by:
        return replace(incident, acknowledged_until=facts.until)
    return incident


CHANGES: Final[Mapping[Effect, Callable[[Incident, Facts, float], Incident]]] = {
    "evidence": _evidence,
    "worse": _worse,
    "cleared": lambda incident, facts, at: replace(
        incident, cleared_at=at if incident.cleared_at is None else incident.cleared_at, orphaned=None
    ),
    "orphaned": lambda incident, facts, at: replace(incident, orphaned=facts.why),
    "held": _held,
    "take": _take,
    "seen": lambda incident, facts, at: replace(incident, seen=True),
    "stands": lambda incident, facts, at: replace(incident, cleared_at=None),
}
