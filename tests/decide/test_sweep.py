from __future__ import annotations

from deciding import DAY, HOUR, MINUTE, POLICY, T0, a_book, a_rule, an_incident

from monitor.core.changes import Changes, Silence
from monitor.core.decide import next_due, sweep
from monitor.core.incidents.model import Incident, RuleState
from monitor.core.notices.model import OnRecord
from monitor.core.rules.model import Book
from monitor.core.view import View

BOOK = a_book(a_rule(), a_rule("Silent", "absent"))
HELD = {"state": "acknowledged", "acknowledged_by": "kim", "acknowledged_at": T0, "seen": True, "owner": "kim"}


def swept(
    incident: Incident, at: float, book: Book = BOOK, recorded: dict[str, OnRecord] | None = None
) -> tuple[Incident, Changes]:
    view = View(0, incidents={incident.id: incident}, recorded={incident.id: recorded or {}})
    changes = sweep(view, book, POLICY, at)
    return changes.incidents.get(incident.id, incident), changes


def kinds(changes: Changes) -> list[str]:
    return [entry.kind for entry in changes.entries]


def test_a_page_is_planned_when_its_wait_is_over() -> None:
    incident = an_incident()
    assert swept(incident, T0 + 4)[1].notices == []
    _, changes = swept(incident, T0 + 5)
    assert [n.reason for n in changes.notices] == ["opened", "opened"]
    assert not changes.entries and not changes.incidents


def test_an_acknowledgement_runs_out_and_the_policy_starts_again() -> None:
    incident = an_incident(**HELD, acknowledged_until=T0 + HOUR)
    assert swept(incident, T0 + HOUR - 1)[0].state == "acknowledged"
    after, changes = swept(incident, T0 + HOUR)
    assert (after.state, after.opening, after.acknowledged_by) == ("open", "expired", None)
    assert kinds(changes) == ["expired"]
    assert [(n.reason, n.occurrence) for n in changes.notices] == [("expired", 2), ("expired", 2)]


def test_an_acknowledgement_that_ran_out_after_it_cleared_pages_nobody() -> None:
    incident = an_incident(**HELD, acknowledged_until=T0 + HOUR, cleared_at=T0 + HOUR - 60)
    after, changes = swept(incident, T0 + HOUR)
    assert (after.state, after.seen) == ("recovered", True)
    assert {n.reason for n in changes.notices} <= {"recovered"}


def test_an_acknowledged_incident_closes_half_an_hour_after_it_cleared() -> None:
    incident = an_incident(**HELD, cleared_at=T0, acknowledged_until=T0 + DAY)
    assert swept(incident, T0 + 29 * MINUTE)[0].state == "acknowledged"
    after, changes = swept(incident, T0 + 30 * MINUTE)
    assert (after.state, after.closed_by) == ("closed", "machine")
    assert kinds(changes) == ["incident_closed"]


def test_nobody_looked_for_seven_days_closes_and_says_so() -> None:
    incident = an_incident(state="recovered", cleared_at=T0, changed_at=T0)
    assert swept(incident, T0 + 6.9 * DAY)[0].state == "recovered"
    after, changes = swept(incident, T0 + 7 * DAY)
    assert after.state == "closed"
    assert changes.entries[0].body["reason"] == "nobody_looked"


def test_a_withdrawn_rule_marks_its_incident_and_forgets_its_states() -> None:
    incident = an_incident()
    state = RuleState("fraud/LowConfidence", "fraud-eu", "", T0, True, T0, incident.id)
    view = View(0, incidents={incident.id: incident}, rule_states={state.key: state})
    changes = sweep(view, a_book(), POLICY, T0 + 60)
    assert changes.incidents[incident.id].orphaned == "The rule fraud/LowConfidence is not in the rule book any more."
    assert changes.incidents[incident.id].state == "open"
    assert changes.rule_states == {state.key: None}
    assert "incident_orphaned" in kinds(changes)


def test_a_rule_that_now_looks_for_something_else_ends_the_condition_it_had() -> None:
    incident = an_incident()
    key = ("fraud/LowConfidence", "fraud-eu", "")
    state = RuleState(*key, T0, True, T0, incident.id)
    view = View(0, incidents={incident.id: incident}, rule_states={state.key: state})
    changes = sweep(view, a_book(a_rule(form="shift")), POLICY, T0 + 60)
    orphaned = changes.incidents[incident.id].orphaned
    assert orphaned is not None and "looks for a shift now" in orphaned
    assert changes.rule_states == {state.key: None}
    view.absorb(changes)
    assert not sweep(view, a_book(a_rule(form="shift")), POLICY, T0 + 60)


def test_a_pack_that_no_longer_watches_a_model_ends_the_watch_too() -> None:
    after, _ = swept(an_incident(), T0 + 60, a_book(a_rule(), models=("churn-*",)))
    assert after.orphaned == "The pack fraud does not watch the model fraud-eu any more."


def test_a_model_that_a_rule_expects_is_watched_whatever_the_pack_matches() -> None:
    incident = an_incident(rule="Silent")
    after, _ = swept(incident, T0 + 60, a_book(a_rule("Silent", "absent"), models=("churn-*",)))
    assert after.orphaned is None


def test_a_recovered_incident_of_a_withdrawn_rule_closes() -> None:
    after, _ = swept(an_incident(state="recovered", cleared_at=T0), T0 + 60, a_book())
    assert (after.state, after.closed_by) == ("closed", "machine")


def test_nothing_due_changes_nothing() -> None:
    assert not swept(an_incident(), T0 + 1)[1]
    assert not sweep(View(0), BOOK, POLICY, T0)


def test_when_to_come_again_is_the_nearest_of_all_deadlines() -> None:
    def due(incident: Incident, at: float, *silences: Silence) -> float | None:
        return next_due(View(0, incidents={incident.id: incident}, silences=silences), BOOK, POLICY, at)

    assert due(an_incident(), T0) == T0 + 5
    assert due(an_incident(), T0 + 6) == T0 + 6, "the page is due"
    held = an_incident(**HELD, acknowledged_until=T0 + HOUR)
    assert due(held, T0) == T0 + HOUR
    assert due(an_incident(**HELD, acknowledged_until=T0 + HOUR, cleared_at=T0), T0) == T0 + 30 * MINUTE
    gone = an_incident(**HELD, acknowledged_until=T0 + HOUR, cleared_at=T0, gate_held=True)
    assert due(gone, T0) == T0 + HOUR
    assert due(an_incident(state="recovered", cleared_at=T0), T0) == T0 + 7 * DAY
    silence = Silence("s", (("model", "=", "fraud-eu"),), T0, T0 + 90, "kim", "x")
    assert due(an_incident(), T0, silence) == T0 + 90
    assert due(an_incident(state="closed", closed_at=T0), T0) is None
    assert next_due(View(0), BOOK, POLICY, T0) is None
