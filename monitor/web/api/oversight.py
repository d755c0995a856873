"""Overrides, gates and silences: how people have the last word."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Header, Response

from monitor.core.changes import Silence
from monitor.core.incidents.silences import status
from monitor.core.times import parse_time, rfc3339
from monitor.runtime.desk_errors import Conflict, Refused
from monitor.store import queries
from monitor.web import bodies
from monitor.web.front import Anybody, Here, Operator, Supervisor, Viewer
from monitor.web.params import Id, Limit, Model, OfModel
from monitor.web.problems import Problem

router = APIRouter(prefix="/v1", tags=["oversight"])
LEASE = 10  # seconds a service may act on a gate without asking again


@router.post("/overrides", status_code=201)
def override(here: Here, who: Supervisor, body: bodies.Override) -> dict[str, Any]:
    """Set one answer of a model aside."""
    try:
        made = here.desk.override(**body.model_dump(), actor=who.user, role=who.role)
    except Refused as refused:  # it never depends on the state of anything
        raise Problem(422, str(refused)) from refused
    here.counts.override(body.verb)
    return made


@router.get("/overrides")
def overrides(here: Here, _: Viewer, model: OfModel = None, limit: Limit = 100) -> dict[str, Any]:
    """Overrides, the newest first."""
    with here.database.read() as connection:
        return {"overrides": queries.overrides(connection, model=model, limit=limit)}


@router.get("/gates")
def gates(here: Here, _: Viewer) -> dict[str, Any]:
    """Every gate that was ever set."""
    with here.database.read() as connection:
        return {"gates": [{**gate, "lease_seconds": LEASE} for gate in queries.gates(connection)]}


@router.get("/gates/{model:path}")
def gate(here: Here, _: Anybody, model: Model, response: Response) -> dict[str, Any]:
    """What the services of this model may do: auto, review or halt."""
    with here.database.read() as connection:
        return _gate(queries.gate(connection, model), response)


@router.put("/gates/{model:path}")
def set_gate(
    here: Here,
    who: Supervisor,
    model: Model,
    body: bodies.SetGate,
    response: Response,
    if_match: Annotated[str | None, Header(description="the generation this change is based on")] = None,
) -> dict[str, Any]:
    """Set a gate. With If-Match, refused with 412 when somebody was faster."""
    seen = _generation(if_match)
    try:
        return _gate(here.desk.gate_set(model, body.state, body.reason, who.user, who.role, seen), response)
    except Conflict as moved:
        raise Problem(412, str(moved), **moved.current, current=moved.current) from moved


def _gate(gate: dict[str, Any], response: Response) -> dict[str, Any]:
    response.headers["ETag"] = f'"{gate["generation"]}"'
    return {**gate, "lease_seconds": LEASE}


def _generation(if_match: str | None) -> int | None:
    if if_match is None or if_match.strip() == "*":
        return None
    text = if_match.strip().removeprefix("W/").strip('"')
    if not (text.isascii() and text.isdecimal() and len(text) < 20):
        raise Problem(422, f"If-Match must be the gate's generation, a whole number, not {if_match[:50]!r}.")
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
    starts = now if body.starts_at is None else moment("starts_at", body.starts_at)
    if (body.ends_at is None) == (body.for_seconds is None):
        raise Problem(422, "A silence needs one end: give either ends_at or for_seconds.")
    ends = starts + (body.for_seconds or 0.0) if body.ends_at is None else moment("ends_at", body.ends_at)
    if ends <= now:
        raise Problem(422, f"The silence would have ended at {rfc3339(ends)} already: give a later end.")
    matchers = [(m.name, m.operator, m.value) for m in body.matchers]
    try:
        made, matched = here.desk.silence_add(matchers, ends, body.reason, who.user, who.role, starts_at=starts)
    except Refused as refused:  # it never depends on the state of anything
        raise Problem(422, str(refused)) from refused
    return {**_silence(made, now), "matches_now": list(matched)}


@router.delete("/silences/{id_}")
def expire_silence(here: Here, who: Operator, id_: Id) -> dict[str, Any]:
    """End a silence now."""
    return _silence(here.desk.silence_expire(id_, who.user, who.role), here.now())


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


def moment(name: str, text: str) -> float:
    """Seconds since 1970 UTC. Raises Problem, which names the field."""
    try:
        return parse_time(text)
    except ValueError as problem:
        raise Problem(422, f"{name}: {problem}") from problem
