"""Gates over HTTP: parts of a model, two people, who follows, other doors, decisions."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import Any

import pytest

from monitor.core.rules.model import PackTerms
from monitor.runtime.desk_decisions import WAITING
from monitor.store.decisions import Question, ask
from monitor.store.gate_clients import MOST, Applied, applied
from monitor.web import shapes

Site = Any  # of conftest
WHY = {"reason": "it drifts"}
PATH = "/v1/gates/shop-eu"


def put(site: Site, state: str, role: str = "supervisor", path: str = PATH, **more: Any) -> Any:
    return site.ask("PUT", path, {"state": state, **WHY, **more}, role)


def ack(site: Site, client: str, **more: Any) -> Any:
    now = site.get(PATH).json()
    said = {
        "model": "shop-eu",
        "client": client,
        "epoch": now["epoch"],
        "generation": now["generation"],
        "state": "auto",
    }
    return site.post("/v1/gate-acks", {**said, **more}, "ingest").json()


def test_the_most_restrictive_of_what_matches_is_answered_and_one_generation_counts_for_all(site: Site) -> None:
    assert put(site, "review", version="3").json()["scope"] == "shop-eu;version=3"
    assert put(site, "halt", operation="refund").json()["generation"] == 2
    whole = site.get(PATH).json()
    shapes.Gate.model_validate(whole)
    assert (whole["state"], whole["generation"]) == ("auto", 2)
    assert [(s["part"], s["value"], s["state"]) for s in whole["scopes"]] == [
        ("operation", "refund", "halt"),
        ("version", "3", "review"),
    ]
    assert site.get(f"{PATH}?version=3").json()["state"] == "review"
    assert site.get(f"{PATH}?version=3&operation=refund").json()["state"] == "halt"
    assert site.get(f"{PATH}?version=4&segment=a%3Db").json()["state"] == "auto"
    stale = site.ask("PUT", PATH, {"state": "halt", **WHY}, If_Match='"1"')
    assert stale.status_code == 412, "somebody has changed a part of it meanwhile"
    assert put(site, "halt", version="3", operation="refund").status_code == 422
    assert put(site, "auto", operation="refund").json()["scope"] == "shop-eu;operation=refund"


def test_services_say_what_they_applied_and_only_news_is_an_audit_entry(site: Site) -> None:
    site.model()
    assert ack(site, "h/1/a") == {"news": True}
    put(site, "review")
    assert ack(site, "h/1/a", state="review") == {"news": True}
    assert ack(site, "h/1/a", state="review") == {"news": False}
    found = site.get("/v1/gate-clients?model=shop-eu").json()
    shapes.GateClients.model_validate(found)
    assert [(c["client"], c["user"], c["generation"], c["live"]) for c in found["clients"]] == [
        ("h/1/a", "a-ingest", 1, True)
    ]
    site.clock.at += 200
    assert not site.get("/v1/gate-clients?model=shop-eu").json()["clients"][0]["live"]
    entries = site.get("/v1/audit?kind=gate_ack").json()["entries"]
    assert [(e["actor"], e["body"]["generation"]) for e in entries] == [("a-ingest", 1)]


def test_a_drill_that_nobody_follows_fails_names_them_and_leaves_no_gate_behind(site: Site) -> None:
    site.model()
    ack(site, "h/1/a")
    made = site.post("/v1/gate-drills", {"model": "shop-eu", "timeout_seconds": 0.001}, "supervisor")
    assert made.status_code == 201
    found = made.json()
    shapes.GateDrill.model_validate(found)
    assert (found["passed"], found["clients"], found["acknowledged"], found["silent"]) == (False, 1, 0, ["h/1/a"])
    assert site.get(PATH).json()["scopes"] == [] and site.get(PATH).json()["state"] == "auto"
    (kept,) = site.get("/v1/gate-drills?model=shop-eu").json()["drills"]
    shapes.GateDrill.model_validate(kept)
    assert kept == found


def test_a_service_cannot_have_applied_what_was_never_said(site: Site) -> None:
    assert "Nobody knows a model zzz" in ack(site, "h/1/a", model="zzz")["detail"]
    site.model()
    assert "above it" in ack(site, "h/1/a", generation=2**53, drill="halt")["detail"]
    assert "The epoch of the gates is" in ack(site, "h/1/a", epoch="zzz")["detail"]
    assert site.get("/v1/gate-clients?model=shop-eu").json()["clients"] == []
    assert site.get("/v1/audit?kind=gate_ack").json()["entries"] == []


def test_a_service_is_one_audit_entry_for_each_generation(site: Site) -> None:
    put(site, "review")
    put(site, "halt")
    for generation, state in ((1, "review"), (2, "halt"), (2, "auto"), (1, "review"), (2, "halt"), (1, "auto")):
        ack(site, "h/1/a", generation=generation, state=state)
    entries = site.get("/v1/audit?kind=gate_ack").json()["entries"]
    assert sorted(e["body"]["generation"] for e in entries) == [1, 2]
    (client,) = site.get("/v1/gate-clients?model=shop-eu").json()["clients"]
    assert client["generation"] == 2, "what comes late does not hold"


def test_a_new_client_takes_the_place_of_the_one_that_was_silent_longest(site: Site) -> None:
    site.model()
    ack(site, "first")
    site.clock.at += 1
    with site.database.write(site.clock.at) as tx:
        for number in range(MOST - 1):
            applied(tx, Applied("shop-eu", f"invented-{number}", "x", "", 0, "auto"))
    site.clock.at += 1
    assert ack(site, "real") == {"news": True}
    names = {one["client"] for one in site.get("/v1/gate-clients?model=shop-eu").json()["clients"]}
    assert (len(names), "real" in names, "first" in names) == (MOST, True, False)


def test_without_services_there_is_nothing_to_rehearse(site: Site) -> None:
    found = site.post("/v1/gate-drills", {"model": "shop-eu"}).json()
    assert (found["passed"], found["clients"], found["p95_seconds"]) == (False, 0, None)


def test_setting_a_gate_is_answered_by_the_gate_of_the_scope_that_was_set(site: Site) -> None:
    shelf = site.front.shelf
    packs = tuple(replace(one, terms=PackTerms(release=2)) for one in shelf.current.packs)
    shelf.current = replace(shelf.current, packs=packs, digest="another")
    put(site, "halt")
    assert put(site, "auto").status_code == 202
    part = put(site, "review", version="3")
    assert (part.status_code, part.json()["scope"], part.json()["state"]) == (200, "shop-eu;version=3", "review")
    put(site, "halt", version="4")
    first = put(site, "auto", version="4")
    assert (first.status_code, first.json()["state"], first.json()["asked"]["to"]) == (202, "halt", "auto")


def test_a_new_rule_book_reaches_open_streams(site: Site) -> None:
    put(site, "review")
    hub, shelf = site.front.hub, site.front.shelf

    async def terms(frames: AsyncGenerator[bytes]) -> dict[str, Any]:
        async for frame in frames:
            if b"data: " in frame:
                return dict(json.loads(frame.split(b"data: ")[1])["terms"])
        raise AssertionError("the stream has ended")

    async def look() -> list[int]:
        frames = hub.stream("shop-eu")
        found = [(await terms(frames))["deadline_seconds"] for _ in range(2)]  # the second one is remembered
        packs = tuple(replace(one, terms=PackTerms(deadline=7.0)) for one in shelf.current.packs)
        shelf.current = replace(shelf.current, packs=packs, digest="another")
        hub.nudge()
        found.append((await asyncio.wait_for(terms(frames), 2.0))["deadline_seconds"])  # at once, not at the next beat
        await frames.aclose()
        return found

    assert asyncio.run(look()) == [60.0, 60.0, 7.0]


# -- other doors --------------------------------------------------------------------------------------------------


def test_an_openfeature_provider_reads_the_gate_as_a_flag(site: Site) -> None:
    site.model()
    put(site, "halt", version="3")
    key = "/ofrep/v1/evaluate/flags/overloop.gate.shop-eu"
    plain = site.post(key, {"context": {"targetingKey": "u1"}}, "ingest").json()
    assert (plain["key"], plain["value"], plain["variant"], plain["reason"]) == (
        "overloop.gate.shop-eu", "auto", "auto", "STATIC",
    )  # fmt: skip
    third = site.post(key, {"context": {"version": 3}}).json()
    assert (third["value"], third["reason"], third["metadata"]["generation"]) == ("halt", "TARGETING_MATCH", 1)
    for other in ("overloop.gate.never-seen", "dark-mode"):
        missing = site.post(f"/ofrep/v1/evaluate/flags/{other}", {})
        assert (missing.status_code, missing.json()["errorCode"], missing.json()["key"]) == (
            404,
            "FLAG_NOT_FOUND",
            other,
        )
    for body in (b"{", b"[]", b'{"context": 3}'):
        bad = site.post(key, body)
        assert (bad.status_code, bad.json()["errorCode"]) == (400, "INVALID_CONTEXT")


def test_all_flags_come_with_a_tag_and_are_not_sent_twice(site: Site) -> None:
    site.model()
    first = site.post("/ofrep/v1/evaluate/flags", {})
    assert [flag["key"] for flag in first.json()["flags"]] == ["overloop.gate.shop-eu"]
    again = site.post("/ofrep/v1/evaluate/flags", {}, If_None_Match=first.headers["etag"])
    assert again.status_code == 304 and again.content == b""
    put(site, "review")
    changed = site.post("/ofrep/v1/evaluate/flags", {}, If_None_Match=first.headers["etag"])
    assert changed.json()["flags"][0]["value"] == "review"


@pytest.mark.parametrize(
    ("state", "confirm", "rollback"), [("auto", 200, 409), ("review", 409, 409), ("halt", 409, 200)]
)
def test_rollouts_go_on_stop_and_roll_back_as_the_gate_says(
    site: Site, state: str, confirm: int, rollback: int
) -> None:
    put(site, state)
    secret = base64.b64encode(f"overloop:{site.token('ingest')}".encode()).decode()
    hook = {"Authorization": f"Basic {secret}"}
    body = {"name": "shop", "namespace": "prod", "phase": "Progressing"}
    at = "/v1/integrations/flagger/shop-eu"
    assert site.post(f"{at}/confirm", body, None, **hook).status_code == confirm
    assert site.post(f"{at}/rollback", body, "ingest").status_code == rollback
    metric = site.get("/v1/integrations/argo/shop-eu", "ingest").json()
    shapes.RolloutGate.model_validate(metric)
    assert metric["state"] == state


@pytest.mark.parametrize("secret", ["", "!", "b3ZlcmxvYXA6", "b3ZlcmxvYXA6eA==", "/w=="])
def test_a_hook_with_a_wrong_password_is_turned_away(site: Site, secret: str) -> None:
    answer = site.post("/v1/integrations/flagger/m/confirm", {}, None, Authorization=f"Basic {secret}")
    assert answer.status_code == 401


# -- decisions ----------------------------------------------------------------------------------------------------

ASK = {
    "model": "shop-eu", "decision_id": "tx-1", "inputs": {"amount": 12, "password": "x", "card": "4111"},
    "proposed": {"label": "approve"}, "fallback": {"label": "deny"}, "deadline_seconds": 60,
}  # fmt: skip


def test_a_service_asks_a_person_decides_and_the_service_reads_what_holds(site: Site) -> None:
    made = site.post("/v1/decisions", ASK, "ingest")
    assert made.status_code == 201
    asked = made.json()
    shapes.Decision.model_validate(asked)
    assert (
        asked["state"] == "waiting" and asked["inputs"]["card"].startswith("h:") and "password" not in asked["inputs"]
    )
    assert site.post("/v1/decisions", ASK, "ingest").json() == asked, "asked twice it is one decision"
    path = f"/v1/decisions/{asked['id']}"
    listed = site.get("/v1/decisions?state=waiting").json()
    shapes.Decisions.model_validate(listed)
    assert [one["id"] for one in listed["decisions"]] == [asked["id"]]
    verdict = {"verdict": "change", "answer": {"label": "step-up"}, "reason": "new device"}
    assert site.post(f"{path}/decide", {**verdict, "answer": None}, "supervisor").status_code == 409
    assert site.post(f"{path}/decide", verdict, "supervisor").json()["state"] == "changed"
    read = site.get(f"{path}?wait=20", "ingest").json()
    assert (read["answer"], read["decided_by"], read["reason"]) == ({"label": "step-up"}, "a-supervisor", "new device")
    late = site.post(f"{path}/decide", {"verdict": "approve", "reason": "x"}, "supervisor")
    assert late.status_code == 409 and "the service has gone on" in late.json()["detail"]
    kinds = [e["kind"] for e in site.get("/v1/audit").json()["entries"] if e["kind"].startswith("deci")]
    assert sorted(kinds) == ["decided", "decision_asked"]


@pytest.mark.parametrize("name", ["inputs", "proposed", "fallback"])
def test_by_the_id_of_one_answer_nobody_is_asked_about_another(site: Site, name: str) -> None:
    asked = site.post("/v1/decisions", ASK, "ingest").json()
    other = site.post("/v1/decisions", {**ASK, name: {"label": "pay"}}, "ingest")
    assert other.status_code == 409 and "a decision_id of its own" in other.json()["detail"]
    assert site.get("/v1/decisions").json()["decisions"] == [asked]


def test_answers_that_are_out_do_not_keep_others_from_being_asked_about(site: Site) -> None:
    with site.database.write(site.clock.at) as tx:
        for number in range(WAITING):
            ask(tx, Question(str(number), "shop-eu", str(number), "post", {}, 1, 0, "x", site.clock.at + 600))
    refused = site.post("/v1/decisions", {**ASK, "mode": "post"}, "ingest")
    assert refused.status_code == 409 and "wait for a person already" in refused.json()["detail"]
    assert site.post("/v1/decisions", ASK, "ingest").status_code == 201


@pytest.mark.parametrize("name", ["inputs", "proposed", "fallback"])
@pytest.mark.parametrize("value", ['{"x":"\\ud800"}', '{"\\udfff":1}', '{"x":[{"y":"a\\ud800"}]}'])
def test_half_a_character_is_refused_before_anybody_has_to_read_it(site: Site, name: str, value: str) -> None:
    text = '{"model":"shop-eu","decision_id":"d","proposed":1,"%s":%s}' % (name, value)  # noqa: UP031
    asked = site.ask("POST", "/v1/decisions", text.encode(), "ingest", Content_Type="application/json")
    assert asked.status_code == 422 and "surrogates" in asked.text
    id_ = site.post("/v1/decisions", ASK, "ingest").json()["id"]
    text = '{"verdict":"change","reason":"x","answer":%s}' % value  # noqa: UP031
    path = f"/v1/decisions/{id_}/decide"
    done = site.ask("POST", path, text.encode(), "supervisor", Content_Type="application/json")
    assert done.status_code == 422 and "surrogates" in done.text
    assert [one["id"] for one in site.get("/v1/decisions").json()["decisions"]] == [id_]


def test_secrets_in_a_list_are_not_kept(site: Site) -> None:
    hidden = [{"password": "hunter2", "card": "4111"}, [{"deep": [{"password": "hunter2"}]}], 3, "text"]
    asked = site.post("/v1/decisions", {**ASK, "proposed": hidden, "fallback": hidden}, "ingest").json()
    assert "hunter2" not in json.dumps(asked) and asked["proposed"] == asked["fallback"]
    first, second, *rest = asked["proposed"]
    assert first["card"].startswith("h:") and (second, rest) == ([{"deep": [{}]}], [3, "text"])


def test_after_the_deadline_what_is_safe_holds_and_is_written_down(site: Site) -> None:
    asked = site.post("/v1/decisions", ASK, "ingest").json()
    site.clock.at += 61
    path = f"/v1/decisions/{asked['id']}"
    assert site.get(path).json()["state"] == "expired"
    assert site.post(f"{path}/decide", {"verdict": "approve", "reason": "x"}).status_code == 409
    assert site.desk.decisions_expire(site.clock.at) is None
    read = site.get(path).json()
    assert (read["state"], read["answer"], read["decided_by"]) == ("expired", {"label": "deny"}, "machine")
    (entry,) = site.get("/v1/audit?kind=decided").json()["entries"]
    assert (entry["actor"], entry["body"]["state"]) == ("machine", "expired")


def test_people_set_gates_and_decide_on_pages_and_are_told_why_not(site: Site) -> None:
    site.model()
    asked = site.post("/v1/decisions", ASK, "ingest").json()
    headers = site.sign_in("supervisor")
    form = {"state": "halt", "reason": "it drifts", "generation": "0"}
    done = site.client.post("/models/shop-eu/gate", data=form, headers=headers)
    assert (done.status_code, done.headers["location"]) == (303, "/models/shop-eu?said=set#gate")
    again = site.client.post("/models/shop-eu/gate", data={**form, "state": "auto", "reason": "<b>"}, headers=headers)
    assert again.status_code == 409 and "changed meanwhile" in again.text and "&lt;b&gt;" in again.text
    page = site.browse("/decisions").text
    assert "tx-1 of" in page and "The service waits until" in page and "4111" not in page
    path = f"/decisions/{asked['id']}"
    refused = site.client.post(path, data={"verdict": "change", "reason": "so"}, headers=headers)
    assert refused.status_code == 409 and "Nothing was decided" in refused.text
    verdict = {"verdict": "change", "reason": "so", "answer": json.dumps({"label": "deny"})}
    assert site.client.post(path, data=verdict, headers=headers).headers["location"] == "/decisions?said=decided"
    assert site.get(f"/v1/decisions/{asked['id']}").json()["answer"] == {"label": "deny"}
    assert "Deciding takes the role" not in site.browse("/decisions", "viewer").text, "nothing waits"
