from __future__ import annotations

import time
from dataclasses import replace

from deciding import HOUR, MINUTE, POLICY, T0, a_book, a_finding, a_level, a_row, a_rule

from monitor.core.changes import Changes, Gate
from monitor.core.decide import decide
from monitor.core.findings import Finding, Level, Observation
from monitor.core.incidents import actions
from monitor.core.incidents.casework import Casework
from monitor.core.incidents.model import Incident
from monitor.core.notices.model import Policy, Receiver, Route
from monitor.core.notices.render import Links, render
from monitor.core.rules.model import Book, Rule
from monitor.core.view import View

EVENTS = Policy(POLICY.receivers, group_wait=0.0)


class Engine:
    """Steps, one after another, over one view."""

    def __init__(self, *rules: Rule) -> None:
        self.book: Book = a_book(*rules)
        self.view = View(partition=0)
        self.seq = 0
        self.policy = POLICY

    def step(self, at: float, *seen: Level | Finding) -> Changes:
        self.seq += 1
        levels = [x for x in seen if isinstance(x, Level)]
        findings = [x for x in seen if isinstance(x, Finding)]
        observation = Observation(findings=findings, levels=levels)
        changes = decide(self.view, self.book, self.policy, observation, 0, self.seq, at)
        self.view.absorb(changes)
        return changes

    @property
    def incidents(self) -> list[Incident]:
        return sorted(self.view.incidents.values(), key=lambda i: i.opened_at)

    @property
    def only(self) -> Incident:
        (incident,) = self.view.incidents.values()
        return incident


def kinds(changes: Changes) -> list[str]:
    return [entry.kind for entry in changes.entries]


# -- owners -------------------------------------------------------------------------------------------------------


def test_an_incident_belongs_at_first_to_the_owner_of_its_pack_who_is_named_and_routed_to() -> None:
    rule = a_rule()
    engine = Engine(rule)
    engine.book = replace(engine.book, packs=tuple(replace(pack, owner="risk-oncall") for pack in engine.book.packs))
    team, others = Receiver("team"), Receiver("others")
    routes = (Route(("team",), {"owner": "risk-*"}), Route(("others",)))
    engine.policy = Policy((team, others), routes, group_wait=0.0)
    changes = engine.step(T0, a_level(rule, "y", T0))
    assert engine.only.owner == "risk-oncall" and {notice.target for notice in changes.notices} == {"team"}
    (notice,) = changes.notices
    assert "Owner: risk-oncall" in render(notice, engine.only, [], Links("http://x"), None).body


def test_an_incident_of_a_pack_without_owner_belongs_to_nobody() -> None:
    rule = a_rule()
    engine = Engine(rule)
    engine.step(T0, a_level(rule, "y", T0))
    assert engine.only.owner is None


# -- levels -------------------------------------------------------------------------------------------------------


def test_a_level_that_holds_opens_one_incident_with_its_worst_segments_as_evidence() -> None:
    rule = a_rule()
    engine = Engine(rule)
    changes = engine.step(T0, a_level(rule, "yny", T0, effect=[1.2, 1.0, 3.0]))
    incident = engine.only
    assert (incident.state, incident.severity, incident.effect, incident.opened_at) == ("open", "high", 3.0, T0)
    assert [row.segment for _, row in changes.evidence] == ["s=2", "s=0"]
    assert kinds(changes) == ["incident_opened"]
    assert {state.incident for state in engine.view.rule_states.values()} == {incident.id}
    assert incident.summary.startswith("fraud-eu where s=2: share of output.confidence < 0.6 is 8% over")


def test_a_rule_may_have_an_incident_for_each_segment() -> None:
    rule = a_rule(per_segment=True)
    engine = Engine(rule)
    engine.step(T0, a_level(rule, "yny", T0))
    assert {i.segment for i in engine.incidents} == {"s=0", "s=2"}
    engine.step(T0 + 1, a_level(rule, "nny", T0 + 1))
    assert {i.segment: i.state for i in engine.incidents} == {"s=0": "recovered", "s=2": "open"}


def test_an_incident_recovers_when_its_last_segment_has_cleared() -> None:
    rule = a_rule()
    engine = Engine(rule)
    engine.step(T0, a_level(rule, "yy", T0))
    engine.step(T0 + 60, a_level(rule, "ny", T0 + 60))
    assert engine.only.state == "open"
    changes = engine.step(T0 + 120, a_level(rule, "nn", T0 + 120))
    assert engine.only.state == "recovered"
    assert engine.view.rule_states == {}
    assert "incident_recovered" in kinds(changes)


def test_a_segment_without_data_keeps_an_incident_up() -> None:
    rule = a_rule()
    engine = Engine(rule)
    engine.step(T0, a_level(rule, "yy", T0))
    engine.step(T0 + 60, a_level(rule, "n?", T0 + 60))
    assert engine.only.state == "open"


# -- segments that are watched no more: `by` was changed, or the watcher was made anew ---------------------------------


def test_an_incident_recovers_when_its_segments_are_gone_and_what_is_watched_now_does_not_hold() -> None:
    rule = a_rule()
    engine = Engine(rule)
    engine.step(T0, a_level(rule, "yy", T0, ["c=web", "c=app"]))
    for minute in range(1, 76):
        at = T0 + minute * MINUTE
        engine.step(at, a_level(rule, "n", at))
        assert engine.only.state == "open"
    changes = engine.step(T0 + 76 * MINUTE, a_level(rule, "n", T0 + 76 * MINUTE))
    assert engine.only.state == "recovered" and engine.view.rule_states == {}
    assert "incident_recovered" in kinds(changes)


def test_while_others_fire_segments_that_are_gone_only_end_and_the_others_decide() -> None:
    rule = a_rule()
    engine = Engine(rule)
    engine.step(T0, a_level(rule, "y", T0, ["c=web"]))
    for minute in (1, 76):
        at = T0 + minute * MINUTE
        engine.step(at, a_level(rule, "y", at))
    assert [segment for _, _, segment, _ in engine.view.rule_states] == [""] and engine.only.state == "open"
    engine.step(T0 + 77 * MINUTE, a_level(rule, "n", T0 + 77 * MINUTE))
    assert engine.only.state == "recovered"


def test_where_nothing_says_how_things_stand_the_watch_has_ended_and_a_person_closes() -> None:
    whole, each = a_rule(), a_rule("Each", per_segment=True)
    engine = Engine(whole, each)
    engine.step(T0, a_level(whole, "y", T0, ["c=web"]), a_level(each, "y", T0, ["c=web"]))
    for minute in (1, 76):
        at = T0 + minute * MINUTE
        changes = engine.step(at, a_level(whole, "?", at), a_level(each, "n", at, ["c=app"]))
    assert [i.state for i in engine.incidents] == ["open", "open"] and engine.view.rule_states == {}
    assert kinds(changes) == ["incident_orphaned", "incident_orphaned"]
    assert {i.orphaned for i in engine.incidents} == {
        "The rule fraud/LowConfidence no longer watches its segment c=web on the model fraud-eu.",
        "The rule fraud/Each no longer watches its segment c=web on the model fraud-eu.",
    }


def test_a_segment_that_comes_back_after_its_watch_had_ended_goes_on_with_the_incident() -> None:
    rule = a_rule(per_segment=True)
    engine = Engine(rule)
    engine.step(T0, a_level(rule, "y", T0, ["c=web"]))
    for minute in (1, 76):
        engine.step(T0 + minute * MINUTE, a_level(rule, "n", T0 + minute * MINUTE, ["c=app"]))
    assert engine.only.orphaned is not None
    at = T0 + 80 * MINUTE
    engine.step(at, a_level(rule, "y", at, ["c=web"]))
    assert engine.only.orphaned is None and engine.only.state == "open"


def test_missing_data_alerts_where_the_rule_says_so() -> None:
    rule = a_rule(no_data="alert", for_=120.0)
    engine = Engine(rule)
    engine.step(T0, a_level(rule, "?", T0))
    assert engine.incidents == []
    changes = engine.step(T0 + 120, a_level(rule, "?", T0 + 120))
    assert "there is not enough data to judge" in engine.only.summary
    assert changes.evidence[0][1].detail == "there is not enough data to judge"


def test_evidence_of_a_hot_incident_is_kept_once_a_minute_unless_it_is_worse() -> None:
    rule = a_rule()
    engine = Engine(rule)
    engine.step(T0, a_level(rule, "y", T0))
    assert not engine.step(T0 + 1, a_level(rule, "y", T0 + 1))
    assert not engine.step(T0 + 59, a_level(rule, "y", T0 + 59, effect=1.6))
    assert len(engine.step(T0 + 60, a_level(rule, "y", T0 + 60)).evidence) == 1
    assert len(engine.step(T0 + 61, a_level(rule, "y", T0 + 61, effect=2.5)).evidence) == 1
    assert engine.only.effect == 2.5
    assert engine.only.revision == 1, "evidence must not make a person's view stale"


def test_the_evidence_of_a_week_fits_in_a_page() -> None:
    rule = a_rule()
    engine = Engine(rule)
    rows = sum(
        len(engine.step(T0 + m * MINUTE, a_level(rule, "y", T0 + m * MINUTE)).evidence) for m in range(7 * 24 * 60)
    )
    assert 200 < rows < 450


def test_a_condition_that_comes_back_at_once_is_no_longer_cleared() -> None:
    rule = a_rule()
    engine = Engine(rule)
    engine.step(T0, a_level(rule, "yyy", T0))
    engine.view.incidents[engine.only.id] = replace(
        engine.only, state="acknowledged", acknowledged_by="kim", acknowledged_at=T0, changed_at=T0, seen=True
    )
    engine.step(T0 + 100, a_level(rule, "yyy", T0 + 100))
    engine.step(T0 + 110, a_level(rule, "nnn", T0 + 110))
    assert engine.only.cleared_at == T0 + 110
    changes = engine.step(T0 + 120, a_level(rule, "yyy", T0 + 120))
    assert engine.only.cleared_at is None and engine.only.state == "acknowledged"
    assert changes.notices == []
    assert len(changes.evidence) == 1, "it has just been said in full"


def test_a_level_fires_a_new_incident_after_a_person_closed_it_and_it_cleared_once() -> None:
    rule = a_rule()
    engine = Engine(rule)
    engine.step(T0, a_level(rule, "y", T0))
    close(engine, T0 + 10)
    assert not engine.step(T0 + 20, a_level(rule, "y", T0 + 20))
    engine.step(T0 + 30, a_level(rule, "n", T0 + 30))
    engine.step(T0 + 40, a_level(rule, "y", T0 + 40))
    assert [i.state for i in engine.incidents] == ["closed", "open"]


def test_a_level_that_fires_for_24_hours_after_its_closing_opens_a_new_incident() -> None:
    rule = a_rule()
    engine = Engine(rule)
    engine.step(T0, a_level(rule, "y", T0))
    close(engine, T0 + 10)
    later = T0 + 10 + 24 * HOUR
    assert not engine.step(later - 1, a_level(rule, "y", later - 1))
    engine.step(later, a_level(rule, "y", later))
    assert [i.state for i in engine.incidents] == ["closed", "open"]


# -- edges --------------------------------------------------------------------------------------------------------


def test_findings_of_one_step_are_one_incident_the_worst_first() -> None:
    rule = a_rule("ScoreShift", "shift")
    engine = Engine(rule)
    rows = [a_row(column=f"inputs.c{i}", effect=e) for i, e in enumerate([0.1, -0.9, None, 0.4])]
    changes = engine.step(T0, *(a_finding(rule, row) for row in rows))
    assert [row.column for _, row in changes.evidence] == ["inputs.c1", "inputs.c3", "inputs.c0", "inputs.c2"]
    assert (engine.only.latches, engine.only.effect) == (True, 0.9)
    assert "inputs.c1" in engine.only.summary


def test_at_most_twenty_pieces_of_evidence_are_kept_of_one_step() -> None:
    rule = a_rule("ScoreShift", "shift")
    engine = Engine(rule)
    changes = engine.step(T0, *(a_finding(rule, a_row(column=f"inputs.c{i}")) for i in range(500)))
    assert len(changes.evidence) == 20


def test_a_detector_that_is_warming_up_opens_nothing() -> None:
    rule = a_rule("ScoreShift", "shift")
    assert not Engine(rule).step(T0, a_finding(rule, warming=True))


def test_what_a_detector_found_latches_even_where_the_rule_clears_by_itself() -> None:
    rule = a_rule("Quality", "shift", resolve="auto")
    engine = Engine(rule)
    engine.step(T0, a_finding(rule))
    assert engine.only.latches, "closing it must arm the detector again"


def test_a_finding_of_a_withdrawn_rule_does_nothing() -> None:
    assert not Engine(a_rule()).step(T0, a_finding(a_rule("Gone", "shift")))


def test_a_latched_incident_goes_on_when_its_detector_fires_again() -> None:
    rule = a_rule("ScoreShift", "shift")
    engine = Engine(rule)
    engine.step(T0, a_finding(rule))
    changes = engine.step(T0 + HOUR, a_finding(rule, a_row(column="other", effect=0.1, at=T0 + HOUR)))
    assert engine.only.state == "open" and len(changes.evidence) == 1
    assert engine.only.effect == 0.4, "the worst so far"


# -- history and shadow -----------------------------------------------------------------------------------------------


def test_shadow_and_history_open_incidents_that_owe_nothing_and_touch_no_gate() -> None:
    shadow = a_rule("Quiet", "shift", stage="shadow", gate="halt")
    old = a_rule("Old", "shift", gate="halt")
    engine = Engine(shadow, old)
    engine.policy = EVENTS
    changes = engine.step(T0, a_finding(shadow), a_finding(old, historical=True))
    assert {(i.stage, i.historical) for i in engine.incidents} == {("shadow", False), ("live", True)}
    assert changes.notices == [] and changes.gates == {}


def test_what_fires_live_after_history_is_an_incident_of_its_own() -> None:
    rule = a_rule()
    engine = Engine(rule)
    engine.step(T0, a_level(rule, "y", T0, historical=True))
    engine.step(T0 + 1, a_level(rule, "y", T0 + 1))
    assert [(i.historical, i.state) for i in engine.incidents] == [(True, "recovered"), (False, "open")]
    assert {state.incident for state in engine.view.rule_states.values()} == {engine.incidents[1].id}


def test_history_neither_clears_nor_advances_nor_joins_what_the_present_says() -> None:
    rule = a_rule(for_=120.0)
    calm, busy = Engine(rule), Engine(rule)
    for minute, holds in enumerate("yyyyynny"):
        at = T0 + 60.0 * minute
        calm.step(at, a_level(rule, holds, at))
        other = "n" if holds == "y" else "y"
        busy.step(at, a_level(rule, holds, at), a_level(rule, other, at - HOUR, historical=True))
    live = [i for i in busy.incidents if not i.historical]
    assert [(i.state, i.opened_at, i.cleared_at) for i in live] == [
        (i.state, i.opened_at, i.cleared_at) for i in calm.incidents
    ]
    assert [(i.state, i.opened_at) for i in calm.incidents] == [("recovered", T0 + 120)]
    states = {key: replace(s, incident=None) for key, s in busy.view.rule_states.items() if not s.historical}
    assert states == {key: replace(s, incident=None) for key, s in calm.view.rule_states.items()}


def test_history_alone_leaves_a_live_incident_and_its_state_as_they_are() -> None:
    rule = a_rule()
    engine = Engine(rule)
    engine.step(T0, a_level(rule, "y", T0))
    before = dict(engine.view.rule_states)
    engine.step(T0 + 60, a_level(rule, "n", T0 - HOUR, historical=True))
    assert engine.only.state == "open" and engine.view.rule_states == before


def test_history_that_goes_on_beside_the_present_is_not_over() -> None:
    rule = a_rule()
    engine = Engine(rule)
    engine.step(T0, a_level(rule, "n", T0), a_level(rule, "y", T0 - HOUR, historical=True))
    engine.step(T0 + 60, a_level(rule, "n", T0 + 60), a_level(rule, "y", T0 - HOUR, historical=True))
    assert (engine.only.historical, engine.only.state) == (True, "open")
    engine.step(T0 + 120, a_level(rule, "n", T0 + 120))
    assert engine.only.state == "recovered" and engine.view.rule_states == {}


def test_a_level_rule_that_goes_live_while_it_holds_calls_somebody_and_settles_its_shadow() -> None:
    shadow, live = a_rule(stage="shadow"), a_rule()
    for holds, states in (("y", ["recovered", "open"]), ("n", ["recovered"])):
        engine = Engine(shadow)
        engine.policy = EVENTS
        assert engine.step(T0, a_level(shadow, "y", T0)).notices == []
        engine.book = a_book(live)
        changes = engine.step(T0 + 60, a_level(live, holds, T0 + 60))
        assert [i.state for i in engine.incidents] == states
        assert {n.incident for n in changes.notices} == {i.id for i in engine.incidents if i.stage == "live"}


def test_history_and_presence_in_one_step_have_ids_of_their_own() -> None:
    rule = a_rule("ScoreShift", "shift")
    engine = Engine(rule)
    engine.step(T0, a_finding(rule), a_finding(rule, historical=True))
    assert len(engine.view.incidents) == 2


# -- gates --------------------------------------------------------------------------------------------------------


def test_a_rule_tightens_the_gate_once_an_incident() -> None:
    rule = a_rule(gate="review")
    engine = Engine(rule)
    changes = engine.step(T0, a_level(rule, "y", T0))
    gate = changes.gates["fraud-eu"]
    assert (gate.state, gate.generation, gate.by, gate.incident) == (
        "review",
        1,
        "rule:fraud/LowConfidence",
        engine.only.id,
    )
    assert engine.only.gate_held
    assert kinds(changes) == ["incident_opened", "gate_set"]
    engine.view.gates["fraud-eu"] = Gate("fraud-eu", "auto", 2, "all is well", T0 + 1, "kim")
    for minute in range(1, 90):
        at = T0 + minute * MINUTE
        assert engine.step(at, a_level(rule, "y", at, effect=1.5 + minute)).gates == {}, "a person has loosened it"


def test_after_a_person_loosened_it_a_higher_severity_tightens_again() -> None:
    rule = a_rule(gate="halt", severity="medium")
    engine = Engine(rule)
    engine.step(T0, a_level(rule, "y", T0))
    engine.view.gates["fraud-eu"] = Gate("fraud-eu", "auto", 2, "all is well", T0 + 1, "kim")
    engine.book = a_book(replace(rule, severity="critical"))
    changes = engine.step(T0 + HOUR, a_level(rule, "y", T0 + HOUR))
    assert changes.gates["fraud-eu"].state == "halt"
    assert engine.only.severity == "critical"


def test_a_new_incident_tightens_again() -> None:
    rule = a_rule(gate="review")
    engine = Engine(rule)
    engine.step(T0, a_level(rule, "y", T0))
    close(engine, T0 + 1)
    engine.view.gates["fraud-eu"] = Gate("fraud-eu", "auto", 2, "all is well", T0 + 1, "kim")
    engine.step(T0 + 2, a_level(rule, "n", T0 + 2))
    assert engine.step(T0 + 3, a_level(rule, "y", T0 + 3)).gates["fraud-eu"].generation == 3


def test_a_gate_that_is_strict_already_is_held_but_not_set_again() -> None:
    rule = a_rule(gate="review")
    engine = Engine(rule)
    engine.view.gates["fraud-eu"] = Gate("fraud-eu", "halt", 5, "by hand", T0, "kim")
    assert engine.step(T0, a_level(rule, "y", T0)).gates == {}
    assert engine.only.gate_held


# -- as a whole ---------------------------------------------------------------------------------------------------


def test_without_a_wait_the_page_is_owed_in_the_very_step() -> None:
    rule = a_rule()
    engine = Engine(rule)
    engine.policy = EVENTS
    changes = engine.step(T0, a_level(rule, "y", T0))
    assert [(n.reason, n.target) for n in changes.notices] == [("opened", "phone"), ("opened", "mail")]
    assert engine.step(T0 + 60, a_level(rule, "y", T0 + 60)).notices == []


def test_without_a_wait_whatever_calls_a_person_is_in_the_changes_of_its_own_step() -> None:
    """The courier is woken by the commit: nothing may wait for the desk to come round."""
    rule, shift = a_rule(), a_rule("ScoreShift", "shift")
    engine = Engine(rule, shift)
    engine.policy = EVENTS

    def reasons(changes: Changes) -> list[tuple[str, float]]:
        return [(notice.reason, notice.due_at) for notice in changes.notices if notice.target == "phone"]

    assert reasons(engine.step(T0, a_finding(shift))) == [("opened", T0)]
    assert reasons(engine.step(T0 + 1, a_level(rule, "y", T0 + 1))) == [("opened", T0 + 1)]
    at = T0 + HOUR
    assert reasons(engine.step(at, a_level(rule, "y", at, effect=9.0))) == [("worsened", at)]
    assert reasons(engine.step(at + 1, a_level(rule, "n", at + 1))) == [("recovered", at + 1)]
    at += 2 * HOUR
    assert reasons(engine.step(at, a_level(rule, "y", at))) == [("again", at)]


def test_an_incident_that_goes_away_within_its_wait_is_recorded_with_why_nobody_was_told() -> None:
    rule = a_rule()
    engine = Engine(rule)
    engine.step(T0, a_level(rule, "y", T0))
    changes = engine.step(T0 + 3, a_level(rule, "n", T0 + 3))
    entry = next(entry for entry in changes.entries if entry.kind == "no_notice")
    assert "stood open for 3 seconds, less than the 5 seconds" in entry.body["why"]
    assert changes.notices == []


def test_a_condition_that_comes_back_is_told_as_that() -> None:
    rule = a_rule()
    engine = Engine(rule)
    engine.policy = EVENTS
    engine.step(T0, a_level(rule, "y", T0))
    assert [n.reason for n in engine.step(T0 + 1, a_level(rule, "n", T0 + 1)).notices] == ["recovered"]
    changes = engine.step(T0 + HOUR, a_level(rule, "y", T0 + HOUR))
    assert {(n.reason, n.occurrence) for n in changes.notices} == {("again", 2)}


def test_the_same_step_decided_twice_names_the_same_incidents() -> None:
    rule, shift = a_rule(gate="review"), a_rule("ScoreShift", "shift")
    first, second = Engine(rule, shift), Engine(rule, shift)
    seen = (a_level(rule, "yny", T0), a_finding(shift))
    assert first.step(T0, *seen) == second.step(T0, *seen)


def test_deciding_does_not_depend_on_the_order_in_which_the_ledger_was_read() -> None:
    rule = a_rule(per_segment=True)
    one, other = Engine(rule), Engine(rule)
    for engine in (one, other):
        engine.step(T0, a_level(rule, "yyyy", T0))
    other.view.rule_states = dict(reversed(other.view.rule_states.items()))
    other.view.incidents = dict(reversed(other.view.incidents.items()))
    seen = a_level(rule, "nnnn", T0 + 60)
    assert one.step(T0 + 60, seen) == other.step(T0 + 60, seen)


def test_a_quiet_step_costs_next_to_nothing() -> None:
    rules = [a_rule(f"R{i}") for i in range(40)]
    engine = Engine(*rules)
    names = tuple(f"inputs.card=c{i}" for i in range(1000))
    quiet = [a_level(rule, "n" * 1000, T0, names) for rule in rules]
    observation = Observation(levels=quiet)
    view = View(0)
    best = min(_timed(lambda: decide(view, engine.book, POLICY, observation, 0, 1, T0)) for _ in range(20))
    assert best < 0.002, f"{best * 1e6:.0f} us for 40 quiet levels of 1,000 segments"


def test_a_step_costs_by_what_holds_and_not_by_what_there_is() -> None:
    rule = a_rule()
    engine = Engine(rule)
    level = a_level(rule, "n" * 1000, T0, tuple(f"s={i}" for i in range(1000)))
    level.holds[::100] = 1
    engine.step(T0, level)
    assert len(engine.view.rule_states) == 10
    observation = Observation(levels=[level])
    best = min(_timed(lambda: decide(engine.view, engine.book, POLICY, observation, 0, 2, T0 + 1)) for _ in range(20))
    assert best < 0.002, f"{best * 1e6:.0f} us for 10 segments that go on firing among 1,000"


def _timed(call: object) -> float:
    started = time.perf_counter()
    call()  # type: ignore[operator]
    return time.perf_counter() - started


def close(engine: Engine, at: float) -> None:
    """A person closes the only incident."""
    work = Casework(engine.view, engine.policy, engine.book, at)
    assert actions.close(work, engine.only, "kim") is None
    engine.view.absorb(work.finish())


# -- params of one model --------------------------------------------------------------------------------------------


def test_a_rule_is_decided_with_the_params_of_the_model_it_watches() -> None:
    slow, quick = a_rule(for_=10 * MINUTE), a_rule(for_=0.0)
    engine = Engine(slow)
    pack = engine.book.packs[0]
    engine.book = replace(engine.book, variants=(("fraud-eu", replace(pack, rules=(quick,))),))
    engine.step(T0, a_level(quick, "y", T0, model="fraud-eu"), a_level(slow, "y", T0, model="fraud-us"))
    assert [incident.model for incident in engine.incidents] == ["fraud-eu"]
