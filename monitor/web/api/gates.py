"""Gates: what services may do, who says so, who follows, and whether the stop button works."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from starlette.concurrency import run_in_threadpool

from monitor.core.oversight.scopes import Part, Scope
from monitor.runtime.desk_errors import Conflict
from monitor.runtime.drill import Drill
from monitor.store import queries
from monitor.store.gate_clients import Applied
from monitor.web import bodies
from monitor.web.front import Anybody, Front, Here, Machine, Supervisor, Viewer
from monitor.web.gate_answers import LEASE, gate_answer, named
from monitor.web.params import Model
from monitor.web.problems import Problem

router = APIRouter(prefix="/v1", tags=["gates"])
STREAM = "text/event-stream"
Version = Annotated[str | None, Query(min_length=1, max_length=200, description="of this version of the model")]
Segment = Annotated[str | None, Query(min_length=1, max_length=400, description="of this segment: column=value")]
Operation = Annotated[str | None, Query(min_length=1, max_length=200, description="of this operation of the service")]
OfOne = Annotated[str, Query(min_length=1, max_length=200, description="the model")]


@router.get("/gates")
def gates(here: Here, _: Viewer) -> dict[str, Any]:
    """Every gate that was ever set."""
    with here.database.read() as connection:
        return {"gates": [{**gate, "lease_seconds": LEASE} for gate in queries.gates(connection)]}


@router.get("/gates/{model:path}")
async def gate(
    request: Request,
    here: Here,
    _: Anybody,
    model: Model,
    version: Version = None,
    segment: Segment = None,
    operation: Operation = None,
) -> Response:
    """What the services of this model may do: auto, review or halt; the most restrictive of what matches.

    Asked for `text/event-stream` it is a stream of events: the gate now, at each change, and every 5 s.
    """
    if STREAM in request.headers.get("accept", ""):
        return _stream(here, model)
    answer = await run_in_threadpool(_read, here, model, named(version, segment, operation))
    return JSONResponse(answer, headers={"ETag": f'"{answer["generation"]}"'})


@router.put("/gates/{model:path}")
def set_gate(
    here: Here,
    who: Supervisor,
    model: Model,
    body: bodies.SetGate,
    response: Response,
    if_match: Annotated[str | None, Header(description="the generation this change is based on")] = None,
) -> dict[str, Any]:
    """Set a gate. With If-Match, refused with 412 when somebody was faster.

    The answer is the gate of the scope that was set, whatever else holds. Where the pack wants two people to end a
    halt, the first answer is 202 and shows under `asked` who wants it ended.
    """
    seen, scope = _generation(if_match), _scope(model, body)
    try:
        done = here.desk.gate_set(scope, body.state, body.reason, who.user, who.role, seen, body.break_glass)
    except Conflict as moved:
        raise Problem(412, str(moved), **moved.current, current=moved.current) from moved
    answer = {**_read(here, model, {}), **done}
    response.headers["ETag"] = f'"{answer["generation"]}"'
    response.status_code = 202 if done["asked"] and body.state != done["state"] else 200
    return answer


@router.post("/gate-acks")
def acknowledge(here: Here, who: Machine, body: bodies.GateAck) -> dict[str, Any]:
    """A service says which generation of a gate it applied: this is what shows that the stop button works.

    Refused with 409 is a generation that there is not yet, another epoch, and a model that nobody knows.
    """
    said = Applied(user=who.user, **body.model_dump())
    return {"news": here.desk.gate_applied(said)}


@router.get("/gate-clients")
def clients(here: Here, _: Viewer, model: OfOne) -> dict[str, Any]:
    """Who follows the gate of a model, and which generation each applied."""
    with here.database.read() as connection:
        now = queries.gate(connection, model)
        found = queries.gate_clients(connection, model, here.now())
    return {"model": model, "epoch": now["epoch"], "generation": now["generation"], "clients": found}


@router.post("/gate-drills", status_code=201)
def drill(here: Here, who: Supervisor, body: bodies.GateDrill) -> dict[str, Any]:
    """Rehearse a halt, end to end, on an operation that no service has. Answers when all said that they follow it, or
    when the time is over."""
    return Drill(here.desk, body.model, who.user, who.role, body.timeout_seconds).run()


@router.get("/gate-drills")
def drills(here: Here, _: Viewer, model: OfOne) -> dict[str, Any]:
    """What came of the latest rehearsals."""
    with here.database.read() as connection:
        return {"drills": queries.drills(connection, model)}


def _read(here: Front, model: str, parts: dict[Part, str]) -> dict[str, Any]:
    with here.database.read() as connection:
        return gate_answer(connection, here.book, model, parts)


def _stream(here: Front, model: str) -> Response:
    if not here.hub.room:
        raise Problem(
            503, "As many streams as there can be are open: ask again and again instead.", {"Retry-After": "30"}
        )
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(here.hub.stream(model), headers=headers, media_type=STREAM)


def _scope(model: str, body: bodies.SetGate) -> Scope:
    parts = named(body.version, body.segment, body.operation)
    if len(parts) > 1:
        raise Problem(422, "A gate is of a model, or of one version, one segment or one operation of it: name one.")
    return next((Scope(model, part, value) for part, value in parts.items()), Scope(model))


def _generation(if_match: str | None) -> int | None:
    if if_match is None or if_match.strip() == "*":
        return None
    text = if_match.strip().removeprefix("W/").strip('"')
    if not (text.isascii() and text.isdecimal() and len(text) < 16):
        raise Problem(422, f"If-Match must be the gate's generation, a whole number, not {if_match[:50]!r}.")
    return int(text)
