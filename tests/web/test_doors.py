"""What stands around every request: Host names, sizes, headers, and an answer in whole sentences whatever happens."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from monitor.store.database import Database
from monitor.web.doors import BODY, allowed_hosts

Site = Any  # of conftest
HTML = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
SAFE = {
    "content-security-policy": "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}


def fails(_: str) -> tuple[bytes, str]:
    raise RuntimeError("a secret of ours: ovl_hidden")


# -- names --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host", ["127.0.0.1:8420", "127.0.0.1", "localhost:8420", "LOCALHOST", "[::1]:8420", "localhost:9"]
)
def test_it_answers_to_its_own_names_whatever_the_port(site: Site, host: str) -> None:
    assert site.get("/v1/incidents", Host=host).status_code == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:8420", "localhost.evil.example", "127.0.0.1.evil.example", "127.0.0.2",
     "overloop.example", "", "[", "[::1", "a@localhost.example", "localhost:8420@evil.example"],
)  # fmt: skip
def test_it_does_not_answer_to_a_name_that_somebody_pointed_here(site: Site, host: str) -> None:
    answer = site.get("/v1/incidents", Host=host)
    assert answer.status_code == 421 and answer.headers["content-type"] == "application/problem+json"
    assert "public_url" in answer.json()["detail"]
    assert site.client.post("/v1/events", content=b"{}", headers={"Host": host}).status_code == 421


def test_it_answers_to_its_public_name(make_site: Callable[..., Site]) -> None:
    site = make_site('public_url = "https://Overloop.Example:8443"\n')
    for host in ("overloop.example:8443", "overloop.example", "OVERLOOP.example", "127.0.0.1:8420"):
        assert site.get("/v1/incidents", Host=host).status_code == 200
    assert site.get("/v1/incidents", Host="other.example").status_code == 421


@pytest.mark.parametrize(
    ("listen", "public", "names"),
    [
        ("127.0.0.1:8420", None, {"localhost", "127.0.0.1", "::1"}),
        ("[fe80::1]:8420", None, {"localhost", "127.0.0.1", "::1", "fe80::1"}),
        ("0.0.0.0:80", "http://watch.example", {"localhost", "127.0.0.1", "::1", "0.0.0.0", "watch.example"}),
    ],
)
def test_allowed_names_come_from_the_settings(listen: str, public: str | None, names: set[str]) -> None:
    assert allowed_hosts(listen, public) == names


def test_probes_may_ask_for_health_by_any_name(site: Site) -> None:
    assert site.get("/-/healthy", None, Host="10.0.0.7:8420").json() == {"status": "healthy"}
    assert site.get("/-/ready", None, Host="10.0.0.7:8420").status_code == 503
    assert site.get("/-/engine", Host="10.0.0.7:8420").status_code == 421


# -- headers ------------------------------------------------------------------------------------------------------


def test_every_answer_tells_browsers_to_trust_nothing_else(site: Site) -> None:
    site.front.metrics = fails
    asked = [
        site.get("/v1/incidents"), site.get("/v1/incidents", None), site.browse("/incidents"), site.get("/nowhere"),
        site.get("/v1/incidents", Host="evil.example"), site.get("/metrics"), site.ask("DELETE", "/v1/gates/m"),
        site.post("/v1/events", b'{"id":"1","model":"m","inputs":{}}'), site.post("/v1/events", b"{", None),
        site.post("/v1/overrides", {}), site.get("/login"), site.get("/"), site.post("/v1/silences", b"x" * (BODY + 1)),
    ]  # fmt: skip
    assert [answer.status_code for answer in asked] == [200, 401, 200, 404, 421, 500, 405, 202, 401, 422, 200, 303, 413]
    for answer in asked:
        assert {name: answer.headers.get(name) for name in SAFE} == SAFE, answer.url
        assert "server" not in answer.headers


def test_the_style_sheet_needs_no_token_and_may_be_kept_if_it_is_asked_about(site: Site) -> None:
    answer = site.client.get("/static/overloop.css")
    assert answer.status_code == 200 and answer.headers["cache-control"] == "no-cache" and answer.headers["etag"]
    again = site.client.get("/static/overloop.css", headers={"If-None-Match": answer.headers["etag"]})
    assert again.status_code == 304
    for path in (
        "/static/../app.py",
        "/static/%2e%2e/app.py",
        "/static/..%2fapp.py",
        "/static/",
        "/static/nothing.css",
    ):
        assert site.client.get(path).status_code == 404


# -- problems -----------------------------------------------------------------------------------------------------


def problem(answer: Any, status: int) -> str:
    """The sentence of a problem document, after checking that it is one."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    found = answer.json()
    assert found["type"] == "about:blank" and found["status"] == status and found["title"]
    detail: str = found["detail"]
    assert re.fullmatch(r"[A-Z{\"].*[.)]", detail, re.DOTALL), f"no whole sentence: {detail}"
    assert "Traceback" not in answer.text and "/monitor/" not in answer.text
    return detail


def test_every_kind_of_error_is_a_document_with_a_whole_sentence(site: Site) -> None:
    id_ = site.incident("NegativeAmounts")
    assert "/nowhere" in problem(site.get("/nowhere"), 404)
    assert "'x'" in problem(site.get("/v1/incidents/x"), 404)
    assert "use GET" in problem(site.ask("PUT", "/v1/incidents", {}), 405)
    assert "use POST" in problem(site.get("/v1/events"), 405)
    both = site.ask("OPTIONS", "/v1/references")
    assert "use GET, POST" in problem(both, 405) and both.headers["allow"] == "GET, POST"
    assert "character 5" in problem(site.post("/v1/silences", b'{"a":', Content_Type="application/json"), 400)
    assert "application/json" in problem(site.post("/v1/silences", b"a=b"), 415)
    assert "body.reason" in problem(site.post("/v1/silences", {}), 422)
    assert "revision 1" in problem(self_conflict(site, id_), 409)
    answer = site.ask("PUT", "/v1/gates/m", {"state": "halt", "reason": "x"}, If_Match='"7"')
    assert "generation 0" in problem(answer, 412)


def self_conflict(site: Site, id_: str) -> Any:
    site.post(f"/v1/incidents/{id_}/assign", {"owner": "kim"})
    return site.post(f"/v1/incidents/{id_}/assign", {"owner": "lee", "revision": 1})


@pytest.mark.parametrize("path", ["/v1/overrides", "/v1/incidents/x/acknowledge", "/v1/login-links"])
def test_a_body_without_end_is_refused_before_it_is_read(site: Site, path: str) -> None:
    announced = site.ask("POST", path, b"[" * (BODY + 1))
    assert "1 MB" in problem(announced, 413)
    headers = {"Authorization": f"Bearer {site.admin}", "Content-Type": "application/json"}
    streamed = site.client.post(path, content=(b" " * 65_536 for _ in range(2 * BODY // 65_536)), headers=headers)
    assert "1 MB" in problem(streamed, 413)


@pytest.mark.parametrize(
    "body",
    [b"[" * 100_000, b'{"a":' * 50_000, b'{"reason": "\xff"}', b'{"reason": NaN}', b"\x00", b"null", b"7", b'"x"', b"[]",
     b'{"reason": "a\\u0000b", "state": "halt"}', b'{"reason": "\\ud800", "state": "halt"}', b'{"state": 1, "reason": []}',
     b'{"state": "halt", "reason": "x", "more": 1}', b'{"state": "halt", "reason": "  "}', b'{"state": "off", "reason": "x"}',
     b'{"state": "halt", "reason": "' + b"x" * 4001 + b'"}'],
    ids=lambda body: repr(body[:24]),
)  # fmt: skip
def test_a_body_that_is_not_what_it_should_be_is_told_so(site: Site, body: bytes) -> None:
    answer = site.ask("PUT", "/v1/gates/shop-eu", body, Content_Type="application/json")
    assert answer.status_code in (400, 422)
    problem(answer, answer.status_code)
    assert site.get("/v1/gates/shop-eu").json()["generation"] == 0


def test_a_fault_of_ours_is_answered_and_logged_without_secrets(site: Site, capsys: Any) -> None:
    site.front.metrics = fails
    assert "its log has the details" in problem(site.get("/metrics"), 500)
    assert "hidden" not in site.get("/metrics").text
    page = site.browse("/metrics?secret=1")
    assert page.status_code == 500
    logged = capsys.readouterr().out
    assert "A request ran into a fault of ours." in logged and "in fails" in logged and "/metrics" in logged
    assert site.admin not in logged and "secret=1" not in logged


def test_a_browser_gets_a_page_where_a_program_gets_a_document(site: Site) -> None:
    for path, status in (
        ("/nowhere", 404),
        ("/incidents/x", 404),
        ("/incidents?state=foo", 422),
        ("/models/none", 404),
    ):
        page = site.browse(path)
        assert page.status_code == status and page.headers["content-type"].startswith("text/html"), path
        assert "<h1>" in page.text and "/incidents" in page.text
        problem(site.get(path), status)
    problem(site.browse("/v1/incidents/x"), 404)
    assert "Please sign in" in site.browse("/incidents", None).text
    assert "www-authenticate" not in site.browse("/incidents", None).headers
    assert "Ask" not in site.browse("/models/<script>alert(1)</script>").text
    assert "<script>" not in site.browse("/models/<script>alert(1)</script>").text


def test_a_query_of_bytes_that_no_address_has_is_an_answer_all_the_same(site: Site) -> None:
    for path in ("/incidents", "/v1/incidents"):
        scope = {
            "type": "http", "method": "GET", "scheme": "http", "path": path, "query_string": b"state=open\x90&model=m",
            "headers": [(b"host", b"127.0.0.1"), (b"authorization", f"Bearer {site.admin}".encode()), (b"accept", b"text/html")],
        }  # fmt: skip
        sent: list[Any] = []

        async def receive() -> Any:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Any, sent: list[Any] = sent) -> None:
            sent.append(message)

        asyncio.run(site.app(scope, receive, send))
        assert sent[0]["status"] == 422, sent


# -- the ledger and the spool are not to be had ---------------------------------------------------------------------


@pytest.fixture
def patience() -> float:
    """Seconds the front waits for the ledger."""
    return 0.5


@pytest.fixture
def elsewhere(site: Site, tmp_path: Any, patience: float) -> Iterator[Database]:
    """The ledger as another process has it open."""
    ledger, locks = tmp_path / "home" / "ledger.db", tmp_path / "home" / "run"
    with Database.open(ledger, locks) as other, Database.open(ledger, locks, patience=patience) as ours:
        site.front.database = site.desk.database = site.front.doorkeeper.database = site.database = ours
        yield other


@pytest.mark.parametrize("patience", [10.0])
def test_a_person_who_acts_while_the_ledger_is_locked_waits_for_it(site: Site, elsewhere: Database) -> None:
    id_ = site.incident()
    answers: list[Any] = []
    thread = threading.Thread(target=lambda: answers.append(site.post(f"/v1/incidents/{id_}/acknowledge")))
    with elsewhere.write(site.clock.at):
        thread.start()
        assert site.get(f"/v1/incidents/{id_}").json()["state"] == "open", "reading goes on"
        thread.join(0.1)
        assert not answers
    thread.join()
    assert answers[0].status_code == 200 and answers[0].json()["state"] == "acknowledged"


def test_a_ledger_that_stays_locked_is_answered_503(site: Site, elsewhere: Database) -> None:
    id_ = site.incident()
    signed_in, link = site.sign_in(), site.post("/v1/login-links", {}).json()["url"]
    secret = {"t": link.split("t=")[1].split("&")[0]}
    with elsewhere.write(site.clock.at):
        later(site.post(f"/v1/incidents/{id_}/acknowledge", {}))
        later(site.ask("PUT", "/v1/gates/m", {"state": "halt", "reason": "x"}))
        later(site.post("/v1/login-links", {}))
        later(site.post("/v1/changes", {"model": "m", "version": "1"}))
        later(site.client.post(f"/incidents/{id_}/acknowledge", headers={**signed_in, "Accept": "*/*"}))
        page = site.client.post(f"/incidents/{id_}/acknowledge", headers=signed_in)
        later(page)
        assert page.headers["content-type"].startswith("text/html")
        later(site.client.post("/login", data=secret, headers=signed_in))
    assert site.post(f"/v1/incidents/{id_}/acknowledge").status_code == 200, "and goes on afterwards"
    assert site.client.post("/login", data=secret, headers=signed_in).status_code == 303


def later(answer: Any) -> None:
    assert answer.status_code == 503 and answer.headers["retry-after"], answer.text
    assert "try again in a few seconds" in answer.text


def test_a_ledger_that_cannot_be_read_is_answered_503_and_its_place_is_told_to_nobody_unknown(
    site: Site, tmp_path: Any
) -> None:
    site.database.close()
    ledger = tmp_path / "home" / "ledger.db"
    ledger.rename(ledger.with_name("gone"))
    site.front.doorkeeper.forget()
    answer = site.get("/v1/incidents")
    assert "tokens cannot be checked" in problem(answer, 503) and answer.headers["retry-after"]
    assert "ledger.db" not in answer.text
    assert site.get("/-/healthy").status_code == 200
    ledger.with_name("gone").rename(ledger)


def test_a_damaged_spool_is_answered_503(site: Site, tmp_path: Any) -> None:
    site.events([{}])
    segment = next((tmp_path / "home" / "spool").rglob("*.db"))
    segment.with_name("00000000000000000009.db").write_bytes(b"no database at all" * 500)
    assert "is damaged" in problem(site.get("/v1/accounting"), 503)
    assert "is damaged" in site.browse("/incidents").text


def test_requests_are_counted_by_route_and_status(site: Site) -> None:
    id_ = site.incident("NegativeAmounts")
    site.get(f"/v1/incidents/{id_}")
    site.get("/v1/incidents/other")
    site.get("/nowhere")
    site.post("/v1/events", b'{"id":"1","model":"m","inputs":{}}')
    site.clock.at += 90
    site.post(f"/v1/incidents/{id_}/acknowledge")
    site.clock.at += 90
    site.post(f"/v1/incidents/{id_}/acknowledge")
    site.post(f"/v1/incidents/{id_}/close", {"verdict": "expected"})
    site.post("/v1/overrides", {"model": "m", "decision_id": "1", "verb": "not_use", "reason": "x"})
    text = site.get("/metrics").text
    seconds = "overloop_http_request_duration_seconds_count"
    for route, code, count in (("/v1/incidents/{id_}", 200, 1), ("/v1/incidents/{id_}", 404, 1), ("other", 404, 1),
                               ("/v1/events", 202, 1)):  # fmt: skip
        assert f'{seconds}{{code="{code}",route="{route}"}} {count}.0' in text, (route, code)
    assert (
        "overloop_alert_ack_duration_seconds_sum 90.0" in text
        and "overloop_alert_ack_duration_seconds_count 1.0" in text
    )
    assert 'overloop_alert_feedback_total{reason="expected",rule="shop/NegativeAmounts"} 1.0' in text
    assert 'overloop_overrides_total{kind="not_use"} 1.0' in text
    assert id_ not in text
