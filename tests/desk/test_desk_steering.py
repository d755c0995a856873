from __future__ import annotations

from typing import Any

import pytest
from deciding import DAY, HOUR, T0, a_level

from monitor.core.notices.last_look import Withheld
from monitor.runtime.desk import Conflict, Forbidden, NotFound, Refused
from monitor.runtime.desk_roles import NEEDED
from monitor.store.models import ModelSeen, model, see_models
from monitor.store.outbox import claim
from monitor.store.queries import incident

KIM, SUE, ADA = ("kim", "operator"), ("sue", "supervisor"), ("ada", "admin")
Office = Any  # of conftest


# -- overrides ----------------------------------------------------------------------------------------------------


def test_an_override_is_kept_with_its_audit_entry_and_can_be_reversed(office: Office) -> None:
    made = office.desk.override(
        "fraud-eu", "tx-1", "override", "stolen card", *SUE, answer={"label": "deny"}, note="called the bank"
    )
    assert (made["verb"], made["answer"], made["by"]) == ("override", {"label": "deny"}, "sue")
    back = office.desk.override("fraud-eu", "tx-1", "reverse", "it was not", *SUE, reverses=made["id"])
    assert back["reverses"] == made["id"]
    assert [entry["body"]["verb"] for entry in office.entries("override")] == ["override", "reverse"]


def test_an_override_that_makes_no_sense_is_refused_and_leaves_no_trace(office: Office) -> None:
    with pytest.raises(Refused, match="needs an answer"):
        office.desk.override("fraud-eu", "tx-1", "override", "because", *SUE)
    with pytest.raises(NotFound, match="no override 'o9'"):
        office.desk.override("fraud-eu", "tx-1", "reverse", "because", *SUE, reverses="o9")
    made = office.desk.override("fraud-eu", "tx-1", "not_use", "because", *SUE)
    with pytest.raises(Refused, match="about decision tx-1"):
        office.desk.override("fraud-eu", "tx-2", "reverse", "because", *SUE, reverses=made["id"])
    assert len(office.entries("override")) == 1


# -- gates --------------------------------------------------------------------------------------------------------


def test_a_person_loosens_what_a_rule_tightened_and_the_incident_lets_go(office: Office) -> None:
    id_ = office.level()
    with office.database.read() as connection:
        shown = incident(connection, id_)
    assert shown is not None and shown["gate_held"]
    gate = office.desk.gate_set("fraud-eu", "auto", "false alarm", *SUE, if_match=1)
    assert (gate["state"], gate["generation"], gate["by"]) == ("auto", 2, "sue")
    with office.database.read() as connection:
        shown = incident(connection, id_)
    assert shown is not None and not shown["gate_held"]
    assert [e["body"]["to"] for e in office.entries("gate_set")] == ["review", "auto"]
    office.clock.at += HOUR
    assert office.see(a_level(_rule(office), "y", office.clock.at, effect=9.0)).gates == {}


def test_a_gate_that_moved_on_is_a_conflict_that_shows_it(office: Office) -> None:
    office.desk.gate_set("m", "halt", "stop", *SUE, if_match=0)
    with pytest.raises(Conflict, match="changed meanwhile") as refused:
        office.desk.gate_set("m", "auto", "go", *SUE, if_match=0)
    assert (refused.value.current["state"], refused.value.current["generation"]) == ("halt", 1)
    with pytest.raises(Refused, match="needs a reason"):
        office.desk.gate_set("m", "auto", "", *SUE)


def test_setting_a_gate_to_what_it_is_changes_nothing(office: Office) -> None:
    office.desk.gate_set("m", "halt", "stop", *SUE)
    before = office.desk_seq()
    assert office.desk.gate_set("m", "halt", "stop again", *SUE)["generation"] == 1
    assert office.desk_seq() == before and len(office.entries("gate_set")) == 1


# -- silences -----------------------------------------------------------------------------------------------------


def test_a_silence_holds_pages_back_and_its_end_brings_them(office: Office) -> None:
    id_ = office.level()
    silence, matching = office.desk.silence_add([("model", "=", "fraud-eu")], T0 + HOUR, "a deploy", *KIM)
    assert matching == (id_,)
    office.clock.at += 10
    assert office.desk.deadlines(office.clock.at) == T0 + HOUR
    assert office.notices() == []
    office.clock.at += 10
    ended = office.desk.silence_expire(silence.id, *KIM)
    assert ended.ends_at == office.clock.at
    office.desk.deadlines(office.clock.at)
    assert office.notices() == [("opened", "mail"), ("opened", "phone")]
    assert [e["kind"] for e in office.entries("silence_added", "silence_expired")] == [
        "silence_added",
        "silence_expired",
    ]


def test_after_a_silence_one_message_is_owed_however_long_it_lasted(office: Office) -> None:
    office.level()
    office.desk.silence_add([("model", "=", "fraud-eu")], T0 + 9 * HOUR, "a deploy", *KIM)
    for hour in range(10):
        office.clock.at = T0 + hour * HOUR
        office.desk.deadlines(office.clock.at)
        office.desk.deadlines(office.clock.at)
    assert office.notices() == [("opened", "mail"), ("opened", "phone")]


def test_a_silence_with_a_pattern_that_cannot_be_matched_at_once_is_refused(office: Office) -> None:
    with pytest.raises(Refused, match=r"cannot be used\. `.1` is not part of"):
        office.desk.silence_add([("model", "=~", r"(a)\1")], T0 + HOUR, "a deploy", *KIM)
    silence, matching = office.desk.silence_add([("model", "=~", "(a+|fraud)+-eu")], T0 + HOUR, "a deploy", *KIM)
    assert matching == () and silence.matchers == (("model", "=~", "(a+|fraud)+-eu"),)


def test_a_silence_without_a_reason_is_refused(office: Office) -> None:
    with pytest.raises(Refused, match="needs a reason"):
        office.desk.silence_add([("model", "=", "x")], T0 + 1, "", *KIM)
    with pytest.raises(NotFound):
        office.desk.silence_expire("s9", *KIM)


# -- the bank: by marks only -------------------------------------------------------------------------------------------


def test_accepting_a_new_normal_is_a_reference_an_entry_and_a_mark(office: Office) -> None:
    made = office.desk.accept_reference("fraud-eu", "fraud/ScoreShift", "new currency", *SUE)
    assert made["version"] == 1
    (mark,) = office.wanted()
    assert (mark["kind"], mark["model"], mark["rule"]) == ("reference", "fraud-eu", "fraud/ScoreShift")
    assert mark["body"] == {"reference": made["id"], "version": 1}
    assert office.entries("reference_accepted")[0]["actor"] == "sue"
    assert office.desk.accept_reference("fraud-eu", None, "all of it", *SUE)["rule"] is None
    with pytest.raises(Refused, match="no rule 'fraud/Nope'"):
        office.desk.accept_reference("fraud-eu", "fraud/Nope", "x", *SUE)
    with pytest.raises(NotFound, match="no model 'nope'"):
        office.desk.accept_reference("nope", None, "x", *SUE)


def test_re_arming_is_a_mark_with_its_reason_on_record(office: Office) -> None:
    office.desk.rearm("fraud-eu", "fraud/ScoreShift", "after the drill", *SUE)
    assert office.wanted() == [{"kind": "rearm", "at": T0, "model": "fraud-eu", "rule": "fraud/ScoreShift"}]
    assert office.entries("rearmed")[0]["body"]["why"] == "after the drill"
    with pytest.raises(Refused, match="needs a reason"):
        office.desk.rearm("fraud-eu", None, " ", *SUE)


def test_a_persons_word_on_a_column_is_recorded_and_reaches_the_bank(office: Office) -> None:
    shown = office.desk.column_kind("fraud-eu", "inputs.amount", "category", *SUE)
    assert shown["columns"]["inputs.amount"] == "category"
    assert office.wanted()[0]["body"] == {"column": "inputs.amount", "kind": "category"}
    with pytest.raises(Refused, match="cannot be of kind 'colour'"):
        office.desk.column_kind("fraud-eu", "inputs.amount", "colour", *SUE)


def test_retiring_a_model_ends_its_watches(office: Office) -> None:
    office.level()
    shown = office.desk.retire_model("fraud-eu", "replaced", *ADA)
    assert shown["retired_at"] is not None
    (incident,) = office.incidents()
    assert incident["state"] == "open", "a person closes it"
    assert office.entries("incident_orphaned")[0]["body"]["why"].startswith("The model fraud-eu was retired by ada")
    assert office.wanted() == [{"kind": "retire", "at": T0, "model": "fraud-eu", "body": {"until": T0}}]
    assert office.see(a_level(_rule(office), "n", T0 + 1)) == office.see(), "its states are gone"


# -- roles and deadlines ----------------------------------------------------------------------------------------------


def test_a_retired_model_that_sends_again_is_watched_again_and_its_incident_goes_on(office: Office) -> None:
    id_ = office.level()
    office.desk.retire_model("fraud-eu", "replaced", *ADA)
    office.clock.at += HOUR
    with office.database.write(office.clock.at) as tx:
        see_models(tx, [ModelSeen("fraud-eu", office.clock.at, office.clock.at, 1)])
    assert office.level() == id_, "the model is back, and so is what was wrong with it"
    with office.database.read() as connection:
        shown = incident(connection, id_)
        assert shown is not None and shown["orphaned"] is None
        assert model(connection, "fraud-eu")["retired_at"] is None
    assert [e["kind"] for e in office.entries("model_retired", "model_returned")] == ["model_retired", "model_returned"]


# -- who was told ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["recovered", "acknowledged", "closed"])
def test_what_became_of_it_is_owed_only_to_whom_a_call_reached_or_may_reach(office: Office, what: str) -> None:
    id_ = office.level()
    office.clock.at += 5
    office.desk.deadlines(office.clock.at)
    cancelled = claim(office.database, office.clock.at, "c", 30.0, lambda *_: Withheld("no"), skip=["mail"])
    assert cancelled is None and office.notices() == [("opened", "mail"), ("opened", "phone")]
    if what == "recovered":
        office.level("n")
    elif what == "acknowledged":
        office.desk.acknowledge(id_, *KIM)
    else:
        office.desk.close(id_, *KIM)
    office.desk.deadlines(office.clock.at)
    assert office.notices() == [("opened", "mail"), ("opened", "phone")], "phone got nothing, mail wants no news"


def test_each_action_takes_its_role(office: Office) -> None:
    desk = office.desk
    acts = {
        "override": lambda r: desk.override("fraud-eu", "t", "not_use", "x", "vic", r),
        "set a gate": lambda r: desk.gate_set("fraud-eu", "halt", "x", "vic", r),
        "add a silence": lambda r: desk.silence_add([("model", "=", "x")], T0 + 1, "x", "vic", r),
        "accept a new normal": lambda r: desk.accept_reference("fraud-eu", None, "x", "vic", r),
        "re-arm detectors": lambda r: desk.rearm("fraud-eu", None, "x", "vic", r),
        "set the kind of a column": lambda r: desk.column_kind("fraud-eu", "inputs.amount", "text", "vic", r),
        "retire a model": lambda r: desk.retire_model("fraud-eu", "x", "vic", r),
    }
    roles = ["viewer", "operator", "supervisor", "admin"]
    for action, act in acts.items():
        for role in roles:
            if roles.index(role) < roles.index(NEEDED[action]):  # type: ignore[index]
                with pytest.raises(Forbidden):
                    act(role)
            else:
                act(role)


def test_deadlines_write_nothing_when_nothing_is_due_and_say_when_to_come_again(office: Office) -> None:
    assert office.desk.deadlines(T0) is None
    office.level()
    before = office.desk_seq()
    assert office.desk.deadlines(T0 + 1) == T0 + 5
    assert office.desk_seq() == before and office.told == 0
    assert office.desk.deadlines(T0 + 5) == T0 + 5 + 4 * HOUR
    assert office.desk_seq() == before + 1 and office.told == 1
    assert office.desk.deadlines(T0 + 6) == T0 + 5 + 4 * HOUR
    assert office.desk_seq() == before + 1


def test_repeats_go_on_until_somebody_has_it(office: Office) -> None:
    id_ = office.level()
    for hour in range(13):
        office.clock.at = T0 + hour * HOUR + 5
        office.desk.deadlines(office.clock.at)
    assert [n for n in office.notices() if n[1] == "phone"] == [("opened", "phone")] + [("repeat", "phone")] * 3
    office.desk.acknowledge(id_, *KIM, for_=2 * DAY)
    office.clock.at += DAY
    office.desk.deadlines(office.clock.at)
    assert [n for n in office.notices() if n[1] == "phone"].count(("repeat", "phone")) == 3


def _rule(office: Office) -> Any:
    return office.book.packs[0].rules[0]
