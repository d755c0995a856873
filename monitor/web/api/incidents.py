"""Incidents: read them, and act on them. Every act goes through the desk."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from monitor.store import queries
from monitor.web import bodies
from monitor.web.acts import Acts
from monitor.web.front import Front, Here, Operator, Viewer
from monitor.web.params import After, Id, Limit, OfModel, OfRule, State
from monitor.web.problems import Problem

router = APIRouter(prefix="/v1/incidents", tags=["incidents"])


@router.get("")
def list_incidents(
    here: Here,
    _: Viewer,
    state: State | None = None,
    model: OfModel = None,
    rule: OfRule = None,
    limit: Limit = 100,
    after: After = None,
) -> dict[str, Any]:
    """Newest first. `next` is what to pass as `after` for the following page, or null."""
    found, following = page_of(here, [state] if state else [], model, rule, limit, after)
    return {"incidents": found, "next": following}


def page_of(
    here: Front, states: list[State], model: str | None, rule: str | None, limit: int, after: str | None
) -> tuple[list[dict[str, Any]], str | None]:
    """Incidents in some states (none named: in all), and where the next page starts. Raises Problem."""
    with here.database.read() as connection:
        try:
            return queries.incidents(connection, states, model=model, rule=rule, limit=limit, after=after)
        except ValueError as problem:
            raise Problem(422, f"after: {problem}.") from problem


@router.get("/{id_}")
def one_incident(here: Here, _: Viewer, id_: Id) -> dict[str, Any]:
    """One incident with its evidence, notices and notes."""
    with here.database.read() as connection:
        found = queries.incident(connection, id_)
    if found is None:
        raise Problem(404, f"There is no incident {id_!r}.")
    return found


@router.post("/{id_}/acknowledge")
def acknowledge(here: Here, who: Operator, id_: Id, body: bodies.Acknowledge | None = None) -> dict[str, Any]:
    """ "I have it": stops the pages until it expires. May be said twice."""
    said = body or bodies.Acknowledge()
    return Acts(here, who).acknowledge(id_, said.revision, said.note, said.take, said.for_seconds)


@router.post("/{id_}/release")
def release(here: Here, who: Operator, id_: Id, body: bodies.Touch | None = None) -> dict[str, Any]:
    """Give an acknowledgement back: the incident is open again."""
    said = body or bodies.Touch()
    return Acts(here, who).release(id_, said.revision, said.note)


@router.post("/{id_}/note")
def note(here: Here, who: Operator, id_: Id, body: bodies.Note) -> dict[str, Any]:
    """Write something down."""
    return Acts(here, who).note(id_, body.note)


@router.post("/{id_}/assign")
def assign(here: Here, who: Operator, id_: Id, body: bodies.Assign) -> dict[str, Any]:
    """Make somebody the owner, or nobody."""
    return Acts(here, who).assign(id_, body.owner, body.revision, body.note)


@router.post("/{id_}/close")
def close(here: Here, who: Operator, id_: Id, body: bodies.Close | None = None) -> dict[str, Any]:
    """It is over. A detector that latched starts watching again, and that takes a supervisor."""
    said = body or bodies.Close()
    return Acts(here, who).close(id_, said.verdict, said.revision, said.note)


@router.post("/{id_}/reopen")
def reopen(here: Here, who: Operator, id_: Id, body: bodies.Touch | None = None) -> dict[str, Any]:
    """It is not over. Refused while a newer incident of the same rule and model is open."""
    said = body or bodies.Touch()
    return Acts(here, who).reopen(id_, said.revision, said.note)


@router.post("/{id_}/verdict")
def verdict(here: Here, who: Operator, id_: Id, body: bodies.Verdict) -> dict[str, Any]:
    """What it was: real, expected, false or unclear."""
    return Acts(here, who).verdict(id_, body.verdict, body.revision, body.note)
