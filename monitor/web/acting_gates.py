"""The forms of gates and of decisions. They do what the API does, by the same desk."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from starlette.concurrency import run_in_threadpool

from monitor.runtime.desk_errors import DeskError
from monitor.web.acting import Form, form_of
from monitor.web.front import Here, Supervisor
from monitor.web.model_page import decisions_page, model_page
from monitor.web.params import Id, Model
from monitor.web.problems import of_desk

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)


@router.post("/models/{model:path}/gate")
async def set_gate(request: Request, here: Here, who: Supervisor, model: Model) -> Response:
    """Set the gate, and show the model; what was refused is said on its page."""
    form = await form_of(request)
    seen = form.get("generation", "")
    generation = int(seen) if seen.isascii() and seen.isdecimal() and len(seen) < 16 else None
    said = (model, form.get("state", ""), form.get("reason", ""), who.user, who.role)
    try:
        done = await run_in_threadpool(here.desk.gate_set, *said, generation, form.get("break_glass") == "1")
    except DeskError as refused:
        why, status = f"Nothing was changed. {refused}", of_desk(refused).status
        return await run_in_threadpool(model_page, request, here, who, model, status, None, why, _typed(form))
    what = "asked" if done["asked"] and done["state"] != form.get("state") else "set"
    return RedirectResponse(f"/models/{quote(model, safe='')}?said={what}#gate", 303)


@router.post("/decisions/{id_}")
async def decide(request: Request, here: Here, who: Supervisor, id_: Id) -> Response:
    """Decide, and show what else waits."""
    form = await form_of(request)
    verdict, text = form.get("verdict", ""), form.get("answer", "").strip()
    answer = _answer(text) if verdict == "change" and text else None
    try:
        await run_in_threadpool(here.desk.decide, id_, verdict, form.get("reason", ""), who.user, who.role, answer)
    except DeskError as refused:
        why, status = f"Nothing was decided. {refused}", of_desk(refused).status
        typed = {**_typed(form), "id": id_}
        return await run_in_threadpool(decisions_page, request, here, who, status, None, why, typed)
    return RedirectResponse("/decisions?said=decided", 303)


def _typed(form: Form) -> dict[str, str]:
    return {name: text[:10_000] for name, text in form.items()}


def _answer(text: str) -> Any:
    """What somebody typed as JSON; a text if it is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
