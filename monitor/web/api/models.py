"""Models: what is known of them, and what changed about them."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from monitor.core.times import rfc3339
from monitor.store import queries
from monitor.store.trail import add_deploy
from monitor.web import bodies
from monitor.web.api.oversight import moment
from monitor.web.front import Admin, Deployer, Here, Supervisor, Viewer
from monitor.web.params import Model

router = APIRouter(prefix="/v1", tags=["models"])


@router.get("/models")
def models(here: Here, _: Viewer) -> dict[str, Any]:
    """Every model that was ever seen, but for the retired ones."""
    with here.database.read() as connection:
        return {"models": queries.models(connection)}


@router.post("/models/{model:path}/retire")
def retire(here: Here, who: Admin, model: Model, body: bodies.Reasoned) -> dict[str, Any]:
    """Stop watching a model for good."""
    return here.desk.retire_model(model, body.reason, who.user, who.role)


@router.post("/models/{model:path}/columns")
def column_kind(here: Here, who: Supervisor, model: Model, body: bodies.ColumnKind) -> dict[str, Any]:
    """Say what a column is, if the daemon guessed wrong."""
    found = here.desk.column_kind(model, body.column, body.kind, who.user, who.role)
    here.changed()  # the intake hashes a secret column from the next post on
    return found


@router.get("/models/{model:path}")
def model(here: Here, _: Viewer, model: Model) -> dict[str, Any]:
    """One model: its versions, what its columns are, and the deploys it was told of."""
    with here.database.read() as connection:
        return {**queries.model(connection, model), "deploys": queries.deploys(connection, model)}


@router.post("/changes", status_code=202)
def change(here: Here, who: Deployer, body: bodies.Change) -> dict[str, Any]:
    """A deploy, told by whoever deploys. It is kept in the audit log and shown beside the model's incidents."""
    now = here.now()
    at = now if body.at is None else moment("at", body.at)
    with here.database.write(now) as tx:
        add_deploy(tx, who.user, body.model, body.version, at, body.note)
    return {"model": body.model, "version": body.version, "at": rfc3339(at), "note": body.note, "by": who.user}
