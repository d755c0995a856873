"""What is normal: every version of it, what was fitted, in words, and how people change it."""

from __future__ import annotations

import base64
from typing import Any

from fastapi import APIRouter

from monitor.runtime.references import described
from monitor.store import queries
from monitor.web import bodies
from monitor.web.api.oversight import moment
from monitor.web.front import Here, Supervisor, Viewer
from monitor.web.params import Id, OfModel
from monitor.web.problems import Problem

router = APIRouter(prefix="/v1", tags=["references"])


@router.get("/references")
def references(here: Here, _: Viewer, model: OfModel = None) -> dict[str, Any]:
    """What was taken for normal, by whom and why; the newest first."""
    with here.database.read() as connection:
        return {"references": queries.references(connection, model)}


@router.post("/references", status_code=201)
def accept_reference(here: Here, who: Supervisor, body: bodies.AcceptReference) -> dict[str, Any]:
    """Take the present for the new normal. Detectors of the model (or of one rule) learn it afresh."""
    until = _until(body.expires_at)
    return here.desk.accept_reference(body.model, body.rule, body.reason, who.user, who.role, until)


@router.post("/references/fit", status_code=201)
def fit_reference(here: Here, who: Supervisor, body: bodies.FitReference) -> dict[str, Any]:
    """Watch by what `overloop reference fit` made from data: armed in the next step, or from the first event on."""
    packed = {rule: _bytes(rule, text) for rule, text in body.fitted.items()}
    until = _until(body.expires_at)
    return here.desk.fit_reference(body.model, packed, body.source, body.reason, who.user, who.role, until)


@router.get("/references/{id_}")
def reference(here: Here, _: Viewer, id_: Id) -> dict[str, Any]:
    """One version, with what was chosen for each series, what it can find, and what was refused, in sentences."""
    with here.database.read() as connection:
        found = queries.reference(connection, id_)
        packed = queries.reference_bodies(connection, id_)
    return {**found, "fitted": described(packed, here.desk.book(), found["model"])}


@router.post("/references/{id_}/rollback", status_code=201)
def rollback_reference(here: Here, who: Supervisor, id_: Id, body: bodies.Rollback) -> dict[str, Any]:
    """Put an earlier version back, as a new one."""
    return here.desk.rollback_reference(id_, body.reason, who.user, who.role, _until(body.expires_at))


@router.post("/incidents/{id_}/accept", status_code=201)
def accept_incident(here: Here, who: Supervisor, id_: Id, body: bodies.AcceptIncident) -> dict[str, Any]:
    """What an incident reports is the new normal of its rule; it is closed as expected."""
    return here.desk.accept_incident(id_, body.reason, who.user, who.role, _until(body.expires_at))


def _until(text: str | None) -> float | None:
    return None if text is None else moment("expires_at", text)


def _bytes(rule: str, text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except ValueError as problem:
        raise Problem(422, f"What was fitted for {rule[:100]} is not given as base64.") from problem
