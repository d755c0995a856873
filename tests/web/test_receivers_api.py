"""Receivers over HTTP: who there is, and a test by the way of every message."""

from __future__ import annotations

from dataclasses import replace

from monitor.core.notices.model import Policy, Receiver, Route
from monitor.store import outbox


def with_receiver(site) -> None:
    site.desk.policy = Policy((Receiver("oncall", "pagerduty"),), (Route(("oncall",)),))


def test_a_test_is_owed_and_its_fate_is_told(site):
    with_receiver(site)
    made = site.post("/v1/receivers/oncall/test", role="operator")
    assert made.status_code == 202 and made.json()["state"] == "pending"
    claimed = outbox.claim(site.database, site.clock.at, "h", 60.0)
    assert claimed is not None and claimed.notice.reason == "test"
    outbox.finish(site.database, claimed, "dead", site.clock.at, None, "It refused the credentials.")
    fate = site.get(f"/v1/receivers/oncall/tests/{made.json()['test']}", role="viewer").json()
    assert (fate["state"], fate["attempts"], fate["problem"]) == ("dead", 1, "It refused the credentials.")
    assert site.get("/v1/receivers/other/tests/x").status_code == 404


def test_a_viewer_tests_nothing_and_nobody_tests_what_is_not_there(site):
    with_receiver(site)
    assert site.post("/v1/receivers/oncall/test", role="viewer").status_code == 403
    assert site.post("/v1/receivers/nobody/test").status_code == 404


def test_receivers_are_listed_with_those_that_fail(site):
    with_receiver(site)
    listed = site.get("/v1/receivers").json()["receivers"]
    assert listed == [{"name": "oncall", "type": "pagerduty", "failing_since": None}]
    site.desk.policy = replace(site.desk.policy, receivers=(Receiver("oncall"), Receiver("mail")))
    site.desk.receiver_failing("oncall", "It refused the credentials.")
    listed = site.get("/v1/receivers").json()["receivers"]
    assert [each["failing_since"] is not None for each in listed] == [True, False]
    (about,) = site.get("/v1/incidents").json()["incidents"]
    assert (about["rule"], about["model"]) == ("ReceiverFailing", "receiver:oncall")
    assert site.get(f"/incidents/{about['id']}", accept="text/html").status_code == 200
    site.desk.receiver_works("oncall")
    assert site.get(f"/v1/incidents/{about['id']}").json()["state"] == "recovered"
