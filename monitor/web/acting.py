"""The forms on an incident's page. They do what the API does, by the same desk."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, quote

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from starlette.concurrency import run_in_threadpool

from monitor.runtime.desk_errors import DeskError
from monitor.web.acts import Acts
from monitor.web.front import Here, Operator
from monitor.web.incident_page import incident_page
from monitor.web.params import Id
from monitor.web.problems import Problem, of_desk

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)
Form = dict[str, str]
_FIELDS = 20
_TYPED = 10_000  # characters of a field that are given back when a form is refused


async def form_of(request: Request) -> Form:
    """The fields of a posted form, the last of each name. Raises Problem."""
    try:
        text = (await request.body()).decode()
        fields = parse_qs(text, keep_blank_values=True, max_num_fields=_FIELDS)
    except ValueError as problem:  # no UTF-8, or too many fields
        raise Problem(400, "The form cannot be read: it is no form of ours.") from problem
    return {name: values[-1] for name, values in fields.items()}


@router.post("/incidents/{id_}/{act}")
async def act(request: Request, here: Here, who: Operator, id_: Id, act: str) -> Response:
    """Do it, and show the incident; what was refused is said on its page."""
    form = await form_of(request)
    do = _acts(Acts(here, who), id_, form).get(act)
    if do is None:
        raise Problem(404, f"There is no act {act[:50]!r} on an incident.")
    try:
        await run_in_threadpool(do)
    except DeskError as refused:
        problem = of_desk(refused)
        if problem.status == 404:
            raise
        said = f"Nothing was changed. {problem.detail}"
        typed = {**{name: text[:_TYPED] for name, text in form.items()}, "act": act}
        return await run_in_threadpool(
            incident_page, request, here, who, id_, problem.status, problem=said, typed=typed
        )
    return RedirectResponse(f"/incidents/{quote(id_, safe='')}?said={act}", 303)


def _acts(acts: Acts, id_: str, form: Form) -> dict[str, Callable[[], Any]]:
    note, revision = form.get("note", "").strip() or None, _revision(form.get("revision", ""))
    verdict = form.get("verdict") or None
    return {
        "acknowledge": lambda: acts.acknowledge(id_, revision, note, take=form.get("take") == "1"),
        "release": lambda: acts.release(id_, revision, note),
        "note": lambda: acts.note(id_, note or ""),
        "assign": lambda: acts.assign(id_, form.get("owner", "").strip() or None, revision, note),
        "close": lambda: acts.close(id_, verdict, revision, note),
        "reopen": lambda: acts.reopen(id_, revision, note),
        "verdict": lambda: acts.verdict(id_, verdict or "", revision, note),
    }


def _revision(text: str) -> int | None:
    """What the person saw: a form that says nothing of it acts on whatever there is."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 16 else None
