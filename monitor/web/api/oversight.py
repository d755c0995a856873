"""Overrides and silences: how people have the last word."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from monitor.core.changes import Silence
from monitor.core.incidents.silences import status
from monitor.core.times import parse_time, rfc3339
from monitor.runtime.desk_errors import Refused
from monitor.store import queries
from monitor.web import bodies
from monitor.web.front import Here, Operator, Supervisor, Viewer
from monitor.web.params import Id, Limit, OfModel
from monitor.web.problems import Problem

router = APIRouter(prefix="/v1", tags=["oversight"])


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
