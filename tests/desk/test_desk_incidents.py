from __future__ import annotations

import threading
from typing import Any

import pytest
from deciding import DAY, HOUR, T0

from monitor.runtime.desk import Conflict, Forbidden, NotFound, Refused

KIM, LEE, SUE = ("kim", "operator"), ("lee", "operator"), ("sue", "supervisor")
Office = Any  # of conftest


def test_an_acknowledgement_is_in_the_ledger_and_in_the_audit_log_at_once(office: Office) -> None:
    id_ = office.level()
    office.clock.at += 60
    before = office.desk_seq()
    shown = office.desk.acknowledge(id_, *KIM, note="on it")
    assert (shown["state"], shown["acknowledged_by"], shown["owner"]) == ("acknowledged", "kim", "kim")
    assert shown["acknowledged_at"] == "2027-01-15T08:01:00Z"
    assert shown["notes"] == [{"at": "2027-01-15T08:01:00Z", "author": "kim", "text": "on it"}]
    (entry,) = office.entries("acknowledged")
    assert (entry["actor"], entry["body"]["incident"], entry["body"]["state"]) == ("kim", id_, "acknowledged")
    assert len(office.entries("note")) == 1
    assert office.desk_seq() == before + 1
    assert office.told == 1


def test_the_incident_comes_back_from_the_ledger_as_it_was_written(office: Office) -> None:
    id_ = office.level()
    office.desk.acknowledge(id_, *KIM, for_=HOUR)
    office.clock.at += HOUR
    office.desk.deadlines(office.clock.at)
    (incident,) = office.incidents()
    assert incident["state"] == "open"
    assert ("expired", "phone") in office.notices()


def test_acknowledging_a_hot_incident_is_never_refused(office: Office) -> None:
    id_ = office.level()
    seen = office.incidents()[0]["revision"]
    for minute in range(1, 6):
        office.clock.at = T0 + 60.0 * minute
        office.level(effect=1.5 + minute / 10)
    assert len(office.incidents()[0]["evidence"]) == 6
    assert office.desk.acknowledge(id_, *KIM, revision=seen)["state"] == "acknowledged"


def test_acting_on_what_has_changed_is_a_conflict_that_shows_what_it_is_now(office: Office) -> None:
    id_ = office.level()
    office.desk.acknowledge(id_, *KIM, revision=1)
    with pytest.raises(Conflict, match="you saw revision 1, it is at 2 now") as refused:
        office.desk.close(id_, *LEE, revision=1)
    assert refused.value.current["acknowledged_by"] == "kim"
    assert office.incidents()[0]["state"] == "acknowledged"
    again = office.desk.acknowledge(id_, *KIM, revision=1)  # the answer was lost; asking again is no conflict
    assert (again["state"], again["revision"]) == ("acknowledged", 2)
    with pytest.raises(Conflict):
        office.desk.acknowledge(id_, *LEE, revision=1)


def test_two_operators_at_once_leave_one_acknowledgement(office: Office) -> None:
    id_ = office.level()
    outcomes: list[str] = []

    def act(who: tuple[str, str]) -> None:
        try:
            outcomes.append(office.desk.acknowledge(id_, *who, revision=1)["acknowledged_by"])
        except Conflict as conflict:
            outcomes.append(f"conflict with {conflict.current['acknowledged_by']}")

    threads = [threading.Thread(target=act, args=(who,)) for who in (KIM, LEE)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    winner = office.incidents()[0]["acknowledged_by"]
    assert sorted(outcomes) == sorted([winner, f"conflict with {winner}"])


def test_taking_over_makes_another_the_owner(office: Office) -> None:
    id_ = office.level()
    office.desk.acknowledge(id_, *KIM)
    assert office.desk.acknowledge(id_, *LEE)["owner"] == "kim"
    taken = office.desk.acknowledge(id_, *LEE, take=True)
    assert (taken["owner"], taken["acknowledged_by"]) == ("lee", "lee")


def test_release_assign_verdict_close_and_reopen_go_the_same_way(office: Office) -> None:
    id_ = office.level()
    office.desk.acknowledge(id_, *KIM)
    assert office.desk.release(id_, *KIM)["state"] == "open"
    assert office.desk.assign(id_, *KIM, owner="risk-oncall")["owner"] == "risk-oncall"
    assert office.desk.verdict(id_, *KIM, verdict="real")["verdict"] == "real"
    closed = office.desk.close(id_, *KIM, note="fixed upstream")
    assert (closed["state"], closed["closed_by"], closed["verdict"]) == ("closed", "kim", "real")
    assert office.desk.reopen(id_, *LEE)["state"] == "open"
    kinds = ("released", "assigned", "verdict", "incident_closed", "reopened")
    assert [entry["kind"] for entry in office.entries(*kinds)] == list(kinds)


def test_an_incident_closed_long_ago_can_still_be_noted_and_reopened(office: Office) -> None:
    id_ = office.level()
    office.desk.close(id_, *KIM)
    office.level("n")
    office.clock.at += 40 * DAY
    assert office.desk.note(id_, *LEE, note="happened again in the spring")["notes"]
    assert office.desk.verdict(id_, *LEE, verdict="expected")["verdict"] == "expected"
    assert office.notices() == []
    assert office.desk.reopen(id_, *LEE)["state"] == "open"
    assert ("reopened", "phone") in office.notices()


def test_reopening_where_work_goes_on_elsewhere_is_refused_with_a_link(office: Office) -> None:
    first = office.level()
    office.desk.close(first, *KIM)
    office.level("n")
    office.clock.at += 60
    second = office.level("y")
    assert second != first
    with pytest.raises(Refused, match=rf"newer incident, {second}.*https://overloop.example/incidents/{second}"):
        office.desk.reopen(first, *KIM)


def test_closing_a_latched_incident_takes_a_supervisor_and_arms_its_detectors_again(office: Office) -> None:
    id_ = office.shift()
    with pytest.raises(Forbidden, match=r"kim has the role operator .* takes the role supervisor"):
        office.desk.close(id_, *KIM)
    office.desk.close(id_, *SUE, verdict="expected")
    mark = {"kind": "rearm", "at": T0, "model": "fraud-eu", "rule": "fraud/ScoreShift"}
    assert office.wanted() == [{**mark, "body": {"historical": False}}]
    assert office.entries("rearmed")[0]["actor"] == "sue"


def test_a_level_closed_while_it_fires_keeps_quiet_in_the_ledger_too(office: Office) -> None:
    id_ = office.level()
    office.desk.close(id_, *KIM)
    office.clock.at += 60
    assert not office.see(*[]), "nothing seen, nothing changed"
    assert office.level("y") == id_ and len(office.incidents()) == 1
    office.level("n")
    assert office.level("y") != id_


@pytest.mark.parametrize("role", ["viewer", "ingest", "nobody"])
def test_whoever_may_only_look_may_not_act(office: Office, role: str) -> None:
    id_ = office.level()
    desk = office.desk
    acts = [
        lambda: desk.acknowledge(id_, "vic", role),
        lambda: desk.release(id_, "vic", role),
        lambda: desk.note(id_, "vic", role, note="x"),
        lambda: desk.assign(id_, "vic", role, owner="vic"),
        lambda: desk.close(id_, "vic", role),
        lambda: desk.reopen(id_, "vic", role),
        lambda: desk.verdict(id_, "vic", role, verdict="real"),
    ]
    for act in acts:
        with pytest.raises(Forbidden, match="vic has the role"):
            act()
    assert office.incidents()[0]["revision"] == 1
    assert office.told == 0


def test_what_is_not_there_is_not_found(office: Office) -> None:
    with pytest.raises(NotFound, match="There is no incident 'x'"):
        office.desk.acknowledge("x", *KIM)


def test_a_refusal_changes_nothing_not_even_the_note_that_came_with_it(office: Office) -> None:
    id_ = office.level()
    before = office.desk_seq()
    with pytest.raises(Refused, match="verdict is one of"):
        office.desk.close(id_, *KIM, verdict="maybe", note="hm")
    with pytest.raises(Refused, match="1 to 4000 characters"):
        office.desk.acknowledge(id_, *KIM, note=" ")
    assert office.incidents()[0]["state"] == "open"
    assert office.entries("note", "incident_closed", "acknowledged") == []
    assert office.desk_seq() == before and office.told == 0


def test_word_of_an_acknowledgement_is_owed_to_those_who_were_called(office: Office) -> None:
    id_ = office.level()
    office.clock.at += 5
    office.desk.deadlines(office.clock.at)
    office.desk.acknowledge(id_, *KIM)
    assert office.notices() == [("acknowledged", "phone"), ("opened", "mail"), ("opened", "phone")]
