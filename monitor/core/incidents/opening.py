"""What fires becomes an incident, or belongs to the one that is there."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from monitor.core.findings import Evidence
from monitor.core.incidents import words
from monitor.core.incidents.casework import Casework, Episode
from monitor.core.incidents.effects import is_worse
from monitor.core.incidents.keys import kept_name
from monitor.core.incidents.machine import Facts, Trigger
from monitor.core.incidents.model import Incident, incident_id
from monitor.core.notices.clean import clean
from monitor.core.rules.model import Pack, Rule

ROWS: Final = 20  # pieces of evidence kept at one time, the worst
EVERY: Final = 60.0  # seconds between evidence of an incident that goes on
NAME: Final = 100  # characters of an owner's name
WORSE: Final = 1.25  # times the worst effect so far: told at once


@dataclass(frozen=True, slots=True)
class Subject:
    """Whose incident it is: one rule on one model; `segment` is "" unless the rule splits its incidents.

    `latches`: only a person clears it. What a detector found at one moment latches whatever the rule says: nothing
    will ever say that it is over.
    """

    pack: Pack
    rule: Rule
    model: str
    version: str | None
    segment: str
    historical: bool
    latches: bool

    @property
    def episode(self) -> Episode:
        return Episode(self.rule.key, self.model, self.segment, self.rule.stage, self.historical)


def magnitude(evidence: Evidence) -> float | None:
    """How large an effect is, whatever its direction; None if unknown."""
    effect = evidence.effect
    return None if effect is None or math.isnan(effect) else abs(effect)


def worst_first(rows: Sequence[Evidence]) -> list[Evidence]:
    return sorted(rows, key=lambda row: -(magnitude(row) or 0.0))[:ROWS]


def fire(work: Casework, subject: Subject, rows: Sequence[Evidence], seed: tuple[int, int], edge: bool) -> str:
    """Take note that a rule fires (`edge`: something began just now) and answer the incident's id.

    `rows` is worst first and not empty; `seed` is (partition, step).
    """
    existing = work.current(subject.episode)
    if existing is None:
        return _open(work, subject, rows, seed)
    effect = magnitude(rows[0])
    due = _evidence_due(existing, work.at, effect, edge)
    changed = existing.state in ("recovered", "closed") or existing.cleared_at is not None
    further = edge and subject.latches
    facts = Facts(severity=subject.rule.severity, effect=effect, newer=work.newer(existing), further=further)
    worse = is_worse(existing, facts, work.at)
    if not (due or changed or existing.orphaned or (worse and further)):
        return existing.id
    trigger: Trigger = "worsened" if worse else "fired"
    outcome = work.step(existing, trigger, facts, {"effect": effect})
    if outcome.new:
        return _open(work, subject, rows, seed)
    work.add_evidence(outcome.incident, rows if due else rows[:1])
    if outcome.incident.severity != existing.severity:
        work.put(work.tighten(outcome.incident, subject.pack, subject.rule))
    return existing.id


def _open(work: Casework, subject: Subject, rows: Sequence[Evidence], seed: tuple[int, int]) -> str:
    pack, rule, model, first = subject.pack, subject.rule, subject.model, rows[0]
    partition, step = seed
    aside = "/historical" if subject.historical else ""
    effect = magnitude(first)
    incident = Incident(
        id=incident_id(partition, step, rule.key, model, subject.segment + aside),
        pack=pack.name,
        rule=rule.name,
        model=model,
        version=None if subject.version is None else kept_name(subject.version, 200),
        segment=subject.segment,
        severity=rule.severity,
        stage=rule.stage,
        historical=subject.historical,
        latches=subject.latches,
        state="open",
        opened_at=work.at,
        changed_at=work.at,
        summary=words.summary(pack, rule, model, first),
        meaning=words.meaning(pack, rule, model, first),
        action=words.action(pack, rule, model, first),
        runbook_url=rule.annotations.get("runbook_url"),
        owner=clean(pack.owner, NAME) or None if pack.owner else None,
        effect=effect,
        acknowledged_effect=effect,
        evidence_at=work.at,
        gate=rule.gate,
    )
    work.open(incident, rows)
    gated = work.tighten(incident, pack, rule)
    if gated != incident:
        work.put(gated)
    return incident.id


def _evidence_due(incident: Incident, at: float, effect: float | None, edge: bool) -> bool:
    """At most once a minute, ever more seldom as it goes on, unless it is worse or has only just begun."""
    if incident.evidence_at is None or incident.state in ("recovered", "closed"):
        return True
    if effect is not None and (incident.effect is None or effect >= WORSE * incident.effect):
        return True
    if edge and at - incident.changed_at < EVERY:
        return True
    return at - incident.evidence_at >= max(EVERY, (at - incident.opened_at) / EVERY)
