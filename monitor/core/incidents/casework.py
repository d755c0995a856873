"""One decision in the making: the view as it was read, what has changed since, and what is owed because of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, NamedTuple

from monitor.core.changes import Changes, Entry, Gate
from monitor.core.findings import Evidence
from monitor.core.incidents.machine import Facts, Outcome, Trigger, step
from monitor.core.incidents.model import Incident, RuleState, StateKey
from monitor.core.notices.heard import told
from monitor.core.notices.holds import Around, standing
from monitor.core.notices.model import OnRecord, Policy, as_of
from monitor.core.notices.plan import NOTHING, owed
from monitor.core.notices.routes import escalating
from monitor.core.notices.untold import why_untold
from monitor.core.oversight.gate import strictness, tightened, untouched
from monitor.core.oversight.scopes import Scope, generation, of_model, read_scope
from monitor.core.rules.model import Book, Pack, Rule
from monitor.core.selfrules import own_rule
from monitor.core.view import View

_NOBODY: Final[Mapping[str, str]] = {}


class Episode(NamedTuple):
    """What makes two firings one incident."""

    rule: str
    model: str
    segment: str
    stage: str
    historical: bool


def episode(incident: Incident) -> Episode:
    return Episode(incident.key, incident.model, incident.segment, incident.stage, incident.historical)


class Casework:
    """Reads through to the view and keeps changes to itself; `finish` gives them with the notices they call for.

    `at` is daemon time. The view is never changed.
    """

    def __init__(self, view: View, policy: Policy, book: Book, at: float) -> None:
        self.view, self.policy, self.book, self.at = view, as_of(policy, view.failing), book, at
        self.changes = Changes()
        self._tracked: dict[tuple[str, str, bool], dict[str, RuleState]] | None = None
        self._episodes: dict[Episode, Incident] | None = None
        self._rules: dict[tuple[str, str | None], tuple[Pack, Rule] | None] = {}
        self.alerting = any(rule.no_data == "alert" for pack in book.packs for rule in pack.rules)
        self._planned: dict[str, None] = {}

    # -- reading ------------------------------------------------------------------------------------------------

    def rule(self, key: str, model: str | None = None) -> tuple[Pack, Rule] | None:
        """The rule in force under this key, with the params that hold for `model`."""
        if (key, model) not in self._rules:
            self._rules[key, model] = self.book.find(key, model) or own_rule(key)
        return self._rules[key, model]

    def tracked(self, rule: str, model: str, historical: bool = False) -> dict[str, RuleState]:
        """States of one rule on one model by segment, as they are now: those of the present, or those of history."""
        if self._tracked is None:
            grouped: dict[tuple[str, str, bool], dict[str, RuleState]] = defaultdict(dict)
            for (r, m, segment, h), state in self.view.rule_states.items():
                grouped[r, m, h][segment] = state
            self._tracked = grouped
        return self._tracked.get((rule, model, historical), {})

    def incident(self, id_: str | None) -> Incident | None:
        if id_ is None:
            return None
        return self.changes.incidents.get(id_) or self.view.incidents.get(id_)

    def current(self, wanted: Episode) -> Incident | None:
        """The incident of an episode that is not closed, or else the one opened last."""
        if self._episodes is None:
            self._episodes = {episode(i): i for i in sorted(self.view.incidents.values(), key=_standing)}
        return self._episodes.get(wanted)

    def newer(self, incident: Incident) -> str | None:
        """The id of another incident of the same episode that is not closed: work goes on there."""
        latest = self.current(episode(incident))
        return None if latest is None or latest.id == incident.id or latest.state == "closed" else latest.id

    def gate(self, scope: str) -> Gate:
        return self.changes.gates.get(scope) or self.view.gates.get(scope) or untouched(scope)

    def gates(self, model: str) -> list[Gate]:
        """All gates of a model that were ever set."""
        return of_model({**self.view.gates, **self.changes.gates}.values(), model)

    # -- changing -----------------------------------------------------------------------------------------------

    def put_state(self, key: StateKey, state: RuleState | None) -> None:
        rule, model, segment, historical = key
        self.tracked(rule, model, historical)
        assert self._tracked is not None
        segments = self._tracked.setdefault((rule, model, historical), {})
        if state is None:
            segments.pop(segment, None)
        else:
            segments[segment] = state
        self.changes.rule_states[key] = state

    def put(self, incident: Incident) -> None:
        """Keep a changed incident, and look later at what it calls for."""
        self.current(episode(incident))
        assert self._episodes is not None
        latest = self._episodes.get(episode(incident))
        if latest is None or latest.id == incident.id or _standing(latest) <= _standing(incident):
            self._episodes[episode(incident)] = incident
        self.changes.incidents[incident.id] = incident
        self._planned[incident.id] = None

    def plan(self, incident: Incident) -> None:
        """Look at what an unchanged incident calls for."""
        self._planned.setdefault(incident.id)

    def now_failing(self, names: Collection[str]) -> None:
        """Other receivers fail than the view says: look at everybody who may have to be called because of it."""
        self.policy = as_of(self.policy, frozenset(names))
        for incident in self.view.incidents.values():
            self.plan(incident)

    def record(self, kind: str, actor: str, body: dict[str, Any]) -> None:
        self.changes.entries.append(Entry(kind, actor, body))

    def add_evidence(self, incident: Incident, rows: Sequence[Evidence]) -> None:
        self.changes.evidence += [(incident.id, row) for row in rows]

    def open(self, incident: Incident, rows: Sequence[Evidence]) -> None:
        """A new incident, with what was seen. It keeps the policy by which it is escalated."""
        self.put(replace(incident, escalation=escalating(incident, self.policy, self._labels(incident))))
        self.add_evidence(incident, rows)
        self.record("incident_opened", "machine", {**named(incident), **_first(rows)})

    def step(
        self, incident: Incident, trigger: Trigger, facts: Facts, more: Mapping[str, Any] | None = None
    ) -> Outcome:
        """Run the machine and keep what it says; `more` goes into the audit entry. A refusal changes nothing."""
        outcome = step(incident, trigger, facts, self.at)
        after = outcome.incident
        if outcome.entry is not None:
            body = {**named(after), "reason": outcome.reason, **({"why": facts.why} if facts.why else {})}
            self.record(outcome.entry, facts.actor, {**body, **(more or {})})
        if after != incident:
            self.put(after)
        if "rearm" in outcome.effects:
            self._rearm(after, facts.actor)
        if incident.state == "open" and after.state != "open":
            self._note_untold(incident)
        return outcome

    def tighten(self, incident: Incident, pack: Pack, rule: Rule) -> Incident:
        """The incident after its rule's gate has been asked for; the gate is held whoever made it that strict."""
        if rule.gate is None or incident.stage == "shadow" or incident.historical:
            return incident
        gate = self.gate(gated_scope(incident, rule).text)
        reason = f"{incident.key} opened an incident: {incident.summary}"
        newest = generation(self.gates(incident.model), incident.model)
        stricter = tightened(gate, rule.gate, f"rule:{rule.key}", reason, incident.id, self.at, newest)
        if stricter is not None:
            self.put_gate(stricter, gate, "machine")
        return replace(incident, gate=rule.gate, gate_held=True)

    def put_gate(self, gate: Gate, before: Gate, actor: str) -> None:
        self.changes.gates[gate.scope] = gate
        self.record(
            "gate_set",
            actor,
            {
                "model": read_scope(gate.scope).model,
                "scope": read_scope(gate.scope).shown,
                "from": before.state,
                "to": gate.state,
                "generation": gate.generation,
                "reason": gate.reason,
                "by": gate.by,
                **({"incident": gate.incident} if gate.incident else {}),
            },
        )

    def release_gate(self, gate: Gate) -> None:
        """Incidents that asked for more than the gate now is hold it no longer."""
        for incident in sorted(self.view.incidents.values(), key=_standing):
            now = self.incident(incident.id) or incident
            asked = now.gate_held and now.gate is not None and self._scope_of(now) == gate.scope
            if asked and strictness(now.gate or "auto") > strictness(gate.state):
                self.put(replace(now, gate_held=False))

    def finish(self) -> Changes:
        """All changes, with the notices owed because of them.

        Notices recorded earlier and owed no longer are the courier's to cancel: only it knows which were sent.
        """
        around = self._around() if self._planned else ()
        for id_ in self._planned:
            incident = self.incident(id_)
            assert incident is not None
            recorded, labels = self._recorded(id_), self._labels(incident)
            due = owed(incident, self.policy, self.view.silences, self.at, recorded, labels, around)
            self.changes.notices += due.notices
            for notice in due.notices:
                if notice.reason == "escalated":
                    self.record("escalated", "machine", {**named(incident), "to": notice.target, "step": notice.repeat})
        return self.changes

    def want(
        self,
        kind: str,
        model: str,
        rule: str | None = None,
        segment: str = "",
        body: Mapping[str, Any] | None = None,
    ) -> None:
        """A mark that the pump is to place in its next step."""
        mark = {"kind": kind, "at": self.at, "model": model, "rule": rule, "segment": segment, "body": body}
        self.changes.wanted.append({name: value for name, value in mark.items() if value})

    # -- helpers ------------------------------------------------------------------------------------------------

    def _rearm(self, incident: Incident, actor: str) -> None:
        """A latched incident is over: its detectors watch again. Those of the present are not for history to re-arm
        while an incident of the present stands; nor for the shadow that a rule had, when it has gone live since."""
        standing = self._stands(incident)
        if standing and not incident.historical:
            return
        unsure = incident.historical and not standing  # the present latches on history too, before it has begun
        body = None if unsure else {"historical": incident.historical}
        self.want("rearm", incident.model, incident.key, incident.segment, body)
        self.record("rearmed", actor, {**named(incident), "why": "its incident was closed"})

    def _stands(self, incident: Incident) -> bool:
        """Whether another incident of the same detectors, of the present and of the rule's stage, is not closed."""
        found = self.rule(incident.key, incident.model)
        stage = incident.stage if found is None else found[1].stage
        if incident.stage == stage and not incident.historical:
            return False
        now = self.current(episode(incident)._replace(stage=stage, historical=False))
        return now is not None and now.state != "closed"

    def _note_untold(self, incident: Incident) -> None:
        """An occurrence is over and nobody was called: say why."""
        if incident.stage == "shadow" or incident.historical:
            return  # its opening entry says so
        recorded = self._recorded(incident.id)
        if told(recorded, incident.occurrence):
            return
        labels = self._labels(incident)
        why = why_untold(incident, self.policy, self.view.silences, self.at, labels, recorded, self._around())
        self.record("no_notice", "machine", {**named(incident), "why": why})

    def _around(self) -> Around:
        now = {**self.view.incidents, **self.changes.incidents}
        return standing(now.values(), self.book, self.policy)

    def _scope_of(self, incident: Incident) -> str:
        """The gate that an incident holds, as its rule says it now."""
        found = self.rule(incident.key, incident.model)
        return (Scope(incident.model) if found is None else gated_scope(incident, found[1])).text

    def _recorded(self, id_: str) -> Mapping[str, OnRecord]:
        return self.view.recorded.get(id_, NOTHING)

    def _labels(self, incident: Incident) -> Mapping[str, str]:
        found = self.rule(incident.key, incident.model)
        return _NOBODY if found is None else found[1].labels


def _standing(incident: Incident) -> tuple[bool, float, str]:
    return incident.state != "closed", incident.opened_at, incident.id


def gated_scope(incident: Incident, rule: Rule) -> Scope:
    """Which gate a rule's incident tightens: that of the model where it names no version or segment."""
    if rule.gate_on == "version" and incident.version:
        return Scope(incident.model, "version", incident.version)
    if rule.gate_on == "segment" and incident.segment:
        return Scope(incident.model, "segment", incident.segment)
    return Scope(incident.model)


def named(incident: Incident) -> dict[str, Any]:
    """What every audit entry about an incident says."""
    body: dict[str, Any] = {
        "incident": incident.id,
        "rule": incident.key,
        "model": incident.model,
        "state": incident.state,
        "severity": incident.severity,
        "occurrence": incident.occurrence,
        "revision": incident.revision,
    }
    optional = {
        "segment": incident.segment,
        "version": incident.version,
        "owner": incident.owner,
        "verdict": incident.verdict,
        "historical": incident.historical or None,
        "stage": incident.stage if incident.stage == "shadow" else None,
    }
    return body | {name: value for name, value in optional.items() if value}


def _first(rows: Sequence[Evidence]) -> dict[str, Any]:
    if not rows:
        return {}
    row = rows[0]
    names = ("column", "segment", "statistic", "value", "expected", "effect", "n", "at")
    return {"evidence": {name: getattr(row, name) for name in names}}
