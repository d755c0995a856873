"""`/openapi.json`: what the framework knows, what it does not (intake), the shapes of answers, and problems."""

from __future__ import annotations

from typing import Any, Final

from fastapi import APIRouter, FastAPI, Request
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from monitor.web import shapes
from monitor.web.doors import RAW
from monitor.web.front import Anybody

router = APIRouter(tags=["machines"])
_SCHEMAS: Final = "#/components/schemas/"
ANSWERS: Final[dict[tuple[str, str], type[BaseModel]]] = {
    ("GET", "/v1/incidents"): shapes.Incidents,
    ("GET", "/v1/incidents/{id_}"): shapes.Incident,
    **{
        ("POST", f"/v1/incidents/{{id_}}/{act}"): shapes.Incident
        for act in ("acknowledge", "release", "note", "assign", "close", "reopen", "verdict")
    },
    ("GET", "/v1/overrides"): shapes.Overrides,
    ("POST", "/v1/overrides"): shapes.Override,
    ("GET", "/v1/gates"): shapes.Gates,
    ("GET", "/v1/gates/{model}"): shapes.Gate,
    ("PUT", "/v1/gates/{model}"): shapes.Gate,
    ("POST", "/v1/gate-acks"): shapes.GateNews,
    ("GET", "/v1/gate-clients"): shapes.GateClients,
    ("GET", "/v1/gate-drills"): shapes.GateDrills,
    ("POST", "/v1/gate-drills"): shapes.GateDrill,
    ("GET", "/v1/decisions"): shapes.Decisions,
    ("POST", "/v1/decisions"): shapes.Decision,
    ("GET", "/v1/decisions/{id_}"): shapes.Decision,
    ("POST", "/v1/decisions/{id_}/decide"): shapes.Decision,
    ("POST", "/v1/integrations/flagger/{model}/confirm"): shapes.RolloutGate,
    ("POST", "/v1/integrations/flagger/{model}/rollback"): shapes.RolloutGate,
    ("GET", "/v1/integrations/argo/{model}"): shapes.RolloutGate,
    ("GET", "/v1/silences"): shapes.Silences,
    ("POST", "/v1/silences"): shapes.SilenceAdded,
    ("DELETE", "/v1/silences/{id_}"): shapes.Silence,
    ("GET", "/v1/receivers"): shapes.Receivers,
    ("POST", "/v1/receivers/{name}/test"): shapes.ReceiverTest,
    ("GET", "/v1/receivers/{name}/tests/{id_}"): shapes.ReceiverTest,
    ("DELETE", "/v1/receivers/{name}/links"): shapes.Revoked,
    ("GET", "/v1/models"): shapes.Models,
    ("GET", "/v1/models/{model}"): shapes.ModelInFull,
    ("POST", "/v1/models/{model}/retire"): shapes.Model,
    ("POST", "/v1/models/{model}/columns"): shapes.Model,
    ("GET", "/v1/references"): shapes.References,
    ("POST", "/v1/references"): shapes.Reference,
    ("POST", "/v1/references/fit"): shapes.Reference,
    ("GET", "/v1/references/{id_}"): shapes.ReferenceInFull,
    ("POST", "/v1/references/{id_}/rollback"): shapes.Reference,
    ("POST", "/v1/incidents/{id_}/accept"): shapes.Reference,
    ("POST", "/v1/changes"): shapes.DeployTold,
    ("POST", "/v1/login-links"): shapes.Link,
    ("GET", "/v1/tokens"): shapes.Tokens,
    ("POST", "/v1/tokens"): shapes.TokenMade,
    ("DELETE", "/v1/tokens/{id_}"): shapes.Revoked,
    ("GET", "/v1/users"): shapes.Users,
    ("POST", "/v1/users"): shapes.UserAdded,
    ("DELETE", "/v1/users/{name}"): shapes.Disabled,
    ("GET", "/v1/audit"): shapes.Entries,
    ("GET", "/v1/audit/head"): shapes.Head,
    ("GET", "/v1/accounting"): shapes.Accounting,
    ("GET", "/-/healthy"): shapes.Status,
    ("GET", "/-/ready"): shapes.Status,
    ("GET", "/-/engine"): shapes.Turn,
    ("POST", "/-/reload"): shapes.Loaded,
    ("POST", "/v1/events"): shapes.Taken,
    ("POST", "/v1/truth"): shapes.Taken,
}
_OPEN: Final = ("/-/healthy", "/-/ready")
_FIELDS: Final = {"type": "object", "description": "nested objects become dotted columns"}
_NAME: Final = {"type": "string", "minLength": 1, "maxLength": 200}
_EVENT: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["id", "model"],
    "properties": {
        "id": {
            "anyOf": [_NAME, {"type": "number"}],
            "description": "of one answer; the second is a duplicate",
        },
        "model": _NAME,
        "version": {"anyOf": [_NAME, {"type": "number"}, {"type": "null"}]},
        "at": {"anyOf": [{"type": "string", "format": "date-time"}, {"type": "number"}, {"type": "null"}]},
        **dict.fromkeys(("inputs", "output", "context", "truth"), _FIELDS),
    },
}
_TRUTH: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["id", "model", "truth"],
    "properties": {name: _EVENT["properties"][name] for name in ("id", "model", "at", "truth")},
}
_HEADERS: Final = (
    ("Overloop-Producer", _NAME, "with Overloop-Sequence: who numbers its posts, so that none is counted twice"),
    ("Overloop-Sequence", {"type": "integer", "minimum": 1}, "one more for each new post of this producer"),
    ("Overloop-Source", {"enum": ["file"]}, "lines of a file: their own time is the clock, and they page nobody"),
    ("Overloop-Live", {"enum": ["1"]}, "with Overloop-Source: file, they page after all"),
    ("Content-Encoding", {"enum": ["gzip", "zstd"]}, "how the body is compressed"),
)


@router.get("/openapi.json", include_in_schema=False)
def openapi(request: Request, _: Anybody) -> dict[str, Any]:
    """The schema, made once."""
    app: FastAPI = request.app
    if getattr(app.state, "schema", None) is None:
        app.state.schema = schema(app)
    found: dict[str, Any] = app.state.schema
    return found


def schema(app: FastAPI) -> dict[str, Any]:
    """The whole interface for programs as OpenAPI 3.1."""
    made = app.openapi()
    for kind, line in (("events", _EVENT), ("truth", _TRUTH)):
        made["paths"][f"/v1/{kind}"] = {"post": _intake(kind, line)}
    models: list[type[BaseModel]] = [*dict.fromkeys(ANSWERS.values()), shapes.ProblemDocument]
    _, defined = models_json_schema([(m, "serialization") for m in models], ref_template=_SCHEMAS + "{model}")
    ours = ("HTTPValidationError", "ValidationError")  # the framework's own problems, which we do not send
    bodies = {f"{n}Body": _renamed(s) for n, s in made["components"]["schemas"].items() if n not in ours}
    token = {"type": "http", "scheme": "bearer", "description": "see `overloop token create`"}
    made["components"] = {"schemas": {**bodies, **defined["$defs"]}, "securitySchemes": {"token": token}}
    for path, operations in made["paths"].items():
        for method, operation in operations.items():
            _finish(method.upper(), path, operation)
    return made


def _finish(method: str, path: str, operation: dict[str, Any]) -> None:
    """Name the body's schema as we do, say what is answered, and that it takes a token."""
    content = operation.get("requestBody", {}).get("content", {}).get("application/json")
    if content is not None and path not in RAW:
        content["schema"] = _renamed(content["schema"])
    status = next(code for code in operation["responses"] if code.startswith("2"))
    answer = operation["responses"][status]
    if (method, path) in ANSWERS:
        answer["content"] = _json(ANSWERS[method, path].__name__)
    went_wrong = {
        "description": "What went wrong and what to do.",
        "content": _json("ProblemDocument", "application/problem+json"),
    }
    operation["responses"] = {status: answer, "default": went_wrong}
    operation["security"] = [] if path in _OPEN else [{"token": []}]


def _renamed(schema: Any) -> Any:
    if isinstance(schema, dict):
        return {k: f"{v}Body" if k == "$ref" else _renamed(v) for k, v in schema.items()}
    return [_renamed(item) for item in schema] if isinstance(schema, list) else schema


def _json(name: str, kind: str = "application/json") -> dict[str, Any]:
    return {kind: {"schema": {"$ref": _SCHEMAS + name}}}


def _intake(kind: str, line: dict[str, Any]) -> dict[str, Any]:
    """One of the two routes that the framework does not know."""
    return {
        "tags": ["intake"],
        "summary": f"Post {kind}",
        "description": f"Takes {kind} as NDJSON or as a JSON array; answers once they are on disk.",
        "operationId": f"post_{kind}",
        "parameters": [
            {"name": name, "in": "header", "required": False, "schema": schema, "description": text}
            for name, schema, text in _HEADERS
        ],
        "requestBody": {
            "required": True,
            "content": {
                "application/x-ndjson": {"schema": {"type": "string", "description": "one object a line"}},
                "application/json": {"schema": {"oneOf": [line, {"type": "array", "items": line}]}},
            },
        },
        "responses": {"202": {"description": "Taken, and on disk."}},
    }
