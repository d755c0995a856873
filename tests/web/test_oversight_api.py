"""Overrides, gates, silences, references, models, deploys, audit and totals over HTTP."""

from __future__ import annotations

import re
import threading
from typing import Any

import pytest

from monitor.web import shapes

Site = Any  # of conftest
OVERRIDE = {"model": "shop-eu", "decision_id": "d-1", "verb": "not_use", "reason": "the customer called"}
MATCHER = {"name": "model", "value": "shop-eu"}
SILENCE = {"matchers": [MATCHER], "reason": "planned work"}


# -- overrides ----------------------------------------------------------------------------------------------------


def test_the_four_verbs(site: Site) -> None:
    made = site.post("/v1/overrides", OVERRIDE, "supervisor")
    assert made.status_code == 201
    shapes.Override.model_validate(made.json())
    assert made.json()["by"] == "a-supervisor" and made.json()["answer"] is None
    site.clock.at += 1
    other = {
        **OVERRIDE,
        "verb": "override",
        "answer": {"label": "no", "nested": [1, 2.5, None, "é"]},
        "note": "by hand",
    }
    assert site.post("/v1/overrides", other).json()["answer"] == other["answer"]
    site.clock.at += 1
    assert site.post("/v1/overrides", {**OVERRIDE, "verb": "disregard"}).status_code == 201
    site.clock.at += 1
    back = site.post("/v1/overrides", {**OVERRIDE, "verb": "reverse", "reverses": made.json()["id"]})
    assert back.status_code == 201 and back.json()["reverses"] == made.json()["id"]
    listed = site.get("/v1/overrides?model=shop-eu").json()
    shapes.Overrides.model_validate(listed)
    assert [o["verb"] for o in listed["overrides"]] == ["reverse", "disregard", "override", "not_use"]
    assert len(site.get("/v1/overrides?limit=2").json()["overrides"]) == 2
    assert site.get("/v1/overrides?model=other").json() == {"overrides": []}


def deep(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("changed", "status", "said"),
    [
        ({"verb": "ignore"}, 422, "body.verb"),
        ({"reason": ""}, 422, "body.reason"),
        ({"model": "x" * 201}, 422, "body.model"),
        ({"model": "a\nb"}, 422, "body.model"),
        ({"decision_id": ""}, 422, "body.decision_id"),
        ({"more": 1}, 422, "body.more"),
        ({"verb": "override"}, 422, "needs an answer"),
        ({"verb": "reverse"}, 422, "needs reverses"),
        ({"reverses": "x"}, 404, "There is no override 'x'"),
        ({"verb": "reverse", "reverses": "x"}, 404, "There is no override 'x'"),
        ({"verb": "override", "answer": deep(21)}, 422, "20 deep"),
        ({"verb": "override", "answer": "x" * 17_000}, 422, "16,384"),
        ({"verb": "override", "answer": {"a": "b\0"}}, 422, "NUL"),
    ],
)
def test_an_override_that_cannot_be_is_refused(site: Site, changed: Any, status: int, said: str) -> None:
    answer = site.post("/v1/overrides", {**OVERRIDE, **changed})
    assert answer.status_code == status and said in answer.json()["detail"]
    assert site.get("/v1/overrides").json() == {"overrides": []}


def test_an_answer_that_is_no_number_is_refused(site: Site) -> None:
    body = b'{"model":"m","decision_id":"1","verb":"override","reason":"x","answer":{"score":NaN}}'
    answer = site.post("/v1/overrides", body, Content_Type="application/json")
    assert answer.status_code == 422 and "NaN" in answer.json()["detail"]


# -- gates --------------------------------------------------------------------------------------------------------


def test_a_gate_nobody_has_set_is_auto_at_generation_0(site: Site) -> None:
    gate = site.get("/v1/gates/never-seen", "ingest").json()
    shapes.Gate.model_validate(gate)
    assert set(gate) >= {"scope", "state", "epoch", "generation", "reason", "since", "by", "lease_seconds"}
    assert (gate["scope"], gate["state"], gate["generation"], gate["since"]) == ("never-seen", "auto", 0, None)
    assert gate["lease_seconds"] > 0 and gate["epoch"]


def test_setting_a_gate_with_if_match_is_refused_when_somebody_was_faster(site: Site) -> None:
    path = "/v1/gates/shop-eu"
    first = site.get(path)
    assert first.headers["etag"] == '"0"'
    body = {"state": "halt", "reason": "it drifts"}
    made = site.ask("PUT", path, body, "supervisor", If_Match=first.headers["etag"])
    assert made.status_code == 200 and made.headers["etag"] == '"1"'
    shapes.Gate.model_validate(made.json())
    assert (made.json()["state"], made.json()["by"], made.json()["generation"]) == ("halt", "a-supervisor", 1)
    late = site.ask("PUT", path, {"state": "auto", "reason": "fine"}, If_Match='"0"')
    assert late.status_code == 412
    assert (late.json()["state"], late.json()["generation"], late.json()["status"]) == ("halt", 1, 412)
    assert site.ask("PUT", path, body, If_Match="1").json()["generation"] == 1, "setting what is set changes nothing"
    assert site.ask("PUT", path, {"state": "auto", "reason": "fine"}, If_Match="*").json()["generation"] == 2
    assert site.ask("PUT", path, {"state": "review", "reason": "x"}).json()["generation"] == 3
    assert site.get("/v1/gates").json()["gates"][0]["state"] == "review"


@pytest.mark.parametrize("match", ['"x"', "²", "1" * 5000, "-1", "", '"1", "2"', "1.0"])
def test_an_if_match_that_is_no_generation_is_told_so(site: Site, match: str) -> None:
    headers = {"If_Match": match.encode()}  # type: ignore[dict-item]
    answer = site.ask("PUT", "/v1/gates/shop-eu", {"state": "halt", "reason": "x"}, **headers)
    assert answer.status_code == 422 and "whole number" in answer.json()["detail"]


def test_of_many_who_set_a_gate_from_the_same_generation_one_does(site: Site) -> None:
    codes: list[int] = []

    def go(n: int) -> None:
        body = {"state": "review" if n % 2 else "halt", "reason": f"reason {n}"}
        codes.append(site.ask("PUT", "/v1/gates/shop-eu", body, If_Match='"0"').status_code)

    threads = [threading.Thread(target=go, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(codes) == [200] + [412] * 5
    assert site.get("/v1/gates/shop-eu").json()["generation"] == 1


@pytest.mark.parametrize("model", ["a/b", "a/b/retire", "a b", "é🔥", "100%", "a+b", "q?x=1", "#1", "a\\b"])
def test_a_model_may_have_any_printable_name(site: Site, model: str) -> None:
    from urllib.parse import quote

    site.model(model)
    name = quote(model, safe="")
    assert site.ask("PUT", f"/v1/gates/{name}", {"state": "halt", "reason": "x"}).json()["scope"] == model
    assert site.get(f"/v1/gates/{name}").json()["state"] == "halt"
    assert site.get(f"/v1/models/{name}").json()["model"] == model
    assert site.browse(f"/models/{name}").status_code == 200
    kind = {"column": "inputs.amount", "kind": "category"}
    assert site.post(f"/v1/models/{name}/columns", kind).json()["columns"]["inputs.amount"] == "category"
    assert site.post(f"/v1/models/{name}/retire", {"reason": "gone"}).json()["retired_at"]


@pytest.mark.parametrize("name", ["a%00b", "a%0Ab", "%20", "x" * 201, "%E2%80%AE"])
def test_a_name_that_no_model_can_have_is_refused(site: Site, name: str) -> None:
    assert site.get(f"/v1/gates/{name}").status_code in (404, 422)
    assert site.get(f"/v1/models/{name}").status_code in (404, 422)


# -- silences -----------------------------------------------------------------------------------------------------


def test_a_silence_is_added_listed_and_ended(site: Site) -> None:
    id_ = site.incident()
    made = site.post("/v1/silences", {**SILENCE, "for_seconds": 60}, "operator")
    assert made.status_code == 201
    shapes.SilenceAdded.model_validate(made.json())
    assert (made.json()["state"], made.json()["created_by"], made.json()["matches_now"]) == (
        "active",
        "a-operator",
        [id_],
    )
    later = {**SILENCE, "starts_at": "2099-01-01T00:00:00+01:00", "ends_at": "2099-01-02T00:00:00Z"}
    assert site.post("/v1/silences", later).json()["starts_at"] == "2098-12-31T23:00:00Z"
    listed = site.get("/v1/silences").json()
    shapes.Silences.model_validate(listed)
    assert [s["state"] for s in listed["silences"]] == ["active", "pending"]
    assert site.ask("DELETE", f"/v1/silences/{made.json()['id']}").json()["state"] == "expired"
    assert len(site.get("/v1/silences").json()["silences"]) == 1


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({}, "either ends_at or for_seconds"),
        ({"for_seconds": 60, "ends_at": "2099-01-02T00:00:00Z"}, "either ends_at or for_seconds"),
        ({"for_seconds": 1e300}, "for_seconds"),
        ({"for_seconds": -1}, "for_seconds"),
        ({"ends_at": "tomorrow"}, "ends_at: 'tomorrow' is no RFC 3339 time"),
        ({"ends_at": "2099-01-02T00:00:00"}, "has no zone"),
        ({"ends_at": "2099-01-02T00:00:00Z"}, "at most 30 days"),
        ({"ends_at": "2001-01-02T00:00:00Z"}, "would have ended"),
        ({"starts_at": "x" * 100, "for_seconds": 60}, "starts_at"),
        ({"matchers": [], "for_seconds": 60}, "matchers"),
        ({"matchers": [MATCHER] * 21, "for_seconds": 60}, "matchers"),
        ({"matchers": [{"name": "owner", "value": "x"}], "for_seconds": 60}, "matchers.0.name"),
        ({"matchers": [{**MATCHER, "operator": "~"}], "for_seconds": 60}, "matchers.0.operator"),
        ({"matchers": [{**MATCHER, "operator": "=~", "value": "("}], "for_seconds": 60}, "pattern '('"),
        ({"matchers": [{**MATCHER, "operator": "=~", "value": r"(a)\1"}], "for_seconds": 60}, "cannot be used"),
        ({"reason": "", "for_seconds": 60}, "reason"),
    ],
)
def test_a_silence_that_cannot_be_is_422(site: Site, changed: Any, said: str) -> None:
    answer = site.post("/v1/silences", {**SILENCE, **changed})
    assert answer.status_code == 422 and said in answer.json()["detail"], answer.text
    assert site.get("/v1/silences").json() == {"silences": []}


# -- models, references, deploys ------------------------------------------------------------------------------------


def test_models_are_listed_and_shown_with_columns_versions_and_deploys(site: Site) -> None:
    site.model()
    listed = site.get("/v1/models").json()
    shapes.Models.model_validate(listed)
    assert listed["models"][0]["columns"] == {"inputs.amount": "number", "output.label": "category"}
    shown = site.get("/v1/models/shop-eu").json()
    shapes.ModelInFull.model_validate(shown)
    assert shown["versions"] == ["2", "3"] and shown["deploys"] == []
    assert site.get("/v1/models/other").status_code == 404
    assert site.post("/v1/models/shop-eu/retire", {"reason": "gone"}).json()["retired_at"]
    assert site.get("/v1/models").json() == {"models": []}
    assert site.get("/v1/models/shop-eu").status_code == 200


@pytest.mark.parametrize(
    "body", [{"column": "amount", "kind": "number"}, {"column": "inputs.amount", "kind": "int"}, {}]
)
def test_a_kind_of_a_column_that_cannot_be_is_422(site: Site, body: Any) -> None:
    site.model()
    assert site.post("/v1/models/shop-eu/columns", body).status_code == 422


def test_a_new_normal_is_accepted_and_listed(site: Site) -> None:
    site.model()
    made = site.post(
        "/v1/references", {"model": "shop-eu", "rule": "shop/ScoreShift", "reason": "a sale"}, "supervisor"
    )
    assert made.status_code == 201
    shapes.Reference.model_validate(made.json())
    listed = site.get("/v1/references?model=shop-eu").json()
    shapes.References.model_validate(listed)
    assert listed["references"][0]["author"] == "a-supervisor"
    assert site.post("/v1/references", {"model": "other", "reason": "x"}).status_code == 404
    refused = site.post("/v1/references", {"model": "shop-eu", "rule": "shop/Nothing", "reason": "x"})
    assert refused.status_code == 409 and "pack/Rule" in refused.json()["detail"]


def test_a_deploy_is_on_record_and_shown_with_its_model_and_its_incidents(site: Site) -> None:
    site.model()
    site.clock.at += 1
    told = site.post("/v1/changes", {"model": "shop-eu", "version": "4", "note": "new <tree>"}, "ingest")
    assert told.status_code == 202
    shapes.DeployTold.model_validate(told.json())
    old = {"model": "shop-eu", "version": "1", "at": "2020-05-05T10:00:00+02:00"}
    assert site.post("/v1/changes", old, "operator").json()["at"] == "2020-05-05T08:00:00Z"
    site.post("/v1/changes", {"model": "other", "version": "9", "note": '"model":"shop-eu"'})
    deploys = site.get("/v1/models/shop-eu").json()["deploys"]
    assert [(d["version"], d["by"], d["note"]) for d in deploys] == [
        ("1", "a-operator", None),
        ("4", "a-ingest", "new <tree>"),
    ]
    entry = site.get("/v1/audit?kind=model_version&limit=1000").json()["entries"][-1]
    assert (entry["actor"], entry["body"]["version"], entry["body"]["note"]) == ("a-ingest", "4", "new <tree>")
    id_ = site.incident()
    page = site.browse(f"/incidents/{id_}").text
    assert "Version 4 of the model was put in service: new &lt;tree&gt;" in page and "Version 1" not in page
    assert "version 4, told by a-ingest: new &lt;tree&gt;" in site.browse("/models/shop-eu").text


@pytest.mark.parametrize(
    "body",
    [{"model": "m"}, {"version": "1"}, {"model": "", "version": "1"}, {"model": "m", "version": "1", "at": "now"},
     {"model": "m", "version": "1", "at": 5}, {"model": "m", "version": 1}, {"model": "m", "version": "1", "who": "me"}],
)  # fmt: skip
def test_a_deploy_that_says_too_little_or_too_much_is_422(site: Site, body: Any) -> None:
    assert site.post("/v1/changes", body).status_code == 422


# -- audit and totals -----------------------------------------------------------------------------------------------


def test_the_audit_log_is_read_page_by_page(site: Site) -> None:
    for n in range(5):
        site.post("/v1/changes", {"model": "m", "version": str(n)})
    page = site.get("/v1/audit?limit=2").json()
    shapes.Entries.model_validate(page)
    seqs = [entry["seq"] for entry in page["entries"]]
    while page["next"] is not None:
        page = site.get(f"/v1/audit?limit=2&before={page['next']}").json()
        seqs += [entry["seq"] for entry in page["entries"]]
    assert seqs == list(range(len(seqs)))[::-1]
    assert len(site.get("/v1/audit?kind=model_version").json()["entries"]) == 5
    head = site.get("/v1/audit/head").json()
    shapes.Head.model_validate(head)
    assert head["size"] == len(seqs) and head["against"] == f"{head['size']}:{head['root']}"
    assert re.fullmatch(r"[0-9a-f]{64}", head["root"])


@pytest.mark.parametrize(
    "query", ["kind=foo", "limit=0", "limit=1001", "before=-1", "before=x", "before=99999999999999999999"]
)
def test_a_query_of_the_audit_log_that_makes_no_sense_is_422(site: Site, query: str) -> None:
    answer = site.get(f"/v1/audit?{query}")
    assert answer.status_code == 422 and query.split("=")[0] in answer.json()["detail"]


def test_every_event_is_accounted_for(site: Site) -> None:
    post = b'{"id":"1","model":"m","inputs":{}}\nbroken\n{"id":"1","model":"m","inputs":{}}\n{"id":"2","model":"m","inputs":{}}'
    assert site.post("/v1/events", post, "ingest").json()["accepted"] == 2
    assert site.post("/v1/events", b"", "ingest", Content_Encoding="br").status_code == 415
    assert site.post("/v1/truth", b'{"id":"1","model":"m","truth":{"y":1}}', "ingest").status_code == 202
    found = site.get("/v1/accounting").json()
    shapes.Accounting.model_validate(found)
    assert found["received"] == found["accepted"] + found["rejected"] + found["duplicates"] == 4
    assert found["accepted"] == found["observed"] + found["waiting"] + found["quarantined"] == 2
    assert (found["rejected"], found["duplicates"], found["truth_accepted"]) == (1, 1, 1)
    assert found["dedup_since"].endswith("Z")


def test_a_fresh_home_has_nothing_to_account_for(site: Site) -> None:
    found = site.get("/v1/accounting").json()
    assert sum(value for value in found.values() if isinstance(value, int)) == 0
