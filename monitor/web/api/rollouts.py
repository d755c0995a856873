"""The gate as a condition of a rollout: hooks of Flagger, a web metric of Argo Rollouts.

Flagger goes on after a 2xx and stops at anything else; its rollback hook is the other way round: 2xx means roll back.
So while the daemon is away a rollout stops where it is. Flagger can send no header, so these routes also take the token
as the password in the address: https://overloop:TOKEN@….
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request

from monitor.web.auth import Doorkeeper, Identity, Role, require
from monitor.web.front import Anybody, Front, Here
from monitor.web.gate_answers import gate_answer, named
from monitor.web.params import Model
from monitor.web.problems import Problem

router = APIRouter(prefix="/v1/integrations", tags=["integrations"])


def hook(role: Role, *also: Role) -> Callable[[Request], Identity]:
    """A dependency like `require`; the token may also be the password of HTTP's basic authentication."""
    usual = require(role, *also)

    def check(request: Request) -> Identity:
        scheme, _, text = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "basic":
            return usual(request)
        try:
            secret = base64.b64decode(text.strip(), validate=True).decode().partition(":")[2]
        except (binascii.Error, UnicodeDecodeError):
            secret = ""
        keeper: Doorkeeper = request.app.state.front.doorkeeper
        identity = keeper.bearer(f"Bearer {secret}") if secret else None
        if identity is not None and any(identity.may(one) for one in (role, *also)):
            return identity
        return usual(request)

    return check


Hook = Annotated[Identity, Depends(hook("viewer", "ingest"))]


@router.post("/flagger/{model:path}/confirm")
def confirm(here: Here, _: Hook, model: Model) -> dict[str, Any]:
    """For Flagger's confirm hooks: 200 while the gate is auto, else 409."""
    return _answer(here, model, "auto")


@router.post("/flagger/{model:path}/rollback")
def rollback(here: Here, _: Hook, model: Model) -> dict[str, Any]:
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


def _answer(here: Front, model: str, wanted: str) -> dict[str, Any]:
    """The gate, if it is as wanted. Raises Problem."""
    answer = _read(here, model)
    said = {name: answer[name] for name in ("state", "generation", "reason")}
    if answer["state"] != wanted:
        raise Problem(409, f"The gate of {model} is {answer['state']} and not {wanted}: {answer['reason']}", **said)
    return said
