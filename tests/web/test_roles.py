"""Who may do what, route by route. A route without a line here fails the last test."""

from __future__ import annotations

from typing import Any

import pytest

from monitor.web import app
from monitor.web.doors import RAW

Site = Any  # of conftest
EVERYBODY = {"viewer", "operator", "supervisor", "admin"}
OPERATORS = EVERYBODY - {"viewer"}
SUPERVISORS = OPERATORS - {"operator"}
ADMIN = {"admin"}
MACHINES = {"ingest"}
EVENT = b'{"id":"role","model":"shop-eu","inputs":{"amount":1}}'
TRUTH = b'{"id":"role","model":"shop-eu","truth":{"label":"yes"}}'
REASON = {"reason": "as agreed"}
MATCHER = {"name": "model", "value": "shop-eu"}
SILENCE = {
    "matchers": [MATCHER],
    "startsAt": "2026-11-24T08:00:00Z",
    "endsAt": "2026-11-24T09:00:00Z",
    "comment": "x",
}
ACK = {"model": "shop-eu", "client": "h/1/a", "epoch": "e", "generation": 0, "state": "auto"}
# method, path, who may, and what they send; ID stands for an incident that does not latch
ROUTES: list[tuple[str, str, set[str], Any]] = [
    ("GET", "/v1/incidents", EVERYBODY, None),
    ("GET", "/v1/incidents/{id_}", EVERYBODY, None),
    ("POST", "/v1/incidents/{id_}/acknowledge", OPERATORS, {}),
    ("POST", "/v1/incidents/{id_}/release", OPERATORS, {}),
    ("POST", "/v1/incidents/{id_}/note", OPERATORS, {"note": "seen"}),
    ("POST", "/v1/incidents/{id_}/assign", OPERATORS, {"owner": "kim"}),
    ("POST", "/v1/incidents/{id_}/close", OPERATORS, {}),
    ("POST", "/v1/incidents/{id_}/reopen", OPERATORS, {}),
    ("POST", "/v1/incidents/{id_}/verdict", OPERATORS, {"verdict": "real"}),
    ("GET", "/v1/overrides", EVERYBODY, None),
    ("POST", "/v1/overrides", SUPERVISORS, {"model": "m", "decision_id": "1", "verb": "not_use", **REASON}),
    ("GET", "/v1/gates", EVERYBODY, None),
    ("GET", "/v1/gates/{model}", EVERYBODY | MACHINES, None),
    ("PUT", "/v1/gates/{model}", SUPERVISORS, {"state": "review", **REASON}),
    ("POST", "/v1/gate-acks", ADMIN | MACHINES, ACK),
    ("GET", "/v1/gate-clients", EVERYBODY, None),
    ("GET", "/v1/gate-drills", EVERYBODY, None),
    ("POST", "/v1/gate-drills", SUPERVISORS, {"model": "shop-eu"}),
    ("GET", "/v1/decisions", EVERYBODY, None),
    ("POST", "/v1/decisions", ADMIN | MACHINES, {"model": "shop-eu", "decision_id": "1", "proposed": 1}),
    ("GET", "/v1/decisions/{id_}", EVERYBODY | MACHINES, None),
    ("POST", "/v1/decisions/{id_}/decide", SUPERVISORS, {"verdict": "approve", **REASON}),
    ("POST", "/v1/integrations/flagger/{model}/confirm", EVERYBODY | MACHINES, None),
    ("POST", "/v1/integrations/flagger/{model}/rollback", EVERYBODY | MACHINES, None),
    ("GET", "/v1/integrations/argo/{model}", EVERYBODY | MACHINES, None),
    ("POST", "/ofrep/v1/evaluate/flags", EVERYBODY | MACHINES, None),
    ("POST", "/ofrep/v1/evaluate/flags/{key}", EVERYBODY | MACHINES, None),
    ("GET", "/v1/silences", EVERYBODY, None),
    ("POST", "/v1/silences", OPERATORS, {"matchers": [MATCHER], "for_seconds": 60, **REASON}),
    ("DELETE", "/v1/silences/{id_}", OPERATORS, None),
    ("GET", "/v1/receivers", EVERYBODY, None),
    ("POST", "/v1/receivers/{name}/test", OPERATORS, None),
    ("GET", "/v1/receivers/{name}/tests/{id_}", EVERYBODY, None),
    ("DELETE", "/v1/receivers/{name}/links", ADMIN, None),
    ("GET", "/api/v2/alerts", EVERYBODY, None),
    ("GET", "/api/v2/silences", EVERYBODY, None),
    ("POST", "/api/v2/silences", OPERATORS, SILENCE),
    ("GET", "/api/v2/silence/{id_}", EVERYBODY, None),
    ("DELETE", "/api/v2/silence/{id_}", OPERATORS, None),
    ("GET", "/api/v2/status", EVERYBODY, None),
    ("GET", "/api/v2/receivers", EVERYBODY, None),
    ("GET", "/api/v1/rules", EVERYBODY, None),
    ("GET", "/api/v1/alerts", EVERYBODY, None),
    ("GET", "/v1/models", EVERYBODY, None),
    ("GET", "/v1/models/{model}", EVERYBODY, None),
    ("POST", "/v1/models/{model}/retire", ADMIN, REASON),
    ("POST", "/v1/models/{model}/columns", SUPERVISORS, {"column": "inputs.amount", "kind": "number"}),
    ("GET", "/v1/references", EVERYBODY, None),
    ("POST", "/v1/references", SUPERVISORS, {"model": "shop-eu", **REASON}),
    ("POST", "/v1/references/fit", SUPERVISORS, {"model": "shop-eu", "fitted": {"shop/X": ""}, **REASON}),
    ("GET", "/v1/references/{id_}", EVERYBODY, None),
    ("POST", "/v1/references/{id_}/rollback", SUPERVISORS, REASON),
    ("POST", "/v1/incidents/{id_}/accept", SUPERVISORS, REASON),
    ("POST", "/v1/changes", OPERATORS | MACHINES, {"model": "shop-eu", "version": "4"}),
    ("POST", "/v1/login-links", EVERYBODY, {}),
    ("GET", "/v1/tokens", ADMIN, None),
    ("POST", "/v1/tokens", ADMIN, {"user": "kim", "role": "viewer"}),
    ("DELETE", "/v1/tokens/{id_}", ADMIN, None),
    ("GET", "/v1/users", ADMIN, None),
    ("POST", "/v1/users", ADMIN, {"name": "kim", "role": "viewer"}),
    ("DELETE", "/v1/users/{name}", ADMIN, None),
    ("GET", "/v1/audit", EVERYBODY, None),
    ("GET", "/v1/audit/head", EVERYBODY, None),
    ("GET", "/v1/accounting", EVERYBODY, None),
    ("POST", "/v1/events", ADMIN | MACHINES, EVENT),
    ("POST", "/v1/truth", ADMIN | MACHINES, TRUTH),
    ("GET", "/metrics", EVERYBODY, None),
    ("POST", "/-/reload", ADMIN, None),
    ("GET", "/openapi.json", EVERYBODY | MACHINES, None),
    ("GET", "/", set(), None),  # leads to the incidents, for everybody
    ("GET", "/incidents", EVERYBODY, None),
    ("GET", "/incidents/{id_}", EVERYBODY, None),
    ("POST", "/incidents/{id_}/{act}", OPERATORS, None),
    ("GET", "/models", EVERYBODY, None),
    ("GET", "/models/{model}", EVERYBODY, None),
    ("POST", "/models/{model}/gate", SUPERVISORS, None),
    ("GET", "/decisions", EVERYBODY, None),
    ("POST", "/decisions/{id_}", SUPERVISORS, None),
    ("GET", "/rules", EVERYBODY, None),
    ("POST", "/logout", EVERYBODY, None),
]
OPEN = {("GET", "/-/healthy"), ("GET", "/-/ready"), ("GET", "/login"), ("POST", "/login"), ("GET", "/")}
OPEN |= {("GET", "/a/{text}"), ("POST", "/a/{text}"), ("POST", "/hooks/pagerduty/{name}")}  # by their own signatures
WAITS = {("GET", "/-/engine")}  # for a turn of the engine: tests/web/test_machines.py
GUARDED = [route for route in ROUTES if (route[0], route[1]) not in OPEN]


def filled(path: str, incident: str) -> str:
    """An address that leads somewhere, but for tokens, silences and users."""
    holder = incident if "incidents" in path else "nothing"
    if path in ("/v1/gate-clients", "/v1/gate-drills"):
        path += "?model=shop-eu"
    path = path.replace("{key}", "overloop.gate.shop-eu")
    return (
        path.replace("{id_}", holder).replace("{model}", "shop-eu").replace("{name}", "nobody").replace("{act}", "note")
    )


@pytest.mark.parametrize(("method", "path", "may", "body"), GUARDED, ids=[f"{r[0]} {r[1]}" for r in GUARDED])
def test_each_route_lets_in_exactly_the_roles_it_names(
    site: Site, method: str, path: str, may: set[str], body: Any
) -> None:
    site.model()
    address = filled(path, site.incident("NegativeAmounts"))
    for role in ("viewer", "operator", "supervisor", "admin", "ingest"):
        answer = site.ask(method, address, body, role)
        if role in may:
            assert answer.status_code < 500 and answer.status_code not in (401, 403, 405, 415, 422), answer.text
            continue
        assert answer.status_code == 403, f"{role}: {answer.status_code}"
        assert answer.headers["content-type"] == "application/problem+json"
        assert f"a-{role}" in answer.json()["detail"] and role in answer.json()["detail"]


@pytest.mark.parametrize("shown", [None, "unknown", "ovl_", "", "\xe4", "a b", "x" * 5000])
def test_without_a_token_in_force_every_route_answers_401(site: Site, shown: str | None) -> None:
    incident = site.incident()
    for method, path, _, body in GUARDED:
        headers = {} if shown is None else {"Authorization": f"Bearer {shown}".encode("latin-1")}
        answer = site.ask(method, filled(path, incident), body, None, **headers)
        assert answer.status_code == 401, f"{method} {path}"
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.headers["www-authenticate"].startswith("Bearer")
        assert (answer.json()["status"] == 401 and "overloop login" in answer.json()["detail"]) or path in RAW


@pytest.mark.parametrize("scheme", ["Basic", "Token", "bearerx", ""])
def test_a_token_under_another_scheme_is_none(site: Site, scheme: str) -> None:
    assert site.get("/v1/incidents", None, Authorization=f"{scheme} {site.admin}").status_code == 401


def test_the_scheme_is_written_in_any_case(site: Site) -> None:
    assert site.get("/v1/incidents", None, Authorization=f"bEARER   {site.admin}").status_code == 200


def test_every_route_of_the_application_has_a_line_here(site: Site) -> None:
    known = {(method, path) for method, path, _, _ in ROUTES} | OPEN | WAITS
    routers = [part.router for part in (*app.FOR_PROGRAMS, *app.FOR_OTHER_TOOLS, *app.FOR_PEOPLE)]
    found = {(method, route.path_format) for router in routers for route in router.routes for method in route.methods}
    assert found | {("POST", path) for path in RAW} == known
    others = [route for route in site.app.routes if not hasattr(route, "original_router")]
    assert {route.path for route in others} == RAW | {"/static"}, "a route beside the routers"
