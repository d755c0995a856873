"""The gate as a flag: the OpenFeature Remote Evaluation Protocol (OFREP), so that any OpenFeature SDK reads it.

https://openfeature.dev/docs/reference/other-technologies/ofrep. The flag `overloop.gate.<model>` is a text: auto,
review or halt. `version`, `segment` and `operation` of the evaluation context say what is asked about.
"""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Any, Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool

from monitor.core.oversight.scopes import Part
from monitor.store import queries
from monitor.store.errors import Unknown
from monitor.web.front import Anybody, Front, Here
from monitor.web.gate_answers import gate_answer

router = APIRouter(prefix="/ofrep/v1/evaluate/flags", include_in_schema=False)
PREFIX: Final = "overloop.gate."
_PARTS: Final[tuple[Part, ...]] = ("version", "segment", "operation")


class _Unreadable(Exception):  # noqa: N818 - an answer
    """The request cannot be evaluated."""


@router.post("/{key:path}")
async def one(request: Request, here: Here, _: Anybody, key: str) -> Response:
    """One flag."""
    try:
        named = _context(await request.body())
    except _Unreadable as problem:
        return _error(400, key, "INVALID_CONTEXT", str(problem))
    model = key.removeprefix(PREFIX)
    if model == key or not await run_in_threadpool(_known, here, model):
        return _error(404, key, "FLAG_NOT_FOUND", f"There is no flag {key[:200]!r}: gates are {PREFIX}<model>.")
    return JSONResponse(await run_in_threadpool(_flag, here, model, named))


@router.post("")
async def all_(request: Request, here: Here, _: Anybody) -> Response:
    """All flags, with an ETag: whoever has them is told 304."""
    try:
        named = _context(await request.body())
    except _Unreadable as problem:
        return _error(400, None, "INVALID_CONTEXT", str(problem))
    flags = await run_in_threadpool(_flags, here, named)
    body = json.dumps({"flags": flags}, separators=(",", ":")).encode()
    tag = f'"{sha256(body).hexdigest()[:32]}"'
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers={"ETag": tag})
    return Response(body, headers={"ETag": tag}, media_type="application/json")


def _context(body: bytes) -> dict[Part, str]:
    """What the evaluation context names of a model. Raises _Unreadable."""
    try:
        given = json.loads(body or b"{}")
    except (ValueError, RecursionError):
        raise _Unreadable("The body is no JSON.") from None
    context = given.get("context") or {} if isinstance(given, dict) else None
    if not isinstance(context, dict):
        raise _Unreadable("The context must be an object.")
    named: dict[Part, str] = {}
    for part in _PARTS:
        value = context.get(part)
        if isinstance(value, str | int | float) and not isinstance(value, bool) and str(value):
            named[part] = str(value)[:400]
    return named


def _known(here: Front, model: str) -> bool:
    """A model that was seen, or whose gate was set: of any other the service's own default holds."""
    with here.database.read() as connection:
        if queries.gate(connection, model)["generation"]:
            return True
        try:
            queries.model(connection, model)
        except Unknown:
            return False
    return True


def _flag(here: Front, model: str, named: dict[Part, str]) -> dict[str, Any]:
    with here.database.read() as connection:
        answer = gate_answer(connection, here.book, model, named)
    said = {name: answer[name] for name in ("epoch", "generation", "lease_seconds", "scope", "since", "by")}
    return {
        "key": PREFIX + model,
        "value": answer["state"],
        "variant": answer["state"],
        "reason": "STATIC" if answer["scope"] == model else "TARGETING_MATCH",
        "metadata": {**{k: v for k, v in said.items() if v is not None}, "why": answer["reason"]},
    }


def _flags(here: Front, named: dict[Part, str]) -> list[dict[str, Any]]:
    with here.database.read() as connection:
        models = {m["model"] for m in queries.models(connection)}
        models |= {gate["model"] for gate in queries.gates(connection)}
    return [_flag(here, model, named) for model in sorted(models)]


def _error(status: int, key: str | None, code: str, details: str) -> Response:
    body = {"errorCode": code, "errorDetails": details}
    return JSONResponse(body if key is None else {"key": key, **body}, status)
