"""What holds calls back, who is called after whom, and who stands for a schedule: as `owed` decides it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from deciding import HOUR, MINUTE, T0, an_incident

from monitor.core.incidents.matching import fit, parse_matcher, pattern_problem, written
from monitor.core.incidents.model import Incident
from monitor.core.notices.escalation import Escalation, Step, restored, snapshot
from monitor.core.notices.intervals import Interval
from monitor.core.notices.model import Inhibition, Maintenance, OnRecord, Policy, Receiver, Route
from monitor.core.notices.plan import Owed, owed
from monitor.core.notices.routes import escalating
from monitor.core.notices.schedules import Rotation, Schedule
from monitor.core.notices.untold import why_untold

Record = dict[str, OnRecord]
RECEIVERS = (Receiver("anna"), Receiver("ben"), Receiver("chief"))
MODEL = (("model", "=", "fraud-eu"),)
ALWAYS = Interval(UTC)
STEPS = (Step(("anna",), 5 * MINUTE), Step(("ben", "chief"), 10 * MINUTE))
ONCALL = Escalation("oncall", STEPS, repeat=1)
ESCALATED = Policy(RECEIVERS, (Route((), escalation="oncall"),), 0.0, escalations={"oncall": ONCALL})


def due(found: Owed) -> list[tuple[str, str]]:
    return [(notice.reason, notice.target) for notice in found.notices]


def told(policy: Policy, incident: Incident, at: float, recorded: Record, **given: Any) -> list[tuple[str, str]]:
    """What is owed, which is on record after that."""
    found = owed(incident, policy, (), at, recorded, **given)
    recorded |= {notice.key: OnRecord(at) for notice in found.notices}
    return due(found)


def one_route(**route: Any) -> Policy:
    return Policy(RECEIVERS, (Route(("anna",), **route),), 0.0)


# -- matchers -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "matcher"),
    [('model="fraud-eu"', ("model", "=", "fraud-eu")), ("model=fraud-eu", ("model", "=", "fraud-eu")),
     ('labels.team !~ "a|b c"', ("labels.team", "!~", "a|b c")), ('rule!=""', ("rule", "!=", "")),
     (r'rule="a\"b\\c"', ("rule", "=", r'a"b\c')), ("owner=", ("owner", "=", ""))],
)  # fmt: skip
def test_matchers_are_written_as_alertmanager_writes_them(text: str, matcher: tuple[str, str, str]) -> None:
    assert parse_matcher(text) == matcher
    assert parse_matcher(written(matcher)) == matcher


@pytest.mark.parametrize("text", ["", "model", "=x", 'model="x', 'model==~x y"', 'a b="c"'])
def test_what_is_no_matcher_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no matcher"):
        parse_matcher(text)


def test_patterns_are_of_the_whole_text_and_what_is_absent_is_empty() -> None:
    having = {"model": "fraud-eu"}
    assert fit([("model", "=~", "fraud-.*"), ("team", "=", ""), ("team", "!=", "x")], having)
    assert not fit([("model", "=~", "fraud")], having) and not fit([("model", "!~", "fraud-(eu|us)")], having)
    assert pattern_problem(("model", "=~", "(")) and not fit([("model", "=~", "(")], having)


# -- routes on their own terms ------------------------------------------------------------------------------------


def test_a_route_has_matchers_a_wait_and_an_interval_of_its_own() -> None:
    policy = one_route(where=(("severity", "=~", "high|critical"),), group_wait=60.0, repeat_interval=HOUR)
    recorded: Record = {}
    assert told(policy, an_incident(), T0 + 59, recorded) == []
    assert told(policy, an_incident(), T0 + 60, recorded) == [("opened", "anna")]
    assert owed(an_incident(), policy, (), T0 + 61, recorded).next_at == T0 + 60 + HOUR
    assert told(policy, an_incident(severity="medium"), T0 + HOUR, {}) == []


def test_the_first_route_that_names_a_receiver_sets_its_terms() -> None:
    routes = (Route(("anna",), continue_=True, group_wait=60.0), Route(("anna", "ben"), group_wait=0.0))
    policy = Policy(RECEIVERS, routes)
    assert due(owed(an_incident(), policy, (), T0)) == [("opened", "ben")]


def test_a_mute_route_calls_when_it_is_mute_no_longer_and_tells_the_rest_at_once() -> None:
    start = datetime.fromtimestamp(T0, UTC)
    minutes = start.hour * 60 + start.minute
    mute = Interval(UTC, hours=((minutes, (minutes + 60) % 1440),))
    policy = replace(one_route(mute=("n",)), intervals={"n": mute})
    ends = mute.changes_after(T0)
    assert owed(an_incident(), policy, (), T0 + 1) == Owed((), ends)
    assert due(owed(an_incident(), policy, (), ends)) == [("opened", "anna")]
    called = {notice.key: OnRecord(T0) for notice in owed(an_incident(), one_route(), (), T0).notices}
    assert due(owed(an_incident(state="recovered"), policy, (), T0 + 1, called)) == [("recovered", "anna")]
    assert "mute until" in why_untold(an_incident(), policy, (), T0 + 1, {}) and '"n"' in why_untold(
        an_incident(), policy, (), T0 + 1, {}
    )


def test_a_route_that_is_not_active_waits_until_it_is() -> None:
    never = Interval(UTC, dates=((datetime(2000, 1, 1, tzinfo=UTC).date(),) * 2,))
    for active, owes in (("always", True), ("never", False)):
        policy = replace(one_route(active=(active,)), intervals={"always": ALWAYS, "never": never})
        assert bool(owed(an_incident(), policy, (), T0).notices) is owes
    policy = replace(one_route(active=("never", "always")), intervals={"always": ALWAYS, "never": never})
    assert owed(an_incident(), policy, (), T0).notices


# -- maintenance and inhibition -----------------------------------------------------------------------------------


def test_maintenance_holds_calls_back_until_it_is_over() -> None:
    policy = replace(one_route(), maintenance=(Maintenance(MODEL, "a move", T0, T0 + HOUR),))
    assert owed(an_incident(), policy, (), T0 + 1) == Owed((), T0 + HOUR)
    assert due(owed(an_incident(), policy, (), T0 + HOUR)) == [("opened", "anna")]
    assert due(owed(an_incident(model="churn"), policy, (), T0 + 1)) == [("opened", "anna")]
    assert why_untold(an_incident(), policy, (), T0 + 1, {}).endswith(": a move")


def test_maintenance_may_come_again_and_again() -> None:
    policy = replace(one_route(), maintenance=(Maintenance(MODEL, "x", during="n"),), intervals={"n": ALWAYS})
    assert owed(an_incident(), policy, (), T0).notices == ()


INHIBITED = replace(
    one_route(),
    inhibitions=(
        Inhibition((("severity", "=", "critical"),), (("severity", "=~", "high|low"),), ("model", "labels.team")),
    ),
)
TEAM = {"labels": {"team": "risk"}}


def around(team: str = "risk", **changes: Any) -> list[tuple[Incident, dict[str, str]]]:
    return [(an_incident(id="2", severity="critical", **changes), {"team": team} if team else {})]


def test_an_incident_that_stands_keeps_another_from_calling_as_long_as_it_does() -> None:
    assert owed(an_incident(), INHIBITED, (), T0, around=around(), **TEAM) == Owed()
    assert due(owed(an_incident(), INHIBITED, (), T0, around=(), **TEAM)) == [("opened", "anna")]
    assert "Incident 2 of" in why_untold(an_incident(), INHIBITED, (), T0, {"team": "risk"}, around=around())


@pytest.mark.parametrize("others", [around("care"), around(model="churn"), around("")])
def test_only_what_is_equal_is_held_back_and_absent_twice_is_not_equal(others: Any) -> None:
    labels = {"team": "risk"} if others[0][1] else {}
    assert owed(an_incident(), INHIBITED, (), T0, around=others, labels=labels).notices


def test_what_fits_both_sides_holds_nothing_back_not_even_itself() -> None:
    both = replace(one_route(), inhibitions=(Inhibition(MODEL, MODEL),))
    same = [(an_incident(), {}), (an_incident(id="2"), {})]
    assert owed(an_incident(), both, (), T0, around=same).notices


# -- escalation ---------------------------------------------------------------------------------------------------


def test_steps_are_taken_one_after_the_other_and_again() -> None:
    recorded: Record = {}
    seen = {}
    for minute in range(40):
        if found := told(ESCALATED, an_incident(), T0 + minute * MINUTE, recorded):
            seen[minute] = found
    assert seen == {
        0: [("opened", "anna")],
        5: [("escalated", "ben"), ("escalated", "chief")],
        15: [("escalated", "anna")],
        20: [("escalated", "ben"), ("escalated", "chief")],
    }


def test_the_next_step_is_waited_for() -> None:
    recorded: Record = {}
    told(ESCALATED, an_incident(), T0, recorded)
    assert owed(an_incident(), ESCALATED, (), T0 + 1, recorded).next_at == T0 + 5 * MINUTE


def test_an_acknowledgement_stops_the_clock_and_its_end_starts_it_again() -> None:
    recorded: Record = {}
    told(ESCALATED, an_incident(), T0, recorded)
    held = an_incident(state="acknowledged", changed_at=T0 + MINUTE, acknowledged_at=T0 + MINUTE, acknowledged_by="kim")
    assert told(ESCALATED, held, T0 + HOUR, recorded) == [("acknowledged", "anna")]
    expired = an_incident(changed_at=T0 + 2 * HOUR, occurrence=2, opening="expired")
    assert told(ESCALATED, expired, T0 + 2 * HOUR, recorded) == [("expired", "anna")]
    assert told(ESCALATED, expired, T0 + 2 * HOUR + 5 * MINUTE, recorded) == [
        ("escalated", "ben"),
        ("escalated", "chief"),
    ]


def test_after_a_long_silence_everybody_is_called_once_not_once_for_each_step() -> None:
    recorded: Record = {}
    first = told(ESCALATED, an_incident(), T0 + 10 * HOUR, recorded)
    assert first == [("opened", "anna"), ("escalated", "ben"), ("escalated", "chief")]
    assert told(ESCALATED, an_incident(), T0 + 10 * HOUR + 1, recorded) == []


def test_an_incident_keeps_the_policy_it_was_opened_by() -> None:
    assert restored(snapshot(ONCALL)) == ONCALL
    kept = an_incident(escalation=escalating(an_incident(), ESCALATED, {}))
    changed = replace(ESCALATED, escalations={"oncall": Escalation("oncall", (Step(("chief",), 60.0),))})
    assert due(owed(kept, changed, (), T0)) == [("opened", "anna")]
    assert due(owed(an_incident(), changed, (), T0)) == [("opened", "chief")], "opened before the route escalated"


def test_those_who_were_called_by_a_step_hear_of_the_end() -> None:
    recorded: Record = {}
    for minute in (0, 5):
        told(ESCALATED, an_incident(), T0 + minute * MINUTE, recorded)
    closed = an_incident(state="closed", closed_by="kim", closed_at=T0 + HOUR, changed_at=T0 + HOUR, seen=True)
    assert told(ESCALATED, closed, T0 + HOUR, recorded) == [("closed", "anna"), ("closed", "ben"), ("closed", "chief")]


# -- schedules ----------------------------------------------------------------------------------------------------


def test_whoever_is_on_call_is_called_and_at_the_hand_over_the_next_one() -> None:
    starts = datetime.fromtimestamp(T0 - HOUR, UTC).replace(tzinfo=None)
    schedule = Schedule(UTC, (Rotation(("anna", "ben"), starts, timedelta(hours=2)),))
    policy = Policy(RECEIVERS, (Route(("schedule:primary",)),), 0.0, 0.0, schedules={"primary": schedule})
    recorded: Record = {}
    assert told(policy, an_incident(), T0, recorded) == [("opened", "anna")]
    assert owed(an_incident(), policy, (), T0 + 1, recorded).next_at == T0 + HOUR
    assert told(policy, an_incident(), T0 + HOUR, recorded) == [("opened", "ben")]
    held = an_incident(state="acknowledged", changed_at=T0 + HOUR, acknowledged_at=T0 + HOUR)
    assert told(policy, held, T0 + 9 * HOUR, recorded) == [("acknowledged", "anna"), ("acknowledged", "ben")]


def test_a_schedule_without_anybody_calls_nobody_and_says_so() -> None:
    policy = Policy(RECEIVERS, (Route(("schedule:primary",)),), 0.0, schedules={"primary": Schedule(UTC, ())})
    assert owed(an_incident(), policy, (), T0) == Owed()
    assert why_untold(an_incident(), policy, (), T0, {}).startswith("No route leads")
