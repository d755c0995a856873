"""Incidents: read them, and act on them. Every act goes through the desk."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, TypeVar

from fastapi import APIRouter

from monitor.runtime.desk import Conflict, Forbidden, NotFound, Refused
from monitor.store import queries
from monitor.web import bodies
from monitor.web.front import Here, Operator, Viewer
from monitor.web.problems import Problem

router = APIRouter(prefix="/v1/incidents", tags=["incidents"])

T = TypeVar("T")
State = Literal["open", "acknowledged", "recovered", "closed"]


@router.get("")
def list_incidents(
    here: Here,
    _: Viewer,
    state: State | None = None,
    model: str | None = None,
    rule: str | None = None,
    limit: int = 100,
    after: str | None = None,
) -> dict[str, Any]:
    """Newest first. `next` is what to pass as `after` for the following page, or null."""
    if not 1 <= limit <= 1000:
        raise Problem(422, f"limit must be between 1 and 1000, not {limit}.")
    with here.database.read() as connection:
        found, following = queries.incidents(
            connection, states=[state] if state else None, model=model, rule=rule, limit=limit, after=after
        )
    return {"incidents": found, "next": following}


@router.get("/{id_}")
def one_incident(here: Here, _: Viewer, id_: str) -> dict[str, Any]:
    """One incident with its evidence, notices and notes."""
    with here.database.read() as connection:
        found = queries.incident(connection, id_)
    if found is None:
        raise Problem(404, f"There is no incident {id_}.")
    return found


@router.post("/{id_}/acknowledge")
def acknowledge(here: Here, who: Operator, id_: str, body: bodies.Acknowledge | None = None) -> dict[str, Any]:
    """ "I have it": stops the pages until it expires. May be said twice."""
    said = body or bodies.Acknowledge()
    return acted(
        lambda: here.desk.acknowledge(
            id_, who.user, who.role, revision=said.revision, note=said.note, take=said.take, for_=said.for_seconds
        )
    )


@router.post("/{id_}/release")
def release(here: Here, who: Operator, id_: str, body: bodies.Touch | None = None) -> dict[str, Any]:
    """Give an acknowledgement back: the incident is open again."""
    said = body or bodies.Touch()
    return acted(lambda: here.desk.release(id_, who.user, who.role, revision=said.revision, note=said.note))


@router.post("/{id_}/note")
def note(here: Here, who: Operator, id_: str, body: bodies.Note) -> dict[str, Any]:
    """Write something down."""
    return acted(lambda: here.desk.note(id_, who.user, who.role, note=body.note))


@router.post("/{id_}/assign")
def assign(here: Here, who: Operator, id_: str, body: bodies.Assign) -> dict[str, Any]:
    """Make somebody the owner."""
    return acted(
        lambda: here.desk.assign(id_, who.user, who.role, owner=body.owner, revision=body.revision, note=body.note)
    )


@router.post("/{id_}/close")
def close(here: Here, who: Operator, id_: str, body: bodies.Close | None = None) -> dict[str, Any]:
    """It is over. A detector that latched starts watching again."""
    said = body or bodies.Close()
    return acted(
        lambda: here.desk.close(id_, who.user, who.role, revision=said.revision, note=said.note, verdict=said.verdict)
    )


@router.post("/{id_}/reopen")
def reopen(here: Here, who: Operator, id_: str, body: bodies.Touch | None = None) -> dict[str, Any]:
    """It is not over. Refused while a newer incident of the same rule and model is open."""
    said = body or bodies.Touch()
    return acted(lambda: here.desk.reopen(id_, who.user, who.role, revision=said.revision, note=said.note))


@router.post("/{id_}/verdict")
def verdict(here: Here, who: Operator, id_: str, body: bodies.Verdict) -> dict[str, Any]:
    """What it was: real, expected, false or unclear."""
    return acted(
        lambda: here.desk.verdict(id_, who.user, who.role, verdict=body.verdict, revision=body.revision, note=body.note)
    )


def acted(act: Callable[[], T], conflict: int = 409) -> T:
    """Carry out one act of the desk; its refusals become problem documents."""
    try:
        return act()
    except Conflict as moved:
        # the newer one is the document's own members, so that a client can read either answer in the same way
        raise Problem(conflict, str(moved), current=moved.current, **moved.current) from moved
    except Refused as refused:
        raise Problem(409, str(refused)) from refused
    except NotFound as missing:
        raise Problem(404, str(missing)) from missing
    except Forbidden as forbidden:
        raise Problem(403, str(forbidden)) from forbidden
