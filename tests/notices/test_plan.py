from __future__ import annotations

from typing import Any

import pytest
from deciding import DAY, HOUR, MINUTE, POLICY, T0, an_incident

from monitor.core.changes import Silence
from monitor.core.incidents.model import Incident
from monitor.core.notices.model import Notice, Policy, Receiver, Route
from monitor.core.notices.plan import (
    Withheld,
    notice_key,
    owed,
    recorded_notice,
    still_owed,
    told,
    why_untold,
)

HELD = {"state": "acknowledged", "acknowledged_by": "kim", "acknowledged_at": T0 + 60, "seen": True}


def due(incident: Incident, at: float, recorded: set[str] | None = None, **given: Any) -> list[tuple[str, str]]:
    found = owed(incident, given.get("policy", POLICY), given.get("silences", ()), at, recorded or set())
    return [(notice.reason, notice.target) for notice in found.notices]


def keys(incident: Incident, at: float, recorded: set[str] | None = None, policy: Policy = POLICY) -> set[str]:
    return {notice.key for notice in owed(incident, policy, (), at, recorded or set()).notices}


def a_silence(ends_at: float, starts_at: float = T0) -> Silence:
    return Silence("s", (("model", "=", "fraud-eu"),), starts_at, ends_at, "kim", "a deploy")


PAGED = keys(an_incident(), T0 + 5)


def test_a_page_is_owed_to_every_receiver_once_the_wait_is_over() -> None:
    assert due(an_incident(), T0 + 4.9) == []
    assert owed(an_incident(), POLICY, (), T0).next_at == T0 + 5
    assert due(an_incident(), T0 + 5) == [("opened", "phone"), ("opened", "mail")]


def test_what_was_recorded_is_never_owed_again() -> None:
    assert due(an_incident(), T0 + 60, PAGED) == []
    first = next(iter(PAGED))
    assert len(due(an_incident(), T0 + 60, {first})) == 1


def test_shadow_and_history_owe_nothing_ever() -> None:
    for incident in (an_incident(stage="shadow"), an_incident(historical=True)):
        assert owed(incident, POLICY, (), T0 + DAY).notices == ()
        assert owed(incident, POLICY, (), T0 + DAY).next_at is None


def test_an_open_incident_is_told_again_every_interval_and_only_the_newest_time() -> None:
    at = T0 + 9 * HOUR  # two intervals of four hours
    assert due(an_incident(), at, PAGED) == [("repeat", "phone"), ("repeat", "mail")]
    recorded = PAGED | keys(an_incident(), at, PAGED)
    assert due(an_incident(), at, recorded) == []
    assert owed(an_incident(), POLICY, (), at, recorded).next_at == T0 + 12 * HOUR
    assert due(an_incident(), T0 + 12 * HOUR, recorded) == [("repeat", "phone"), ("repeat", "mail")]


def test_nobody_is_told_again_of_what_somebody_has() -> None:
    held = an_incident(**HELD, changed_at=T0 + 60)
    assert due(held, T0 + DAY, PAGED) == [("acknowledged", "phone")]


def test_a_second_occurrence_is_told_anew() -> None:
    again = an_incident(occurrence=2, opening="again", changed_at=T0 + HOUR)
    assert due(again, T0 + HOUR, PAGED) == []
    assert due(again, T0 + HOUR + 5, PAGED) == [("again", "phone"), ("again", "mail")]


@pytest.mark.parametrize("opening", ["expired", "worsened", "reopened"])
def test_what_a_person_or_a_severity_brought_about_waits_for_nothing(opening: str) -> None:
    incident = an_incident(occurrence=2, opening=opening, changed_at=T0 + HOUR)
    assert due(incident, T0 + HOUR, PAGED) == [(opening, "phone"), (opening, "mail")]


def test_word_that_it_is_over_goes_only_to_those_who_were_called_and_want_it() -> None:
    over = an_incident(state="recovered", cleared_at=T0 + 60, changed_at=T0 + 60)
    assert due(over, T0 + 60, PAGED) == [("recovered", "phone")]  # mail says send_resolved = false
    assert due(over, T0 + 60, set()) == []
    only_mail = {key for key in PAGED if key.endswith("/mail")}
    assert due(over, T0 + 60, only_mail) == []


def test_a_closing_is_told_when_somebody_was_involved_in_it() -> None:
    closed = {"state": "closed", "closed_at": T0 + 60, "changed_at": T0 + 60}
    assert due(an_incident(**closed, closed_by="kim"), T0 + 60, PAGED) == [("closed", "phone")]
    assert due(an_incident(**closed, closed_by="machine", seen=True), T0 + 60, PAGED) == [("closed", "phone")]
    assert due(an_incident(**closed, closed_by="machine"), T0 + 60, PAGED) == []  # nobody looked: "recovered" was told


def test_a_worsening_is_told_each_time_to_all_or_to_the_owner() -> None:
    once = an_incident(worsened_at=T0 + 31 * MINUTE)
    first = keys(once, T0 + 31 * MINUTE, PAGED)
    assert {recorded_notice(key).reason for key in first} == {"worsened"}
    twice = an_incident(worsened_at=T0 + 62 * MINUTE)
    assert len(keys(twice, T0 + 62 * MINUTE, PAGED | first)) == 2
    own = Policy(POLICY.receivers, (Route(("phone",)), Route(("mail",), {"owner": "kim"})), group_wait=5.0)
    held = an_incident(**HELD, changed_at=T0 + 60, owner="kim", worsened_at=T0 + HOUR)
    told_kim = [(n.reason, n.target) for n in owed(held, own, (), T0 + HOUR, PAGED).notices]
    assert told_kim == [("acknowledged", "phone"), ("worsened", "mail")]


def test_a_watch_that_ended_is_told_once() -> None:
    incident = an_incident(orphaned="The rule is gone.")
    assert due(incident, T0 + 60, PAGED) == [("watch_ended", "phone"), ("watch_ended", "mail")]
    assert due(incident, T0 + 60, PAGED | keys(incident, T0 + 60, PAGED)) == []


# -- silences: they delay, they swallow nothing -----------------------------------------------------------------------


def test_a_silence_delays_a_page_to_its_end() -> None:
    silence = a_silence(T0 + HOUR)
    held = owed(an_incident(), POLICY, [silence], T0 + 60)
    assert held.notices == () and held.next_at == T0 + HOUR
    assert due(an_incident(), T0 + HOUR, silences=[silence]) == [("opened", "phone"), ("opened", "mail")]


def test_after_a_long_silence_the_page_and_the_newest_repeat_are_owed() -> None:
    silence = a_silence(T0 + 9 * HOUR)
    found = owed(an_incident(), POLICY, [silence], T0 + 9 * HOUR).notices
    assert [(n.reason, n.repeat) for n in found if n.target == "phone"] == [("opened", 0), ("repeat", 2)]


def test_what_went_away_under_a_silence_is_owed_to_nobody() -> None:
    over = an_incident(state="recovered", cleared_at=T0 + 60, changed_at=T0 + 60)
    assert due(over, T0 + HOUR, silences=[a_silence(T0 + 2 * HOUR)]) == []
    assert due(over, T0 + 2 * HOUR) == []


# -- the courier's last look ------------------------------------------------------------------------------------------


def a_notice(reason: str, incident: Incident, repeat: int = 0) -> Notice:
    return recorded_notice(notice_key(incident.id, reason, incident.occurrence, repeat, "phone"))


@pytest.mark.parametrize(
    ("reason", "holds"),
    [
        ("opened", {"open", "recovered"}),
        ("again", {"open", "recovered"}),
        ("repeat", {"open"}),
        ("acknowledged", {"acknowledged"}),
        ("recovered", {"recovered"}),
        ("closed", {"closed"}),
    ],
)
def test_a_notice_whose_reason_no_longer_holds_is_withheld_for_good(reason: str, holds: set[str]) -> None:
    for state in ("open", "acknowledged", "recovered", "closed"):
        incident = an_incident(state=state)
        found = still_owed(a_notice(reason, incident), incident, (), T0)
        assert (found is None) is (state in holds), state
        assert found is None or (found.until is None and state in found.reason)


def test_a_notice_of_an_earlier_occurrence_is_withheld_for_good() -> None:
    notice = a_notice("opened", an_incident())
    found = still_owed(notice, an_incident(occurrence=2), (), T0)
    assert found is not None and found.until is None and "opened again" in found.reason


def test_a_silence_withholds_a_notice_only_until_its_end() -> None:
    incident = an_incident()
    found = still_owed(a_notice("opened", incident), incident, [a_silence(T0 + HOUR)], T0 + 60)
    assert found == Withheld("kim has silenced it until 2027-01-15 09:00:00 UTC: a deploy", T0 + HOUR)
    assert still_owed(a_notice("opened", incident), incident, [a_silence(T0 + HOUR)], T0 + HOUR) is None


def test_a_test_message_is_always_owed() -> None:
    incident = an_incident(state="closed")
    assert still_owed(a_notice("test", incident), incident, [a_silence(T0 + HOUR)], T0) is None


def test_a_worsening_told_to_the_owner_holds_until_the_next() -> None:
    held = an_incident(**HELD, worsened_at=T0 + HOUR)
    assert still_owed(a_notice("worsened", held, 60), held, (), T0 + HOUR) is None
    assert still_owed(a_notice("worsened", held, 20), held, (), T0 + HOUR) is not None


def test_a_key_names_its_notice_even_with_slashes_in_the_target() -> None:
    key = notice_key("i", "repeat", 3, 7, "a/b/c")
    notice = recorded_notice(key)
    assert (notice.incident, notice.reason, notice.occurrence, notice.repeat, notice.target) == (
        *("i", "repeat", 3, 7),
        "a/b/c",
    )
    assert told([key]) == {"a/b/c"} and told([key], 2) == set()


# -- why nobody was told ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("policy", "silences", "at", "says"),
    [
        (Policy(), [], T0 + 2, "No receiver is set up"),
        (Policy((Receiver("x"),), (Route(("x",), min_severity="critical"),)), [], T0 + 2, "No route leads"),
        (POLICY, [a_silence(T0 + HOUR)], T0 + 60, "silenced by kim: a deploy"),
        (POLICY, [], T0 + 2, "stood open for 2 seconds, less than the 5 seconds"),
        (POLICY, [], T0 + 600, "before the desk had come round"),
    ],
)
def test_why_nobody_was_told_is_a_sentence(policy: Policy, silences: list[Silence], at: float, says: str) -> None:
    assert says in why_untold(an_incident(), policy, silences, at)
