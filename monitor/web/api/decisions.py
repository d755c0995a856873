"""Answers about which a service asks a person before it gives them, or afterwards."""

from __future__ import annotations

import asyncio
import json
from time import monotonic
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Query
from starlette.concurrency import run_in_threadpool

from monitor.formats import careful
from monitor.runtime.desk_decisions import Asking
from monitor.store import queries
from monitor.web import bodies
from monitor.web.front import Anybody, Front, Here, Machine, Supervisor, Viewer
from monitor.web.params import Id, Limit, OfModel
from monitor.web.problems import Problem

router = APIRouter(prefix="/v1/decisions", tags=["decisions"])
LOOK: Final = 0.25  # seconds between looks of one that waits
State = Literal["waiting", "approved", "changed", "rejected", "expired"]
Wait = Annotated[float, Query(ge=0, le=30, description="seconds to wait for the decision, if there is none yet")]


@router.post("", status_code=201)
def ask(here: Here, who: Machine, body: bodies.AskDecision) -> dict[str, Any]:
    """Ask a person about an answer. Asked again about the same answer it is the same decision."""
    given = body.model_dump()
    given["deadline"] = given.pop("deadline_seconds")
    return here.desk.decision_ask(Asking(**{**given, **_without_secrets(here, body)}), who.user)


@router.get("")
def decisions(
    here: Here, _: Viewer, state: State | None = None, model: OfModel = None, limit: Limit = 100
) -> dict[str, Any]:
    """Decisions: those that wait by their deadline, others the newest first."""
    with here.database.read() as connection:
        return {"decisions": queries.decisions(connection, here.now(), state, model, limit)}


@router.get("/{id_}")
async def decision(here: Here, _: Anybody, id_: Id, wait: Wait = 0.0) -> dict[str, Any]:
    """One decision. With `wait` the answer comes when somebody has decided, or after so many seconds as it is."""
    until = monotonic() + wait
    while True:
        found = await run_in_threadpool(_read, here, id_)
        if found["state"] != "waiting" or monotonic() >= until:
            return found
        await asyncio.sleep(LOOK)


@router.post("/{id_}/decide")
def decide(here: Here, who: Supervisor, id_: Id, body: bodies.Decide) -> dict[str, Any]:
    """Approve what the model proposed, change it, or reject it for what is safe."""
    return here.desk.decide(id_, body.verdict, body.reason, who.user, who.role, body.answer)


def _read(here: Front, id_: str) -> dict[str, Any]:
    with here.database.read() as connection:
        return queries.decision(connection, id_, here.now())


def _without_secrets(here: Front, body: bodies.AskDecision) -> dict[str, Any]:
    """Inputs and answers as an event would be kept: secret columns hashed or left out. Raises Problem."""
    secrets = here.secrets()

    def kept(value: Any, name: str, section: str) -> Any:
        if isinstance(value, list):  # paths go on as if there were no list, as in an event
            return [kept(item, name, section) for item in value]
        if not isinstance(value, dict):
            return value
        event = {"id": body.decision_id, "model": body.model, section: value}
        try:
            _, _, line = careful.check(json.dumps(event).encode(), "events", secrets)
        except careful.Refused as refused:
            raise Problem(422, f"{name}: {refused}") from refused
        return json.loads(line).get(section, {})

    sections = (("inputs", "inputs"), ("proposed", "output"), ("fallback", "output"))
    return {name: kept(getattr(body, name), name, section) for name, section in sections}
