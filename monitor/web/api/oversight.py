"""Overrides, gates, silences and references: how people have the last word."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Header

from monitor.core.changes import Silence
from monitor.core.incidents.silences import status
from monitor.core.times import parse_time, rfc3339
from monitor.store import queries
from monitor.store.errors import Unknown
from monitor.web import bodies
from monitor.web.api.incidents import acted
from monitor.web.front import Here, Machine, Operator, Supervisor, Viewer
from monitor.web.problems import Problem

router = APIRouter(prefix="/v1", tags=["oversight"])
LEASE = 10  # seconds a service may act on a gate without asking again


@router.post("/overrides", status_code=201)
def override(here: Here, who: Supervisor, body: bodies.Override) -> dict[str, Any]:
    """Set one answer of a model aside."""
    return acted(lambda: here.desk.override(**body.model_dump(), actor=who.user, role=who.role))


@router.get("/overrides")
def overrides(here: Here, _: Viewer, model: str | None = None, limit: int = 100) -> dict[str, Any]:
    """Overrides, the newest first."""
    with here.database.read() as connection:
        return {"overrides": queries.overrides(connection, model=model, limit=max(1, min(limit, 1000)))}


@router.get("/gates")
def gates(here: Here, _: Viewer) -> dict[str, Any]:
    """Every gate that was ever set."""
    with here.database.read() as connection:
        return {"gates": [{**gate, "lease_seconds": LEASE} for gate in queries.gates(connection)]}


@router.get("/gates/{model}")
def gate(here: Here, _: Machine, model: str) -> dict[str, Any]:
    """What the services of this model may do: auto, review or halt."""
    with here.database.read() as connection:
        return {**queries.gate(connection, model), "lease_seconds": LEASE}


@router.put("/gates/{model}")
def set_gate(
    here: Here,
    who: Supervisor,
    model: str,
    body: bodies.SetGate,
    if_match: Annotated[str | None, Header(description="the generation this change is based on")] = None,
) -> dict[str, Any]:
    """Set a gate. With If-Match, refused with 412 when somebody was faster."""
    changed = acted(
        lambda: here.desk.gate_set(model, body.state, body.reason, who.user, who.role, _generation(if_match)),
        conflict=412,
    )
    return {**changed, "lease_seconds": LEASE}


def _generation(if_match: str | None) -> int | None:
    if if_match is None or if_match.strip() == "*":
        return None
    text = if_match.strip().removeprefix("W/").strip('"')
    if not text.isdigit():
        raise Problem(400, f"If-Match must be the gate's generation, a whole number, not {if_match[:50]!r}.")
    return int(text)


@router.get("/silences")
def list_silences(here: Here, _: Viewer) -> dict[str, Any]:
    """Silences that have not ended."""
    now = here.now()
    with here.database.read() as connection:
        return {"silences": [_silence(found, now) for found in queries.silences(connection, ended_after=now)]}


@router.post("/silences", status_code=201)
def add_silence(here: Here, who: Operator, body: bodies.Silence) -> dict[str, Any]:
    """Send nothing for what matches, for a while, with a reason."""
    now = here.now()
    starts = _time("starts_at", body.starts_at) if body.starts_at else now
    if (body.ends_at is None) == (body.for_seconds is None):
        raise Problem(422, "A silence needs an end: give either ends_at or for_seconds.")
    ends = _time("ends_at", body.ends_at) if body.ends_at else starts + (body.for_seconds or 0.0)
    matchers = [(m.name, m.operator, m.value) for m in body.matchers]
    made, matched = acted(
        lambda: here.desk.silence_add(matchers, ends, body.reason, who.user, who.role, starts_at=starts)
    )
    return {**_silence(made, now), "matches_now": list(matched)}


@router.delete("/silences/{id_}")
def expire_silence(here: Here, who: Operator, id_: str) -> dict[str, Any]:
    """End a silence now."""
    return _silence(acted(lambda: here.desk.silence_expire(id_, who.user, who.role)), here.now())


def _silence(silence: Silence, now: float) -> dict[str, Any]:
    return {
        "id": silence.id,
        "state": status(silence, now),
        "matchers": [{"name": n, "operator": o, "value": v} for n, o, v in silence.matchers],
        "starts_at": rfc3339(silence.starts_at),
        "ends_at": rfc3339(silence.ends_at),
        "created_by": silence.created_by,
        "reason": silence.reason,
    }


@router.get("/references")
def references(here: Here, _: Viewer, model: str | None = None) -> dict[str, Any]:
    """What was taken for normal, by whom and why; the newest first."""
    with here.database.read() as connection:
        return {"references": queries.references(connection, model)}


@router.post("/references", status_code=201)
def accept_reference(here: Here, who: Supervisor, body: bodies.AcceptReference) -> dict[str, Any]:
    """Take the present for the new normal. Detectors of the model (or of one rule) learn it afresh."""
    return acted(lambda: here.desk.accept_reference(body.model, body.rule, body.reason, who.user, who.role))


@router.get("/models")
def models(here: Here, _: Viewer) -> dict[str, Any]:
    """Every model that was ever seen, or is expected."""
    with here.database.read() as connection:
        return {"models": queries.models(connection)}


@router.get("/models/{model}")
def model(here: Here, _: Viewer, model: str) -> dict[str, Any]:
    """One model: its versions and what its columns are."""
    with here.database.read() as connection:
        try:
            return queries.model(connection, model)
        except Unknown as missing:
            raise Problem(404, str(missing)) from missing


@router.post("/models/{model}/retire")
def retire(here: Here, who: Supervisor, model: str, body: bodies.Reasoned) -> dict[str, Any]:
    """Stop watching a model for good."""
    return acted(lambda: here.desk.retire_model(model, body.reason, who.user, who.role))


@router.post("/models/{model}/columns")
def column_kind(here: Here, who: Supervisor, model: str, body: bodies.ColumnKind) -> dict[str, Any]:
    """Say what a column is, if the daemon guessed wrong."""
    return acted(lambda: here.desk.column_kind(model, body.column, body.kind, who.user, who.role))


def _time(name: str, text: str) -> float:
    try:
        return parse_time(text)
    except ValueError as problem:
        raise Problem(422, f"{name}: {problem}") from problem
