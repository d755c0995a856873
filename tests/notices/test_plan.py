from __future__ import annotations

from typing import Any

import pytest
from deciding import DAY, HOUR, MINUTE, POLICY, T0, an_incident

from monitor.core.changes import Silence
from monitor.core.incidents.model import Incident
from monitor.core.notices.heard import told
from monitor.core.notices.keys import notice_key, recorded_notice
from monitor.core.notices.model import OnRecord, Policy, Receiver, Route
from monitor.core.notices.plan import owed
from monitor.core.notices.untold import why_untold

Record = dict[str, OnRecord]
HELD = {"state": "acknowledged", "acknowledged_by": "kim", "acknowledged_at": T0 + 60, "seen": True}


def due(incident: Incident, at: float, recorded: Record | None = None, **given: Any) -> list[tuple[str, str]]:
    found = owed(incident, given.get("policy", POLICY), given.get("silences", ()), at, recorded or {})
    return [(notice.reason, notice.target) for notice in found.notices]


def told_at(incident: Incident, at: float, recorded: Record | None = None, policy: Policy = POLICY) -> Record:
    """What is on record once that which is owed at `at` has been decided."""
    before = recorded or {}
    return before | {notice.key: OnRecord(at) for notice in owed(incident, policy, (), at, before).notices}


def voided(recorded: Record, *targets: str) -> Record:
    """The same record after what it holds for `targets` was cancelled."""
    return {k: OnRecord(v.at, v.void or k.endswith(targets)) for k, v in recorded.items()}


def a_silence(ends_at: float, starts_at: float = T0) -> Silence:
    return Silence("s", (("model", "=", "fraud-eu"),), starts_at, ends_at, "kim", "a deploy")


PAGED = told_at(an_incident(), T0 + 5)


def test_a_page_is_owed_to_every_receiver_once_the_wait_is_over() -> None:
    assert due(an_incident(), T0 + 4.9) == []
    assert owed(an_incident(), POLICY, (), T0).next_at == T0 + 5
    assert due(an_incident(), T0 + 5) == [("opened", "phone"), ("opened", "mail")]


def test_what_was_recorded_is_never_owed_again() -> None:
    assert due(an_incident(), T0 + 60, PAGED) == []
    first = next(iter(PAGED))
    assert len(due(an_incident(), T0 + 60, {first: PAGED[first]})) == 1


def test_shadow_and_history_owe_nothing_ever() -> None:
    for incident in (an_incident(stage="shadow"), an_incident(historical=True)):
        assert owed(incident, POLICY, (), T0 + DAY).notices == ()
        assert owed(incident, POLICY, (), T0 + DAY).next_at is None


def test_an_open_incident_is_told_again_every_interval_and_only_the_newest_time() -> None:
    at = T0 + 9 * HOUR  # two intervals of four hours
    assert owed(an_incident(), POLICY, (), T0 + 60, PAGED).next_at == T0 + 5 + 4 * HOUR
    assert due(an_incident(), at, PAGED) == [("repeat", "phone"), ("repeat", "mail")]
    recorded = told_at(an_incident(), at, PAGED)
    assert due(an_incident(), at, recorded) == []
    assert owed(an_incident(), POLICY, (), at, recorded).next_at == at + 4 * HOUR, "counted from the last message"
    assert due(an_incident(), at + 4 * HOUR, recorded) == [("repeat", "phone"), ("repeat", "mail")]


def test_without_an_interval_nothing_is_told_again() -> None:
    once = Policy(POLICY.receivers, repeat_interval=0.0)
    found = owed(an_incident(), once, (), T0 + 30 * DAY, PAGED)
    assert (found.notices, found.next_at) == ((), None)


def test_nobody_is_told_again_of_what_somebody_has() -> None:
    held = an_incident(**HELD, changed_at=T0 + 60)
    assert due(held, T0 + DAY, PAGED) == [("acknowledged", "phone")]


def test_a_second_occurrence_is_told_anew_and_waits_anew() -> None:
    again = an_incident(occurrence=2, opening="again", changed_at=T0 + HOUR)
    assert due(again, T0 + HOUR, PAGED) == []
    assert due(again, T0 + HOUR + 5, PAGED) == [("again", "phone"), ("again", "mail")]


# -- what goes away and comes back all the time ------------------------------------------------------------------------


def test_what_comes_back_before_anybody_was_told_waits_no_longer_than_the_first_time_had_to() -> None:
    back = an_incident(occurrence=2, opening="flapping", changed_at=T0 + 4)
    assert owed(back, POLICY, (), T0 + 4).next_at == T0 + 5
    assert due(back, T0 + 5) == [("again", "phone"), ("again", "mail")]
    later = an_incident(occurrence=9, opening="flapping", changed_at=T0 + HOUR)
    assert due(later, T0 + HOUR) == [("again", "phone"), ("again", "mail")]


def test_what_comes_back_long_after_it_went_away_waits_as_if_it_were_new() -> None:
    back = an_incident(occurrence=2, opening="again", changed_at=T0 + HOUR)
    assert due(back, T0 + HOUR) == []
    assert due(back, T0 + HOUR + 5) == [("again", "phone"), ("again", "mail")]


def test_whoever_was_told_that_it_fired_is_told_of_its_coming_back_at_most_every_five_minutes() -> None:
    back = an_incident(occurrence=2, opening="flapping", changed_at=T0 + 20)
    assert owed(back, POLICY, (), T0 + 20, PAGED).next_at == T0 + 305
    assert due(back, T0 + 305, PAGED) == [("again", "phone"), ("again", "mail")]
    only_phone = {key: kept for key, kept in PAGED.items() if key.endswith("/phone")}
    assert due(back, T0 + 25, only_phone) == [("again", "mail")], "who was not told waits for nobody"


def test_that_it_went_away_is_told_only_to_whom_it_stands_open() -> None:
    over = an_incident(state="recovered", cleared_at=T0 + 10, changed_at=T0 + 10)
    recorded = told_at(over, T0 + 10, PAGED)
    assert len(recorded) == len(PAGED) + 1
    again = an_incident(state="recovered", occurrence=7, cleared_at=T0 + 200, changed_at=T0 + 200)
    assert due(again, T0 + 200, recorded) == [], "the last it heard is still so"
    opened = an_incident(occurrence=8, opening="flapping", changed_at=T0 + 300)
    recorded = told_at(opened, T0 + 305, recorded)
    ended = an_incident(state="recovered", occurrence=9, cleared_at=T0 + 400, changed_at=T0 + 400)
    assert due(ended, T0 + 400, recorded) == [("recovered", "phone")]


@pytest.mark.parametrize("opening", ["expired", "worsened", "reopened"])
def test_what_people_or_a_severity_brought_about_is_told_whatever_was_told_before(opening: str) -> None:
    incident = an_incident(occurrence=2, opening=opening, changed_at=T0 + 20)
    assert due(incident, T0 + 20, PAGED) == [(opening, "phone"), (opening, "mail")]


# -- messages that nobody got ------------------------------------------------------------------------------------------


def test_what_became_of_it_is_told_to_nobody_whose_call_was_cancelled() -> None:
    gone = voided(PAGED, "phone")
    over = {"changed_at": T0 + 60}
    assert due(an_incident(state="recovered", cleared_at=T0 + 60, **over), T0 + 60, gone) == []
    assert due(an_incident(**HELD, **over), T0 + 60, gone) == []
    closed = an_incident(state="closed", closed_by="kim", closed_at=T0 + 60, **over)
    assert due(closed, T0 + 60, gone) == []
    assert due(closed, T0 + 60, PAGED) == [("closed", "phone")]


def test_a_call_that_nobody_got_does_not_put_off_the_next_one() -> None:
    back = an_incident(occurrence=2, opening="flapping", changed_at=T0 + 20)
    assert due(back, T0 + 20, voided(PAGED, "phone", "mail")) == [("again", "phone"), ("again", "mail")]


def test_a_call_that_was_given_up_is_repeated_after_the_interval() -> None:
    given_up = voided(PAGED, "phone", "mail")
    assert due(an_incident(), T0 + HOUR, given_up) == []
    assert due(an_incident(), T0 + 5 + 4 * HOUR, given_up) == [("repeat", "phone"), ("repeat", "mail")]


def test_word_that_it_went_away_is_sent_again_if_it_was_cancelled_and_it_went_away_again() -> None:
    over = an_incident(state="recovered", cleared_at=T0 + 60, changed_at=T0 + 60)
    recorded = told_at(over, T0 + 60, PAGED)
    (word,) = set(recorded) - set(PAGED)
    again = an_incident(state="recovered", occurrence=2, cleared_at=T0 + 90, changed_at=T0 + 90)
    assert due(again, T0 + 90, recorded) == []
    assert due(again, T0 + 90, recorded | {word: OnRecord(T0 + 60, void=True)}) == [("recovered", "phone")]


def test_word_that_it_is_over_goes_only_to_those_who_were_called_and_want_it() -> None:
    over = an_incident(state="recovered", cleared_at=T0 + 60, changed_at=T0 + 60)
    assert due(over, T0 + 60, PAGED) == [("recovered", "phone")]  # mail says send_resolved = false
    assert due(over, T0 + 60, {}) == []
    only_mail = {key: kept for key, kept in PAGED.items() if key.endswith("/mail")}
    assert due(over, T0 + 60, only_mail) == []


def test_a_closing_is_told_when_somebody_was_involved_in_it() -> None:
    closed = {"state": "closed", "closed_at": T0 + 60, "changed_at": T0 + 60}
    assert due(an_incident(**closed, closed_by="kim"), T0 + 60, PAGED) == [("closed", "phone")]
    assert due(an_incident(**closed, closed_by="machine", seen=True), T0 + 60, PAGED) == [("closed", "phone")]
    assert due(an_incident(**closed, closed_by="machine"), T0 + 60, PAGED) == []  # nobody looked: "recovered" was told


def test_a_worsening_is_told_each_time_to_all_or_to_the_owner() -> None:
    once = an_incident(worsened_at=T0 + 31 * MINUTE)
    first = told_at(once, T0 + 31 * MINUTE, PAGED)
    assert {recorded_notice(key).reason for key in first.keys() - PAGED.keys()} == {"worsened"}
    twice = an_incident(worsened_at=T0 + 62 * MINUTE)
    assert due(twice, T0 + 62 * MINUTE, first) == [("worsened", "phone"), ("worsened", "mail")]
    own = Policy(POLICY.receivers, (Route(("phone",)), Route(("mail",), {"owner": "kim"})), group_wait=5.0)
    held = an_incident(**HELD, changed_at=T0 + 60, owner="kim", worsened_at=T0 + HOUR)
    told_kim = [(n.reason, n.target) for n in owed(held, own, (), T0 + HOUR, PAGED).notices]
    assert told_kim == [("acknowledged", "phone"), ("worsened", "mail")]


def test_a_watch_that_ended_is_told_once_and_repeated_no_more() -> None:
    incident = an_incident(orphaned="The rule is gone.")
    assert due(incident, T0 + 60, PAGED) == [("watch_ended", "phone"), ("watch_ended", "mail")]
    found = owed(incident, POLICY, (), T0 + DAY, told_at(incident, T0 + 60, PAGED))
    assert (found.notices, found.next_at) == ((), None)


# -- silences: they delay, they swallow nothing -----------------------------------------------------------------------


def test_a_silence_delays_a_page_to_its_end() -> None:
    silence = a_silence(T0 + HOUR)
    held = owed(an_incident(), POLICY, [silence], T0 + 60)
    assert held.notices == () and held.next_at == T0 + HOUR
    assert due(an_incident(), T0 + HOUR, silences=[silence]) == [("opened", "phone"), ("opened", "mail")]


def test_after_a_long_silence_one_message_is_owed_and_the_next_an_interval_later() -> None:
    silence = a_silence(T0 + 9 * HOUR)
    assert due(an_incident(), T0 + 9 * HOUR, silences=[silence]) == [("opened", "phone"), ("opened", "mail")]
    recorded = told_at(an_incident(), T0 + 9 * HOUR)
    found = owed(an_incident(), POLICY, [silence], T0 + 9 * HOUR, recorded)
    assert (found.notices, found.next_at) == ((), T0 + 13 * HOUR)


def test_what_worsened_under_a_silence_is_told_in_one_message_too() -> None:
    worse, end = an_incident(worsened_at=T0 + HOUR), T0 + 9 * HOUR
    assert due(worse, end) == [("opened", "phone"), ("opened", "mail")], "a page says how things stand when it is sent"
    assert due(worse, end, told_at(worse, end)) == []
    assert due(worse, end, PAGED) == [("worsened", "phone"), ("worsened", "mail")]
    assert due(worse, end, told_at(worse, end, PAGED)) == []


def test_what_went_away_under_a_silence_is_owed_to_nobody() -> None:
    over = an_incident(state="recovered", cleared_at=T0 + 60, changed_at=T0 + 60)
    assert due(over, T0 + HOUR, silences=[a_silence(T0 + 2 * HOUR)]) == []
    assert due(over, T0 + 2 * HOUR) == []


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
    assert says in why_untold(an_incident(), policy, silences, at, {})


def test_why_a_coming_back_was_not_told_names_the_call_before_it() -> None:
    back = an_incident(occurrence=2, opening="flapping", changed_at=T0 + 20)
    why = why_untold(back, POLICY, (), T0 + 30, {}, PAGED)
    assert "A call had gone out at 2027-01-15 08:00:05 UTC" in why and "at most every 5 minutes" in why


def test_a_key_names_its_notice_even_with_slashes_in_the_target() -> None:
    key = notice_key("i", "repeat", 3, 7, "a/b/c")
    notice = recorded_notice(key)
    assert (notice.incident, notice.reason, notice.occurrence, notice.repeat, notice.target) == (
        *("i", "repeat", 3, 7),
        "a/b/c",
    )
    assert told({key: OnRecord(T0)}) == {"a/b/c"} and told({key: OnRecord(T0)}, 2) == set()
    assert told({key: OnRecord(T0, void=True)}) == set()
