"""Several calls as one message, and groups that wait for their next one."""

from __future__ import annotations

from dataclasses import replace

import pytest
from deciding import T0, an_incident

from monitor.core.notices.groups import INTERVAL, LINKED, MOST, Group, bundle_key, group_of, render_bundle
from monitor.core.notices.keys import recorded_notice
from monitor.core.notices.model import Policy, Receiver, Route
from monitor.core.notices.render import Links
from monitor.delivery.protocol import Result
from monitor.runtime.courier import Terms

from .conftest import INCIDENT, PATIENCE, START

ONE = Terms(workers=1, drain=PATIENCE)


def incidents(count: int, model: str = "fraud-eu"):
    return [replace(INCIDENT, id=f"{model}-{n}", rule=f"Rule{n}", model=model) for n in range(count)]


def by_model(target: str, incident) -> Group:
    return Group(incident.model)


def test_calls_that_are_due_together_are_one_message_and_each_has_its_outcome(office, fake):
    sender = fake()
    keys = [key for each in incidents(6) for key in office.owe("oncall", incident=each)]
    with office.at_work(office.courier({"oncall": sender}, ONE, grouping=by_model)):
        told = [office.next() for _ in keys]
    (message,) = sender.sent
    assert message.title == "6 incidents on fraud-eu (worst: high)"
    assert all(each.id in message.body for each in incidents(6)) and "audit " in message.body
    assert [alert.labels["incident"] for alert in message.alerts] == [each.id for each in incidents(6)]
    assert {each.outcome for each in told} == {"delivered"} and message.key.startswith("bundle/")
    assert {office.row(key).state for key in keys} == {"delivered"}
    assert len(office.entries("notice_delivered")) == 6


def test_other_groups_and_other_receivers_have_messages_of_their_own(office, fake):
    sender, other = fake(), fake()
    for each in (*incidents(2), *incidents(2, "churn")):
        office.owe("oncall", "mail", incident=each)
    with office.at_work(office.courier({"oncall": sender, "mail": other}, grouping=by_model)):
        for _ in range(8):
            office.next()
    for each in (sender, other):
        assert sorted(message.title for message in each.sent) == [
            "2 incidents on churn (worst: high)",
            "2 incidents on fraud-eu (worst: high)",
        ]


def test_what_failed_together_is_owed_each_by_itself(office, fake):
    sender = fake(Result("retry", "serverError", None, "The receiver answered 500."))
    keys = [key for each in incidents(3) for key in office.owe("oncall", incident=each)]
    with office.at_work(office.courier({"oncall": sender}, ONE, grouping=by_model)):
        for _ in keys:
            assert office.next().outcome == "retry"
    rows = [office.row(key) for key in keys]
    assert {(row.state, row.attempt) for row in rows} == {("retry", 1)}


def test_what_is_owed_no_longer_is_not_in_the_message(office, fake):
    sender = fake()
    (first, second, over) = incidents(3)
    office.owe("oncall", incident=first), office.owe("oncall", incident=second)
    (gone,) = office.owe("oncall", incident=replace(over, state="acknowledged"))
    with office.at_work(office.courier({"oncall": sender}, ONE, grouping=by_model)):
        office.next(), office.next()
        assert office.held.get(timeout=PATIENCE) == "cancelled"
    assert office.row(gone).state == "cancelled"
    assert sender.sent[0].title == "2 incidents on fraud-eu (worst: high)"


def test_a_group_that_was_told_of_waits_and_then_tells_all_at_once(office, fake):
    sender = fake()
    (first, *later) = incidents(4)
    office.owe("oncall", incident=first)
    with office.at_work(office.courier({"oncall": sender}, ONE, grouping=lambda t, i: Group(i.model, 30.0))):
        office.next()
        keys = [key for each in later for key in office.owe("oncall", incident=each)]
        office.sleepers[-1].slept.clear()
        office.wake()
        office.looked()
        assert {office.row(key).due_at for key in keys} == {START + 30.0}
        assert len(sender.sent) == 1
        office.clock.at = START + 30.0
        office.wake()
        for _ in keys:
            office.next()
    assert [message.title for message in sender.sent][1:] == ["3 incidents on fraud-eu (worst: high)"]


def test_a_courier_that_begins_knows_which_groups_were_told_of(office, fake):
    sender = fake()
    (first, second, third) = incidents(3)
    terms = {"terms": ONE, "grouping": lambda t, i: Group(i.model, 30.0)}
    office.owe("oncall", incident=first)
    with office.at_work(office.courier({"oncall": sender}, **terms)):
        office.next()
    keys = [key for each in (second, third) for key in office.owe("oncall", incident=each)]
    office.clock.at = START + 10.0
    with office.at_work(office.courier({"oncall": sender}, **terms)):
        office.looked()
        assert {office.row(key).due_at for key in keys} == {START + 30.0} and len(sender.sent) == 1
    office.clock.at = START + 30.0
    with office.at_work(office.courier({"oncall": sender}, **terms)):
        office.next(), office.next()
    assert [message.title for message in sender.sent][1:] == ["2 incidents on fraud-eu (worst: high)"]


def test_what_did_not_arrive_before_a_restart_began_no_interval(office, fake):
    lost, sender = fake(Result("dead", "clientError", None, "The receiver answered 404.")), fake()
    (first, second) = incidents(2)
    terms = {"terms": ONE, "grouping": lambda t, i: Group(i.model, 30.0)}
    office.owe("oncall", incident=first)
    with office.at_work(office.courier({"oncall": lost}, **terms)):
        office.next()
    office.owe("oncall", incident=second)
    with office.at_work(office.courier({"oncall": sender}, **terms)):
        assert office.next().outcome == "delivered"


@pytest.mark.parametrize(("many", "links"), [(LINKED, LINKED), (LINKED + 1, 0)])
def test_a_bundle_brings_a_link_for_each_call_as_long_as_it_can_be_read(office, fake, many, links):
    sender = fake()
    for each in incidents(many):
        office.owe("oncall", incident=each)

    def link(claimed, at) -> str:
        return f"https://overloop.example/a/{claimed.incident.id}-{claimed.attempt}"

    with office.at_work(office.courier({"oncall": sender}, ONE, grouping=by_model, ack=link)):
        for _ in range(many):
            office.next()
    (message,) = sender.sent
    assert message.body.count("/a/fraud-eu-") == links
    if links:
        assert "Incident: fraud-eu-1\n  To acknowledge it: https://overloop.example/a/fraud-eu-1-1\n" in message.body


def test_a_message_holds_as_many_as_can_be_read(office, fake):
    sender = fake()
    for each in incidents(MOST + 5):
        office.owe("oncall", incident=each)
    with office.at_work(office.courier({"oncall": sender}, ONE, grouping=by_model)):
        for _ in range(MOST + 5):
            office.next()
    assert [message.title.partition(" ")[0] for message in sender.sent] == [str(MOST), "5"]
    assert all(len(message.body) < 4500 for message in sender.sent)


def test_the_group_is_that_of_the_route_and_by_model_where_it_says_nothing():
    receivers = (Receiver("oncall"), Receiver("pd", "pagerduty"))
    incident = an_incident(model="m", severity="high")

    def group(target: str, **route):
        return group_of(target, incident, Policy(receivers, (Route(("oncall", "pd"), **route),)), {"team": "risk"}, T0)

    assert group("oncall") == Group("model=m")
    assert group("oncall", group_by=("labels.team", "severity")) == Group("labels.team=risk\nseverity=high", INTERVAL)
    assert group("oncall", group_by=(), group_interval=60.0) == Group("", 60.0)
    assert group("pd") is None, "one incident is one there"
    assert group("nobody") is None


def test_a_bundle_has_the_same_name_in_every_order_and_names_every_incident_of_several_models():
    calls = [(recorded_notice(f"{n}/opened/1/0/oncall"), an_incident(id=str(n), model=f"m{n}")) for n in range(3)]
    assert bundle_key([n for n, _ in calls]) == bundle_key([n for n, _ in reversed(calls)])
    message = render_bundle(calls, Links("https://x"), (5, "ab" * 32))
    assert message.title.startswith("3 incidents on 3 models") and "m2: " in message.body
    assert message.body.endswith("https://x/incidents?state=open\naudit 5 abababab")


@pytest.mark.parametrize("problem", [KeyError("x")])
def test_a_mistake_in_grouping_keeps_no_call_back(office, fake, problem):
    def broken(target, incident):
        raise problem

    sender = fake()
    office.owe("oncall")
    with office.at_work(office.courier({"oncall": sender}, grouping=broken)):
        assert office.next().outcome == "delivered"


def test_a_call_brings_a_link_and_news_bring_none(office, fake):
    sender = fake()

    def link(claimed, at) -> str:
        return f"https://overloop.example/a/{claimed.notice.target}-{claimed.attempt}-{at:.0f}"

    office.owe("oncall")
    with office.at_work(office.courier({"oncall": sender}, ack=link)):
        office.next()
        office.change(state="acknowledged", acknowledged_by="ada", acknowledged_at=START)
        office.owe_news("acknowledged")
        office.wake()
        office.next()
    called, news = sender.sent
    assert f"https://overloop.example/a/oncall-1-{START:.0f}" in called.body and "/a/" not in news.body
