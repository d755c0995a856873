from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from deciding import DAY, HOUR, POLICY, T0, a_book, a_rule, an_incident

from monitor.core.changes import Changes, Gate
from monitor.core.incidents import actions
from monitor.core.incidents.casework import Casework
from monitor.core.incidents.model import Incident, RuleState
from monitor.core.oversight.gate import GateRefusal, Wish, set_by_person, tightened, untouched
from monitor.core.oversight.overrides import Override, problem
from monitor.core.oversight.terms import GateTerms
from monitor.core.view import View

NOW = T0 + HOUR
RULE = a_rule()
KEY = (RULE.key, "fraud-eu", "")


def case(*incidents: Incident, states: tuple[RuleState, ...] = ()) -> Casework:
    view = View(0, incidents={i.id: i for i in incidents})
    view.rule_states = {s.key: s for s in states}
    return Casework(view, POLICY, a_book(RULE), NOW)


def kinds(changes: Changes) -> list[str]:
    return [entry.kind for entry in changes.entries]


def test_acknowledging_is_recorded_with_who_and_until_when() -> None:
    incident = an_incident()
    work = case(incident)
    assert actions.acknowledge(work, incident, "kim") is None
    changes = work.finish()
    after = changes.incidents[incident.id]
    assert (after.acknowledged_by, after.acknowledged_until) == ("kim", NOW + POLICY.acknowledge_for)
    assert [(e.kind, e.actor) for e in changes.entries] == [("acknowledged", "kim"), ("no_notice", "machine")]


def test_acknowledging_twice_is_acknowledging_once() -> None:
    incident = an_incident()
    work = case(incident)
    actions.acknowledge(work, incident, "kim")
    once = work.finish().incidents[incident.id]
    again = case(once)
    assert actions.acknowledge(again, once, "kim") is None
    assert again.finish().incidents == {}
    assert kinds(again.changes) == ["acknowledged"]


@pytest.mark.parametrize("seconds", [0.0, -5.0, 31 * DAY])
def test_an_acknowledgement_needs_a_sensible_length(seconds: float) -> None:
    incident = an_incident()
    work = case(incident)
    sentence = actions.acknowledge(work, incident, "kim", seconds)
    assert sentence is not None and "at most 30 days" in sentence
    assert not work.finish()


def test_closing_with_a_verdict_keeps_both() -> None:
    incident = an_incident()
    work = case(incident)
    assert actions.close(work, incident, "kim", "expected") is None
    changes = work.finish()
    after = changes.incidents[incident.id]
    assert (after.state, after.verdict, after.closed_by) == ("closed", "expected", "kim")
    assert {"verdict", "incident_closed"} <= set(kinds(changes))


def test_closing_a_latched_incident_wants_its_detectors_armed_again() -> None:
    incident = an_incident(latches=True, segment="s=1")
    work = case(incident)
    actions.close(work, incident, "kim")
    changes = work.finish()
    mark = {"kind": "rearm", "at": NOW, "model": "fraud-eu", "rule": "fraud/LowConfidence", "segment": "s=1"}
    assert changes.wanted == [{**mark, "body": {"historical": False}}]
    assert "rearmed" in kinds(changes)


def test_closing_what_is_of_the_past_leaves_the_detectors_of_a_live_incident_as_they_are() -> None:
    past, live = an_incident(id="2", latches=True, historical=True), an_incident(latches=True)
    for incidents, body in (([past], None), ([past, live], {"historical": True})):
        work = case(*incidents)
        actions.close(work, past, "kim")
        (mark,) = work.finish().wanted
        assert mark.get("body") == body


def test_closing_the_shadow_of_a_rule_that_went_live_does_not_rearm_what_is_live() -> None:
    shadow, live = an_incident(id="2", latches=True, stage="shadow"), an_incident(latches=True)
    for incidents, wanted in (([shadow], 1), ([shadow, live], 0)):
        work = case(*incidents)
        actions.close(work, shadow, "kim")
        changes = work.finish()
        assert len(changes.wanted) == wanted and ("rearmed" in kinds(changes)) is bool(wanted)


def test_closing_a_level_that_still_fires_mutes_it_and_reopening_takes_that_back() -> None:
    incident = an_incident()
    firing = RuleState(*KEY, T0, True, T0, incident.id)
    work = case(incident, states=(firing,))
    actions.close(work, incident, "kim")
    changes = work.finish()
    muted = changes.rule_states[firing.key]
    assert muted is not None and (muted.muted_since, muted.incident, muted.firing) == (NOW, None, True)
    closed = changes.incidents[incident.id]
    back = case(closed, states=(muted,))
    assert actions.reopen(back, closed, "kim") is None
    restored = back.finish().rule_states[firing.key]
    assert restored is not None and (restored.muted_since, restored.incident) == (None, incident.id)


def test_reopening_is_refused_where_work_goes_on_elsewhere() -> None:
    old = an_incident(state="closed", closed_at=T0, closed_by="kim")
    new = an_incident(id="22222222-2222-5222-8222-222222222222", opened_at=T0 + 60)
    work = case(old, new)
    sentence = actions.reopen(work, old, "lee")
    assert sentence is not None and new.id in sentence
    assert not work.finish()


def test_an_incident_of_another_segment_or_of_history_does_not_stand_in_the_way() -> None:
    old = an_incident(state="closed", closed_at=T0, closed_by="kim")
    others = [an_incident(id="2", segment="s=1"), an_incident(id="3", historical=True)]
    assert actions.reopen(case(old, *others), old, "lee") is None


def test_assigning_and_verdicts_are_facts_of_any_state() -> None:
    for state in ("open", "acknowledged", "recovered", "closed"):
        incident = an_incident(state=state, closed_at=T0 if state == "closed" else None)
        work = case(incident)
        assert actions.assign(work, incident, "kim", "lee") is None
        assert actions.verdict(work, work.incident(incident.id) or incident, "kim", "real") is None
        after = work.finish().incidents[incident.id]
        assert (after.state, after.owner, after.verdict, after.revision) == (state, "lee", "real", 3)


@pytest.mark.parametrize(
    "act",
    [
        lambda w, i: actions.verdict(w, i, "kim", "perhaps"),
        lambda w, i: actions.close(w, i, "kim", "perhaps"),
        lambda w, i: actions.assign(w, i, "kim", " \x00"),
    ],
)
def test_nonsense_is_refused_with_a_sentence(act: Callable[[Casework, Incident], str | None]) -> None:
    incident = an_incident()
    work = case(incident)
    sentence = act(work, incident)
    assert sentence is not None and sentence.endswith(".")
    assert not work.finish()


def test_a_note_has_something_to_say_and_an_end() -> None:
    assert actions.note_problem("looked at it") is None
    assert actions.note_problem(" ") is not None and actions.note_problem("x" * 4001) is not None


# -- gates and overrides ------------------------------------------------------------------------------------------


def test_rules_tighten_and_never_loosen() -> None:
    review = tightened(untouched("m"), "review", "rule:a/B", "because", "i", T0)
    assert review is not None and (review.state, review.generation) == ("review", 1)
    halt = tightened(review, "halt", "rule:a/B", "because", "i", T0)
    assert halt is not None and halt.generation == 2
    assert tightened(halt, "review", "rule:a/B", "because", "i", T0) is None
    assert tightened(halt, "halt", "rule:a/B", "because", "i", T0) is None


def test_a_person_may_set_any_state_but_gives_a_reason_and_has_seen_the_newest() -> None:
    gate = Gate("m", "halt", 7, "because", T0, "rule:a/B")
    looser = set_by_person(gate, Wish("auto", "fixed", "kim", 7), NOW, GateTerms())
    assert looser == Gate("m", "auto", 8, "fixed", NOW, "kim")
    assert set_by_person(gate, Wish("halt", "still", "kim"), NOW, GateTerms()) == gate
    for state, reason, seen, stale in (("auto", "x", 6, True), ("auto", " ", 7, False), ("open", "x", 7, False)):
        refused = set_by_person(gate, Wish(state, reason, "kim", seen), NOW, GateTerms())
        assert isinstance(refused, GateRefusal) and refused.stale is stale and refused.sentence.endswith(".")


def test_a_looser_gate_is_held_only_by_incidents_of_its_model_that_asked_for_no_more() -> None:
    held = {"gate_held": True, "gate": "review"}
    mine, more = an_incident(**held), an_incident(id="2", gate="halt", gate_held=True, rule="Other")
    other = an_incident(id="3", model="churn", **held)
    work = case(mine, more, other)
    work.release_gate(Gate("fraud-eu", "review", 3, "by hand", NOW, "kim"))
    assert list(work.changes.incidents) == ["2"] and not work.changes.incidents["2"].gate_held
    work.release_gate(Gate("fraud-eu", "auto", 4, "by hand", NOW, "kim"))
    assert set(work.changes.incidents) == {"2", mine.id}


def an_override(**given: Any) -> Override:
    values: dict[str, Any] = {"id": "o1", "model": "m", "decision_id": "d1", "verb": "not_use"}
    return Override(**{**values, "reason": "wrong", "by": "kim", **given})


def test_the_four_verbs_are_taken_with_what_they_need() -> None:
    first = an_override(verb="override", answer={"label": "approve"})
    assert problem(an_override()) is None
    assert problem(an_override(verb="disregard")) is None
    assert problem(first) is None
    assert problem(an_override(id="o2", verb="reverse", reverses="o1"), first) is None


@pytest.mark.parametrize(
    ("given_", "says"),
    [
        ({"verb": "ignore"}, "'ignore' is unknown"),
        ({"verb": "override"}, "needs an answer"),
        ({"verb": "reverse"}, "needs reverses"),
        ({"verb": "reverse", "reverses": "o9"}, "no override o9"),
        ({"reverses": "o9"}, "Only the verb reverse"),
        ({"reason": ""}, "needs a reason"),
        ({"model": " "}, "needs a model"),
        ({"decision_id": "x" * 201}, "needs a decision_id"),
        ({"note": "x" * 4001}, "note is longer"),
    ],
)
def test_what_cannot_be_an_override_is_refused_with_a_sentence(given_: dict[str, Any], says: str) -> None:
    sentence = problem(an_override(**given_))
    assert sentence is not None and says in sentence and sentence.endswith((".", "?"))


def test_a_reversal_is_of_the_same_decision_and_of_no_other_reversal() -> None:
    reversal = an_override(id="o2", verb="reverse", reverses="o1")
    assert "about decision d9" in (problem(reversal, an_override(decision_id="d9")) or "")
    assert "itself a reversal" in (problem(reversal, an_override(verb="reverse")) or "")
