"""Health, the engine's turn, reload, and the description of the whole interface."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from fastapi.openapi.models import OpenAPI

from monitor.web import shapes
from monitor.web.openapi import ANSWERS

Site = Any  # of conftest
WORD = {
    "ready": True,
    "turns": 7,
    "seq": 3,
    "at": 1_800_000_000.0,
    "pid": 1,
    "waiting": "",
    "began": 1e12,
    "unwatched": 0,
    "partitions": [0],
}


def test_it_is_ready_once_events_are_taken_and_the_engine_has_said_so(site: Site) -> None:
    assert site.get("/-/healthy", None).json() == {"status": "healthy"}
    waiting = site.get("/-/ready", None)
    assert waiting.status_code == 503 and waiting.headers["retry-after"] == "1"
    assert "the engine is still starting" in waiting.json()["detail"]
    site.front.engine = lambda: WORD
    assert site.get("/-/ready", None).json() == {"status": "ready"}


def test_readiness_says_what_is_waited_for_and_that_something_was_lost_but_not_what(site: Site) -> None:
    site.front.engine = lambda: {"ready": False, "waiting": "spool"}
    assert "the engine waits for the spool" in site.get("/-/ready", None).json()["detail"]
    site.front.engine = lambda: {**WORD, "losses": ["Rule secret/Name on model m starts learning afresh."]}
    ready = site.get("/-/ready", None)
    assert ready.status_code == 200 and "was lost" in ready.json()["remark"] and "secret" not in ready.text


def test_the_engine_route_answers_with_a_turn_that_began_after_the_question(site: Site) -> None:
    words = iter([{**WORD, "began": 0.0}, {"ready": False}, WORD])
    site.front.engine = lambda: dict(next(words))
    answer = site.get("/-/engine", "ingest")
    assert answer.status_code == 200
    assert answer.json()["at"] == "2027-01-15T08:00:00Z"
    shapes.Turn.model_validate(answer.json())
    assert next(words, None) is None, "it asked until then"


def test_a_reload_takes_the_rules_on_disk_or_keeps_the_old_ones(make_site: Callable[..., Site], tmp_path: Any) -> None:
    site = make_site()
    changed: list[int] = []
    site.front.changed = lambda: changed.append(1)
    pack = tmp_path / "rules" / "tiny" / "pack.yaml"
    pack.parent.mkdir(parents=True)
    pack.write_text('pack: tiny\nmodels: ["*"]\nrules:\n- alert: Quiet\n  absent: {for: 5m}\n  severity: low\n')
    site.front.shelf.folders = (pack.parent,)
    answer = site.post("/-/reload")
    shapes.Loaded.model_validate(answer.json())
    assert (answer.json()["packs"], answer.json()["rules"], changed) == (["tiny"], 1, [1])
    assert "Quiet" in site.browse("/rules").text
    pack.write_text(pack.read_text().replace("absent", "absnet"))
    refused = site.post("/-/reload")
    assert refused.status_code == 422 and changed == [1]
    assert any("tiny/pack.yaml" in line and "absnet" in line for line in refused.json()["problems"])
    assert "Quiet" in site.browse("/rules").text, "the old ones stay in force"
    assert [e["kind"] for e in site.get("/v1/audit?limit=2").json()["entries"]] == ["book_refused", "book_loaded"]


def test_metrics_are_in_the_text_format(site: Site) -> None:
    answer = site.get("/metrics", "viewer")
    assert answer.headers["content-type"].startswith("text/plain") and "overloop_build_info" in answer.text


def refs(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for inner in value.values():
            yield from refs(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from refs(inner)


def test_the_description_is_valid_and_whole(site: Site) -> None:
    schema = site.get("/openapi.json", "ingest").json()
    assert schema["openapi"].startswith("3.1") and schema["info"]["title"] == "Overloop"
    OpenAPI.model_validate(schema)
    for ref in refs(schema):
        name = ref.removeprefix("#/components/schemas/")
        assert name in schema["components"]["schemas"], ref
    operations = {(m.upper(), p): o for p, methods in schema["paths"].items() for m, o in methods.items()}
    assert len({o["operationId"] for o in operations.values()}) == len(operations)
    for (method, path), operation in operations.items():
        named = {p["name"] for p in operation.get("parameters", []) if p["in"] == "path"}
        assert named == set(re.findall(r"{(\w+)}", path)), f"{method} {path}"
        answers = {code for code in operation["responses"] if code.startswith("2")}
        assert len(answers) == 1 and operation["responses"]["default"]["content"] == {
            "application/problem+json": {"schema": {"$ref": "#/components/schemas/ProblemDocument"}}
        }
        assert operation["security"] == ([] if path in ("/-/healthy", "/-/ready") else [{"token": []}])
        assert operation["summary"] and operation.get("description"), f"{method} {path} says nothing of itself"


def test_the_description_has_every_route_for_programs_with_its_answer(site: Site) -> None:
    from monitor.web import app

    schema = site.get("/openapi.json").json()
    described = {(m.upper(), p) for p, methods in schema["paths"].items() for m in methods}
    routes = {(m, r.path_format) for part in app.FOR_PROGRAMS for r in part.router.routes for m in r.methods}
    assert described == (routes - {("GET", "/openapi.json")}) | {("POST", "/v1/events"), ("POST", "/v1/truth")}
    assert described - set(ANSWERS) == {("GET", "/metrics")}
    for kind in ("events", "truth"):
        intake = schema["paths"][f"/v1/{kind}"]["post"]
        line = intake["requestBody"]["content"]["application/json"]["schema"]["oneOf"][0]
        assert {"id", "model"} <= set(line["required"]) and "application/x-ndjson" in intake["requestBody"]["content"]
        answer = intake["responses"]["202"]["content"]["application/json"]["schema"]["$ref"]
        assert answer.endswith("/Taken")
        assert {p["name"] for p in intake["parameters"]} >= {"Overloop-Producer", "Overloop-Sequence"}


def test_the_description_names_the_bodies_people_send(site: Site) -> None:
    schemas = site.get("/openapi.json").json()["components"]["schemas"]
    assert schemas["OverrideBody"]["properties"]["verb"]["enum"] == ["not_use", "disregard", "override", "reverse"]
    assert schemas["SilenceBody"]["properties"]["matchers"]["items"]["$ref"] == "#/components/schemas/MatcherBody"
    assert set(schemas["Incident"]["properties"]) > set(schemas["Listed"]["properties"])
    assert schemas["AcknowledgeBody"]["additionalProperties"] is False
