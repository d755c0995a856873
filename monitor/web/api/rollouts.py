"""The gate as a condition of a rollout: hooks of Flagger, a web metric of Argo Rollouts.

Flagger goes on after a 2xx and stops at anything else; its rollback hook is the other way round: 2xx means roll back.
So while the daemon is away a rollout stops where it is. Flagger can send no header, so these routes also take the token
as the password in the address: https://overloop:TOKEN@….
"""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse

from monitor.web.auth import Identity, require
from monitor.web.front import Anybody, Front, Here
from monitor.web.gate_answers import gate_answer, named
from monitor.web.params import Model

router = APIRouter(prefix="/v1/integrations", tags=["integrations"])
_services = require("viewer", "ingest")


def _hook(request: Request) -> Identity:
    """As everywhere, or by HTTP's basic authentication with the token as the password."""
    scheme, _, text = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            secret = base64.b64decode(text.strip(), validate=True).decode().partition(":")[2]
        except (binascii.Error, UnicodeDecodeError):
            secret = ""
        keeper = request.app.state.front.doorkeeper
        identity: Identity | None = keeper.bearer(f"Bearer {secret}") if secret else None
        if identity is not None and (identity.may("viewer") or identity.may("ingest")):
            return identity
    return _services(request)


Hook = Annotated[Identity, Depends(_hook)]


@router.post("/flagger/{model:path}/confirm")
def confirm(here: Here, _: Hook, model: Model) -> Response:
    """For Flagger's confirm hooks: 200 while the gate is auto, else 409."""
    return _answer(here, model, "auto")


@router.post("/flagger/{model:path}/rollback")
def rollback(here: Here, _: Hook, model: Model) -> Response:
    """For Flagger's rollback hook: 200 while the gate is halt, which makes it roll back, else 409."""
    return _answer(here, model, "halt")


@router.get("/argo/{model:path}")
def argo(here: Here, _: Anybody, model: Model, version: str | None = None) -> dict[str, Any]:
    """For a web metric of Argo Rollouts: `{$.state}` is auto, review or halt."""
    answer = _read(here, model, version)
    return {name: answer[name] for name in ("state", "generation", "reason")}


def _read(here: Front, model: str, version: str | None = None) -> dict[str, Any]:
    with here.database.read() as connection:
        return gate_answer(connection, here.book, model, named(version, None, None))


def _answer(here: Front, model: str, wanted: str) -> Response:
    answer = _read(here, model)
    said = {name: answer[name] for name in ("state", "generation", "reason")}
    return JSONResponse(said, 200 if answer["state"] == wanted else 409)
