"""Our own senders: real connections to a server that misbehaves on demand."""

from __future__ import annotations

import hashlib
import hmac
import json
import socket
from dataclasses import replace

import pytest

from monitor.core.incidents.model import Incident
from monitor.core.notices.alert import Alert, alert_of
from monitor.delivery.address import Address, web_address
from monitor.delivery.alertmanager import AlertmanagerSender
from monitor.delivery.apprise_pool import HelperPool
from monitor.delivery.pagerduty import PagerDutySender, event
from monitor.delivery.post import send
from monitor.delivery.protocol import Outgoing, Result
from monitor.delivery.senders import make_senders
from monitor.delivery.webhook import WebhookSender, body

AT = 1_764_000_000.0
INCIDENT = Incident(
    id="00000000-0000-5000-8000-000000000001",
    pack="card-fraud",
    rule="ScoreShift",
    model="fraud-eu",
    version="3",
    segment="",
    severity="high",
    stage="live",
    historical=False,
    latches=True,
    state="open",
    opened_at=AT - 60,
    changed_at=AT - 60,
    summary="The score moved.",
    meaning="It is higher than it was.",
    action="Look at the last deploy.",
    runbook_url="https://wiki.example.org/score",
)
PAGE = "https://overloop.example.org/incidents/1"


def outgoing(reason: str = "opened", **changes: object) -> Outgoing:
    incident = replace(INCIDENT, **changes)  # type: ignore[arg-type]
    alert = alert_of(incident, PAGE, {"team": "risk", "model": "not this one"})
    return Outgoing("A title", "In words.", incident.severity, incident.id, reason, "key/1", AT, (alert,))


def at(target, **more: object) -> Address:
    return Address("webhook", f"http://planted-user:planted-pass@127.0.0.1:{target.port}/planted-path", **more)  # type: ignore[arg-type]


# -- one POST -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("how", "outcome", "reason", "retry_after"),
    [
        ("200", "delivered", None, None),
        ("202", "delivered", None, None),
        ("500", "retry", "serverError", None),
        ("503|Retry-After: 30", "retry", "serverError", 30.0),
        ("429|Retry-After: 7", "retry", "rateLimited", 7.0),
        ("401", "dead", "authError", None),
        ("400", "dead", "clientError", None),
        ("302|Location: http://127.0.0.1:9/", "dead", "clientError", None),
        ("reset", "retry", "connection", None),
    ],
)
def test_each_answer_has_its_class(target, how, outcome, reason, retry_after):
    target.script = [how]
    result = WebhookSender("hook", at(target)).send(outgoing(), 5)
    assert (result.outcome, result.reason, result.retry_after) == (outcome, reason, retry_after)
    assert (result.problem == "") is (outcome == "delivered")
    assert "planted" not in f"{result}"


@pytest.mark.parametrize("how", ["hang", "drip", "drip headers"])
def test_what_is_not_answered_in_time_may_have_arrived(target, how):
    target.script = [how]
    result = WebhookSender("hook", at(target)).send(outgoing(), 0.5)
    assert (result.outcome, result.reason) == ("unknown", "timeout")
    assert len(target.bodies) == 1


def test_nothing_listening_is_tried_again():
    free = socket.create_server(("127.0.0.1", 0))
    port = free.getsockname()[1]
    free.close()
    result = WebhookSender("hook", Address("webhook", f"http://127.0.0.1:{port}/")).send(outgoing(), 5)
    assert (result.outcome, result.reason) == ("retry", "connection")
    assert "nothing listens" in result.problem


def test_a_name_that_is_not_known_is_tried_again():
    result = WebhookSender("hook", Address("webhook", "http://nowhere.invalid/")).send(outgoing(), 10)
    assert (result.outcome, result.reason) == ("retry", "connection")


def test_a_handshake_nobody_answers_has_sent_nothing(target):
    target.script = ["hang"]
    hook = WebhookSender("hook", Address("webhook", f"https://127.0.0.1:{target.port}/"))
    result = hook.send(outgoing(), 0.5)
    assert (result.outcome, result.reason) == ("retry", "timeout")


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "[::1]", "169.254.169.254", "10.0.0.1", "[::ffff:169.254.169.254]",
             "[fe80::1]", "100.64.0.1", "0.0.0.0", "[64:ff9b::a9fe:a9fe]", "224.0.0.1", "2130706433"]
)  # fmt: skip
def test_a_receiver_for_public_addresses_connects_to_no_other(host):
    result = WebhookSender("hook", Address("webhook", f"http://{host}:9/x", public_only=True)).send(outgoing(), 5)
    assert (result.outcome, result.reason) == ("dead", "clientError")
    assert "private or special" in result.problem


def test_a_login_in_the_address_is_sent_as_one(target):
    result, answer = send(web_address(at(target).url), b"{}", {}, 5)
    assert result == Result("delivered") and answer is not None and answer.status == 200


@pytest.mark.parametrize(
    "url", ["", "ftp://x", "http:///", "http://a b/", "http://x:99999/", "http://x:0/", "//x", "é"]
)
def test_what_is_no_web_address_is_refused_without_repeating_it(url, pool: HelperPool):
    found = make_senders({"hook": Address("webhook", url + "planted" if url else "")}, pool)
    assert "no web address" in found.problems["hook"] and "planted" not in found.problems["hook"]


def test_addresses_show_nothing_of_themselves(target):
    address = Address("pagerduty", "https://x.example/planted", "planted-key")
    assert "planted" not in f"{address}{web_address(at(target).url)}"
    for sender in (WebhookSender("hook", at(target)), AlertmanagerSender(at(target)), PagerDutySender(address)):
        assert "planted" not in f"{sender.label}{sender!r}"
    with pytest.raises(TypeError):
        address.__reduce__()


# -- PagerDuty ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reason", "action"),
    [
        ("opened", "trigger"),
        ("again", "trigger"),
        ("worsened", "trigger"),
        ("repeat", "trigger"),
        ("escalated", "trigger"),
        ("expired", "trigger"),
        ("acknowledged", "acknowledge"),
        ("recovered", "resolve"),
        ("closed", "resolve"),
    ],
)
def test_every_reason_is_an_event_of_the_same_incident(reason, action):
    sent = event(outgoing(reason), "planted")
    assert (sent["event_action"], sent["dedup_key"], sent["routing_key"]) == (action, INCIDENT.id, "planted")
    assert ("payload" in sent) is (action == "trigger")


@pytest.mark.parametrize(
    ("severity", "theirs"), [("critical", "critical"), ("high", "error"), ("medium", "warning"), ("low", "info")]
)
def test_severities_are_theirs(severity, theirs):
    assert event(outgoing(severity=severity), "k")["payload"]["severity"] == theirs


def test_a_trigger_says_what_where_and_links_to_it(target):
    sender = PagerDutySender(Address("pagerduty", f"http://127.0.0.1:{target.port}", "planted"))
    target.script = ["202"]
    assert sender.send(outgoing(), 5) == Result("delivered")
    sent = json.loads(target.bodies[0])
    assert sent["payload"]["summary"] == "A title: The score moved."
    assert (sent["payload"]["source"], sent["payload"]["class"]) == ("fraud-eu", "ScoreShift")
    assert sent["payload"]["custom_details"]["team"] == "risk"
    assert [link["href"] for link in sent["links"]] == [PAGE, "https://wiki.example.org/score"]


def test_a_test_leaves_nothing_open_there(target):
    sender = PagerDutySender(Address("pagerduty", f"http://127.0.0.1:{target.port}", "planted"))
    assert sender.send(Outgoing("Test", "b", "low", "", "test"), 5) == Result("delivered")
    sent = [json.loads(one) for one in target.bodies]
    assert [one["event_action"] for one in sent] == ["trigger", "resolve"]
    assert sent[0]["dedup_key"] == sent[1]["dedup_key"] == "overloop-test"


# -- Alertmanager -------------------------------------------------------------------------------------------------


def pushed(target, message: Outgoing) -> dict:
    sender = AlertmanagerSender(Address("alertmanager", f"http://127.0.0.1:{target.port}/prefix"))
    assert sender.send(message, 5) == Result("delivered")
    (alert,) = json.loads(target.bodies[-1])
    return alert


def test_what_stands_ends_by_itself_unless_it_is_said_again(target):
    alert = pushed(target, outgoing())
    assert (alert["startsAt"], alert["endsAt"]) == ("2025-11-24T15:59:00Z", "2025-11-24T16:04:00Z")
    assert alert["labels"] == {
        "alertname": "ScoreShift",
        "pack": "card-fraud",
        "model": "fraud-eu",
        "severity": "high",
        "incident": INCIDENT.id,
        "team": "risk",
    }
    assert alert["annotations"]["summary"] == "The score moved."
    assert alert["generatorURL"] == PAGE


def test_what_is_over_has_its_end(target):
    alert = pushed(target, outgoing("recovered", state="recovered", changed_at=AT - 10))
    assert alert["endsAt"] == "2025-11-24T15:59:50Z"
    alert = pushed(target, outgoing("closed", state="closed", changed_at=AT - 5, closed_at=AT - 5))
    assert alert["endsAt"] == "2025-11-24T15:59:55Z"
    assert pushed(target, outgoing("acknowledged", state="acknowledged"))["endsAt"] == "2025-11-24T16:04:00Z"


def test_a_test_stands_there_for_a_minute(target):
    alert = pushed(target, outgoing("test", state="closed", closed_at=AT))
    assert (alert["labels"]["alertname"], alert["endsAt"]) == ("OverloopTest", "2025-11-24T16:01:00Z")


# -- webhook ------------------------------------------------------------------------------------------------------


def test_the_body_is_alertmanagers_and_says_more_under_our_name(target):
    assert WebhookSender("hook", at(target)).send(outgoing(), 5) == Result("delivered")
    sent = json.loads(target.bodies[0])
    assert (sent["version"], sent["status"], sent["receiver"]) == ("4", "firing", "hook")
    (alert,) = sent["alerts"]
    assert (alert["status"], alert["endsAt"]) == ("firing", "0001-01-01T00:00:00Z")
    assert sent["commonLabels"] == alert["labels"]
    assert sent["externalURL"] == "https://overloop.example.org"
    assert sent["overloop"]["notice"] == "key/1" and sent["overloop"]["text"] == "In words."


@pytest.mark.parametrize(("state", "status"), [("open", "firing"), ("recovered", "resolved"), ("closed", "resolved")])
def test_the_status_is_resolved_once_it_is_over(state, status):
    assert body(outgoing(state=state), "hook")["status"] == status


def test_a_body_without_incidents_is_a_body_all_the_same():
    assert body(Outgoing("Test", "b", "low", "", "test"), "hook")["alerts"] == []


def test_a_message_is_signed_and_named():
    import http.server
    import threading

    seen: list[tuple[dict[str, str], bytes]] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            seen.append((dict(self.headers), self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        address = Address("webhook", f"http://ann:pw@127.0.0.1:{server.server_port}/x?a=b", "planted-key")
        assert WebhookSender("hook", address).send(outgoing(), 5) == Result("delivered")
        thread.join(5)
    headers, data = seen[0]
    expected = hmac.new(b"planted-key", b"1764000000." + data, hashlib.sha256).hexdigest()
    assert headers["Overloop-Signature"] == f"v1={expected}"
    assert (headers["Overloop-Timestamp"], headers["Idempotency-Key"]) == ("1764000000", "key/1")
    assert headers["Authorization"] == "Basic YW5uOnB3"


def test_the_fingerprint_of_no_labels_is_the_offset_of_fnv():
    assert Alert({}, {}, 0, None, "open", "").fingerprint == "cbf29ce484222325"
