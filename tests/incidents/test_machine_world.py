"""The machine among people, rules, silences and a gate: whatever happens in whatever order, its promises hold."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace

from deciding import DAY, HOUR, MINUTE, POLICY, T0, a_book, a_finding, a_level, a_row, a_rule
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from monitor.core.changes import Changes, Silence
from monitor.core.decide import decide, next_due, sweep
from monitor.core.findings import Observation
from monitor.core.incidents import actions
from monitor.core.incidents.casework import Casework, episode
from monitor.core.incidents.model import Incident
from monitor.core.incidents.silences import silencing
from monitor.core.notices.heard import hearings, told
from monitor.core.notices.keys import PAGES
from monitor.core.oversight.gate import GateRefusal, Wish, set_by_person, strictness
from monitor.core.oversight.terms import GateTerms
from monitor.core.view import View

LEVEL = a_rule("Level", gate="review", for_=60.0)
KEEPING = a_rule("Keeping", keep_firing_for=300.0, per_segment=True, severity="medium")
LATCHED = a_rule("Latched", form="shift", gate="halt")
SHADOW = a_rule("Shadow", form="shift", stage="shadow", gate="halt")
RULES = {r.name: r for r in (LEVEL, KEEPING, LATCHED, SHADOW)}
PEOPLE = st.sampled_from(["kim", "lee"])
MODEL = "fraud-eu"


class World(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.view = View(partition=0)
        self.at = T0
        self.seq = 0
        self.gone: set[str] = set()
        self.severity = {name: r.severity for name, r in RULES.items()}
        self.silences: list[Silence] = []
        self.sent: list[str] = []

    # -- what happens -------------------------------------------------------------------------------------------

    @rule(seconds=st.sampled_from([1.0, 20.0, MINUTE, 6 * MINUTE, 31 * MINUTE, HOUR, 9 * HOUR, DAY, 8 * DAY]))
    def time_passes(self, seconds: float) -> None:
        self.at += seconds
        self.view.silences = tuple(s for s in self.silences if s.ends_at > self.at)
        self.view.forget_closed(self.at - DAY)
        self.absorb(sweep(self.view, self.book, POLICY, self.at), person=False)
        assert not sweep(self.view, self.book, POLICY, self.at), "sweeping twice changes something"
        due = next_due(self.view, self.book, POLICY, self.at)
        assert due is None or due > self.at, "something is due and was not done"

    @rule(
        name=st.sampled_from(["Level", "Keeping"]),
        holds=st.text("yn?", min_size=2, max_size=2),
        effect=st.sampled_from([1.1, 1.5, 4.0, 9.0]),
        historical=st.booleans(),
    )
    def a_level_is_assessed(self, name: str, holds: str, effect: float, historical: bool) -> None:
        level = a_level(RULES[name], holds, self.at, effect=effect, historical=historical)
        self.decide(Observation(levels=[level]))

    @rule(
        name=st.sampled_from(["Latched", "Shadow"]),
        effect=st.sampled_from([0.2, -0.9]),
        warming=st.booleans(),
        historical=st.booleans(),
    )
    def a_detector_finds_something(self, name: str, effect: float, warming: bool, historical: bool) -> None:
        row = a_row(effect=effect, at=self.at)
        found = a_finding(RULES[name], row, warming=warming, historical=historical)
        changes = self.decide(Observation(findings=[found]))
        if warming or name in self.gone:
            assert not changes
        else:
            standing = [i for i in self.view.incidents.values() if i.rule == name and i.state != "closed"]
            assert any(i.historical == historical for i in standing)

    @rule(name=st.sampled_from(sorted(RULES)))
    def a_rule_is_withdrawn_or_comes_back(self, name: str) -> None:
        self.gone ^= {name}

    @rule(name=st.sampled_from(sorted(RULES)), severity=st.sampled_from(["critical", "high", "low"]))
    def a_rule_gets_another_severity(self, name: str, severity: str) -> None:
        self.severity[name] = severity  # type: ignore[assignment]

    @precondition(lambda self: self.view.incidents)
    @rule(
        data=st.data(),
        actor=PEOPLE,
        what=st.sampled_from(["acknowledge", "take", "release", "close", "reopen", "verdict", "assign"]),
    )
    def a_person_acts(self, data: st.DataObject, actor: str, what: str) -> None:
        incident = self.view.incidents[data.draw(st.sampled_from(sorted(self.view.incidents)))]
        work = Casework(self.view, POLICY, self.book, self.at)
        refusal = {
            "acknowledge": lambda: actions.acknowledge(work, incident, actor),
            "take": lambda: actions.acknowledge(work, incident, actor, 2 * HOUR, take=True),
            "release": lambda: actions.release(work, incident, actor),
            "close": lambda: actions.close(work, incident, actor),
            "reopen": lambda: actions.reopen(work, incident, actor),
            "verdict": lambda: actions.verdict(work, incident, actor, "false"),
            "assign": lambda: actions.assign(work, incident, actor, "lee"),
        }[what]()
        changes = work.finish()
        if refusal is not None:
            assert refusal.endswith(".") and not changes
        elif what == "close":
            assert self.after(changes, incident).state == "closed"
        elif what in ("acknowledge", "take"):
            assert self.after(changes, incident).seen
        self.absorb(changes, person=True)

    @rule(length=st.sampled_from([10.0, HOUR, 2 * DAY]), severity=st.sampled_from(["high", "medium"]))
    def a_silence_is_set(self, length: float, severity: str) -> None:
        matchers = (("model", "=~", "fraud-.*"), ("severity", "!=", severity))
        self.silences.append(Silence(str(len(self.silences)), matchers, self.at, self.at + length, "kim", "a test"))
        self.view.silences = tuple(s for s in self.silences if s.ends_at > self.at)

    @rule(state=st.sampled_from(["auto", "review", "halt"]), actor=PEOPLE)
    def a_person_sets_the_gate(self, state: str, actor: str) -> None:
        work = Casework(self.view, POLICY, self.book, self.at)
        before = work.gate(MODEL)
        after = set_by_person(before, Wish(state, "because", actor), self.at, GateTerms())
        assert not isinstance(after, GateRefusal)
        if after != before:
            work.put_gate(after, before, actor)
            work.release_gate(after)
        self.absorb(work.finish(), person=True)

    # -- what must hold -----------------------------------------------------------------------------------------

    @invariant()
    def there_is_one_standing_incident_an_episode(self) -> None:
        standing = [episode(i) for i in self.view.incidents.values() if i.state != "closed"]
        assert len(standing) == len(set(standing))

    @invariant()
    def what_fires_unmuted_has_an_incident_that_is_not_closed(self) -> None:
        for state in self.view.rule_states.values():
            if state.firing and state.muted_since is None:
                assert state.incident is not None
                assert self.view.incidents[state.incident].state != "closed"

    @invariant()
    def an_open_incident_has_been_told_after_its_wait_unless_silenced(self) -> None:
        if sweep(self.view, self.book, POLICY, self.at):
            return  # the desk has not had its turn yet
        for incident in self.view.incidents.values():
            recorded = self.view.recorded.get(incident.id, {})
            silent = silencing(incident, self.view.silences, self.at) is not None
            waited = self.at - incident.changed_at >= POLICY.group_wait
            called = told(recorded, incident.occurrence)
            if incident.state == "open" and waited and not silent:
                due = incident.stage == "live" and not incident.historical
                lately = {
                    target
                    for target, heard in hearings(recorded, incident.occurrence).items()
                    if self.at - heard.fired_at < POLICY.again_interval and incident.opening in ("again", "flapping")
                }
                assert called | lately == ({"phone", "mail"} if due else set())

    @invariant()
    def whoever_was_called_knows_that_it_went_away_unless_silenced(self) -> None:
        if sweep(self.view, self.book, POLICY, self.at):
            return
        for incident in self.view.incidents.values():
            heard = hearings(self.view.recorded.get(incident.id, {}), incident.occurrence)["phone"]
            silent = silencing(incident, self.view.silences, self.at) is not None
            assert heard.over <= incident.occurrence
            if incident.state == "recovered" and heard.called and not silent:
                assert heard.over >= heard.called

    @invariant()
    def no_key_is_recorded_twice(self) -> None:
        assert len(self.sent) == len(set(self.sent))

    # -- helpers ------------------------------------------------------------------------------------------------

    @property
    def book(self):  # type: ignore[no-untyped-def]
        rules = [replace(r, severity=self.severity[n]) for n, r in RULES.items() if n not in self.gone]
        return a_book(*rules)

    def after(self, changes: Changes, incident: Incident) -> Incident:
        return changes.incidents.get(incident.id, incident)

    def decide(self, observation: Observation) -> Changes:
        self.seq += 1
        copy = deepcopy(self.view)
        changes = decide(self.view, self.book, POLICY, observation, 0, self.seq, self.at)
        assert self.view == copy, "deciding changed the view"
        again = decide(copy, self.book, POLICY, observation, 0, self.seq, self.at)
        assert changes == again, "deciding again decides otherwise"
        self.absorb(changes, person=False)
        return changes

    def absorb(self, changes: Changes, person: bool) -> None:
        for id_, after in changes.incidents.items():
            self.check_change(self.view.incidents.get(id_), after, changes, person)
        self.check_gates(changes, person)
        for notice in changes.notices:
            incident = changes.incidents.get(notice.incident) or self.view.incidents[notice.incident]
            assert incident.stage == "live" and not incident.historical
            assert silencing(incident, self.view.silences, self.at) is None
            if incident.state == "acknowledged" and notice.reason in PAGES:
                assert notice.reason == "worsened"
        self.sent += [notice.key for notice in changes.notices]
        self.view.absorb(changes)

    def check_change(self, before: Incident | None, after: Incident, changes: Changes, person: bool) -> None:
        if before is None:
            assert after.revision == 1 and after.state == "open"
            return
        shown = [(i.state, i.severity, i.owner, i.verdict) for i in (before, after)]
        if shown[0] == shown[1]:
            assert after.revision == before.revision or person or after.occurrence > before.occurrence
        else:
            assert after.revision > before.revision
            assert any(e.body.get("incident") == after.id for e in changes.entries)
        if before.state != "closed" and after.state == "closed":
            self.check_closing(before, after, changes)
        if before.state == "acknowledged" and after.state == "open" and not person:
            assert after.opening in ("expired", "worsened")

    def check_closing(self, before: Incident, after: Incident, changes: Changes) -> None:
        if before.latches:
            assert after.closed_by in ("kim", "lee")
            assert any(m["kind"] == "rearm" and m["rule"] == after.key for m in changes.wanted)
        if after.closed_by == "machine" and not after.seen and before.state == "recovered":
            reasons = [e.body["reason"] for e in changes.entries if e.body.get("incident") == after.id]
            assert reasons[-1] in ("nobody_looked", "watch_ended")

    def check_gates(self, changes: Changes, person: bool) -> None:
        for scope, gate in changes.gates.items():
            before = self.view.gates.get(scope)
            assert gate.generation > (before.generation if before else 0)
            if not person:
                assert strictness(gate.state) > strictness(before.state if before else "auto")
                holder = changes.incidents[gate.incident or ""]
                assert holder.stage == "live" and not holder.historical and holder.gate_held


World.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestWorld = World.TestCase
