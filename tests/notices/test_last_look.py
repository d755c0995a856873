"""The courier's last look: what is sent, what is put off, and what is not sent any more."""

from __future__ import annotations

from typing import Any

import pytest
from deciding import HOUR, T0, an_incident

from monitor.core.changes import Silence
from monitor.core.incidents.model import Incident
from monitor.core.notices.keys import notice_key
from monitor.core.notices.last_look import Withheld, still_owed
from monitor.core.notices.model import Kept, Notice, NoticeState

HELD = {"state": "acknowledged", "acknowledged_by": "kim", "acknowledged_at": T0 + 60, "seen": True}


def a_silence(ends_at: float) -> Silence:
    return Silence("s", (("model", "=", "fraud-eu"),), T0, ends_at, "kim", "a deploy")


def a_notice(reason: Any, incident: Incident, repeat: int = 0, at: float = T0) -> Notice:
    key = notice_key(incident.id, reason, incident.occurrence, repeat, "phone")
    return Notice(key, incident.id, "phone", reason, incident.occurrence, repeat, at, at)


def a_call(state: NoticeState, reason: str = "opened", occurrence: int = 1, at: float = T0, due_at: float = T0) -> Kept:
    key = notice_key(an_incident().id, reason, occurrence, 0, "phone")
    return Kept(Notice(key, an_incident().id, "phone", reason, occurrence, 0, at, due_at), state)  # type: ignore[arg-type]


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
        found = still_owed(a_notice(reason, incident), incident, (), T0, [a_call("delivered")])
        assert (found is None) is (state in holds), state
        assert found is None or (found.until is None and state in found.reason)


@pytest.mark.parametrize("state", ["pending", "sending", "retry", "delivered", "unknown"])
def test_a_call_is_withheld_for_good_once_a_newer_one_is_on_record(state: NoticeState) -> None:
    back = an_incident(occurrence=2)
    found = still_owed(a_notice("opened", an_incident()), back, (), T0, [a_call(state, "again", 2)])
    assert found is not None and found.until is None and "opened again" in found.reason


def test_a_call_stays_owed_when_it_went_away_and_came_back_and_no_newer_one_says_so_yet() -> None:
    older = a_notice("opened", an_incident())
    for state in ("open", "recovered"):
        assert still_owed(older, an_incident(occurrence=7, state=state), (), T0) is None
        gone = [a_call("cancelled", "again", 3), a_call("dead", "again", 4)]
        assert still_owed(older, an_incident(occurrence=7, state=state), (), T0, gone) is None
    assert still_owed(older, an_incident(occurrence=7, **HELD), (), T0) is not None


def test_a_silence_withholds_a_notice_only_until_its_end() -> None:
    incident = an_incident()
    found = still_owed(a_notice("opened", incident), incident, [a_silence(T0 + HOUR)], T0 + 60)
    assert found == Withheld("kim has silenced it until 2027-01-15 09:00:00 UTC: a deploy", T0 + HOUR, silenced=True)
    assert still_owed(a_notice("opened", incident), incident, [a_silence(T0 + HOUR)], T0 + HOUR) is None


def test_a_test_message_is_always_owed() -> None:
    incident = an_incident(state="closed")
    assert still_owed(a_notice("test", incident), incident, [a_silence(T0 + HOUR)], T0) is None


def test_a_worsening_told_to_the_owner_holds_until_the_next() -> None:
    held = an_incident(**HELD, worsened_at=T0 + HOUR)
    assert still_owed(a_notice("worsened", held, 60), held, (), T0 + HOUR) is None
    assert still_owed(a_notice("worsened", held, 20), held, (), T0 + HOUR) is not None


# -- first the call, then the rest -------------------------------------------------------------------------------------

NEWS = [
    ("recovered", {"state": "recovered"}),
    ("acknowledged", HELD),
    ("closed", {"state": "closed", "closed_by": "kim"}),
]


@pytest.mark.parametrize(("reason", "given"), NEWS)
def test_what_became_of_it_is_not_told_to_whom_no_call_reached(reason: str, given: dict[str, Any]) -> None:
    incident = an_incident(**given)
    for calls in ([], [a_call("cancelled"), a_call("dead", "repeat")]):
        found = still_owed(a_notice(reason, incident), incident, (), T0, calls)
        assert found == Withheld("no call about the incident reached this receiver")
    for state in ("delivered", "unknown"):
        assert still_owed(a_notice(reason, incident), incident, (), T0, [a_call("dead"), a_call(state)]) is None


@pytest.mark.parametrize(("reason", "given"), NEWS)
def test_what_became_of_it_waits_for_a_call_that_is_still_on_its_way(reason: str, given: dict[str, Any]) -> None:
    incident = an_incident(**given)
    waiting = [a_call("retry", due_at=T0 + 40), a_call("dead", "repeat")]
    found = still_owed(a_notice(reason, incident), incident, (), T0, waiting)
    assert found is not None and found.until == T0 + 45 and not found.silenced


def test_nobody_is_reminded_of_a_message_that_has_not_arrived() -> None:
    incident = an_incident()
    reminder = a_notice("repeat", incident, 1, T0 + 4 * HOUR)
    found = still_owed(reminder, incident, (), T0 + 4 * HOUR, [a_call("retry")])
    assert found is not None and found.until is None
    for state in ("delivered", "unknown", "cancelled"):
        assert still_owed(reminder, incident, (), T0 + 4 * HOUR, [a_call(state)]) is None
    assert still_owed(a_notice("opened", incident), incident, (), T0, [a_call("pending", "repeat", at=T0 + 9)]) is None
