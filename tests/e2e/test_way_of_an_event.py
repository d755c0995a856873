"""One event's whole way: in by HTTP, into an incident, to a person, and back. The target's log is the evidence."""

from __future__ import annotations

import re
from typing import Any

import pytest
from e2e_story import FORMS, Form, events
from live_daemon import LiveDaemon, Target, wait_until


def message(target: Target, incident: dict[str, Any], heading: str, seconds: float = 40.0) -> dict[str, str]:
    """The message with this heading about an incident, once it has arrived."""

    def found() -> dict[str, str] | None:
        return next((m for m in target.about(incident["id"]) if m["title"].startswith(heading)), None)

    arrived = wait_until(found, f"{heading!r} about {incident['rule']}", seconds)
    assert arrived is not None
    return arrived


def first_seen(incident: dict[str, Any]) -> dict[str, Any]:
    """The evidence with which an incident was opened."""
    return min(incident["evidence"], key=lambda evidence: str(evidence["at"]))


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_each_form_of_rule_opens_one_incident_with_its_evidence(daemon: LiveDaemon, story: Any, form: Form) -> None:
    incident = daemon.incident(form.rule, form.model, 40.0)
    assert [i["rule"] for i in daemon.incidents(model=form.model)] == [form.rule]
    first = first_seen(incident)
    assert first["n"] > 0 and None not in (first["value"], first["expected"], first["effect"])
    assert incident["stage"] == "live" and not incident["historical"]


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_the_message_says_all_that_a_person_needs(daemon: LiveDaemon, target: Target, story: Any, form: Form) -> None:
    incident = daemon.incident(form.rule, form.model, 40.0)
    told = message(target, incident, "New incident")
    title, body = told["title"], told["message"]
    assert form.model in title and form.rule in title and incident["severity"] in title
    assert incident["summary"] in body, "what happened"
    assert [word for word in form.words if word not in body] == []
    assert re.search(rf"^Model: {form.model}( version \S+)?$", body, re.MULTILINE)
    against = (
        r"^- .+ ((is|for) [\d.,]+(%| \w+)?, (expected|limit|before)|in [\d.]+% of the latest events, against) [\d.,]+"
    )
    assert re.search(against, body, re.MULTILINE), "value and expectation"
    assert f"{first_seen(incident)['n']:,} events" in body, "sample size"
    since = incident["opened_at"]
    assert f"Noticed: {since[:10]} {since[11:19]} UTC" in body
    assert f"What it means: {incident['meaning']}" in body
    assert f"What to do: {incident['action']}" in body
    assert f"Incident: {incident['id']}" in body
    assert f"{daemon.url}/incidents/{incident['id']}" in body.splitlines(), "a link that stands by itself"
    assert re.search(r"^audit \d+ [0-9a-f]{8}$", body, re.MULTILINE)


def test_the_link_of_a_message_asks_a_stranger_to_sign_in(daemon: LiveDaemon, story: Any) -> None:
    incident = daemon.incident("SensorShift", "e2e-shift")
    answer = daemon.get(f"/incidents/{incident['id']}", token="")
    assert answer.status == 401 and b"overloop login" in answer.body and incident["summary"].encode() not in answer.body
    page = daemon.get(f"/incidents/{incident['id']}").body.decode()
    assert "inputs.reading moved from a mean of 20" in page and "<svg" in page and "tripped" in page


def test_a_person_takes_it_closes_it_and_is_called_again_at_the_next_change(
    daemon: LiveDaemon, target: Target, story: Any
) -> None:
    incident = daemon.incident("SensorShift", "e2e-shift")
    message(target, incident, "New incident")

    done = daemon.cli("incident", "ack", incident["id"][:8], "--note", "I look at the sensor")
    assert done.returncode == 0 and "is acknowledged" in done.stdout, done.stderr
    shown = daemon.cli("incident", "show", incident["id"]).stdout
    assert re.search(r"owner +risk-oncall", shown) and re.search(r"acknowledged by +admin", shown)
    assert "I look at the sensor" in shown
    assert "admin has it in hand since" in message(target, incident, "Somebody has it")["message"]

    done = daemon.cli("incident", "close", incident["id"], "--verdict", "real")
    assert done.returncode == 0 and "is closed" in done.stdout, done.stderr
    closed = message(target, incident, "Closed")["message"]
    assert "admin closed it at" in closed and "The verdict is: real" in closed

    for _ in range(2):  # two completed turns: the mark that closing asked for has been placed
        assert daemon.get("/-/engine").status == 200
    daemon.send(events("e2e-shift", 300, lambda k: {"inputs": {"reading": 68 + k % 5}}, "stays"))
    daemon.send(events("e2e-shift", 100, lambda k: {"inputs": {"reading": -20 + k % 5}}, "falls"))
    second = wait_until(
        lambda: [i for i in daemon.incidents(model="e2e-shift") if i["id"] != incident["id"]], "a second incident"
    )
    assert len(second) == 1 and second[0]["state"] == "open"
    assert "New incident" in message(target, second[0], "New incident")["title"]


def test_what_goes_away_by_itself_is_told_to_the_same_target(daemon: LiveDaemon, target: Target, story: Any) -> None:
    incident = daemon.incident("LowConfidence", "e2e-share")
    message(target, incident, "New incident")
    rounds = iter(range(1000))

    def recovered() -> bool:
        fine = events("e2e-share", 60, lambda k: {"output": {"confidence": 0.95}}, f"fine{next(rounds)}")
        daemon.send(fine)
        return bool(daemon.incident("LowConfidence", "e2e-share")["state"] == "recovered")

    wait_until(recovered, "the incident has recovered", 30.0, pause=0.5)
    assert "before anybody had acknowledged it" in message(target, incident, "It went away")["message"]


def test_a_verdict_can_be_given_before_the_end(daemon: LiveDaemon, story: Any) -> None:
    incident = daemon.incident("ApprovalParity", "e2e-parity")
    done = daemon.cli("incident", "verdict", incident["id"], "unclear", "--note", "asked the fairness board")
    assert done.returncode == 0, done.stderr
    found = daemon.get(f"/v1/incidents/{incident['id']}").json
    assert found["verdict"] == "unclear" and found["state"] == "open"


def test_a_receiver_that_nobody_listens_at_is_tried_again_and_shown(daemon: LiveDaemon, story: Any) -> None:
    incident = daemon.incident("NegativeAmounts", "e2e-count")

    def tried() -> dict[str, Any] | None:
        notices = daemon.get(f"/v1/incidents/{incident['id']}").json["notices"]
        return next((n for n in notices if n["target"] == "pager" and n["state"] == "retry"), None)

    assert wait_until(tried, "the pager was tried")
    assert "nothing listens at its address" in daemon.log()


def test_nobody_is_told_the_same_thing_twice(daemon: LiveDaemon, target: Target, story: Any) -> None:
    for form in FORMS:
        titles = [m["title"] for m in target.about(daemon.incident(form.rule, form.model, 40.0)["id"])]
        assert len(titles) == len(set(titles)), titles


def test_the_audit_log_is_whole_and_holds_to_every_head_ever_seen(
    daemon: LiveDaemon, target: Target, story: Any
) -> None:
    told = message(target, daemon.incident("ErrorsUp", "e2e-harm"), "New incident")["message"]
    size, root = re.search(r"^audit (\d+) ([0-9a-f]{8})$", told, re.MULTILINE).groups()  # type: ignore[union-attr]
    plain = daemon.cli("audit", "verify")
    assert plain.returncode == 0 and "intact" in plain.stdout
    for head in (story.head, f"{size}:{root}", f"{size} {root}"):
        done = daemon.cli("audit", "verify", "--against", head)
        assert done.returncode == 0 and "intact" in done.stdout, (head, done.stdout, done.stderr)
    forged = daemon.cli("audit", "verify", "--against", f"{size}:{'00' * 4}")
    assert forged.returncode == 1, forged.stdout
    kinds = {entry["kind"] for entry in daemon.get("/v1/audit?limit=1000").json["entries"]}
    assert {"incident_opened", "acknowledged", "incident_closed", "verdict"} <= kinds
