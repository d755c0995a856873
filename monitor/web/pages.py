"""Pages for people: server-rendered, plain, and whole without JavaScript."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.concurrency import run_in_threadpool

from monitor.core.incidents.model import Incident
from monitor.core.rules.model import Absent, Detect, Rule, Windowed
from monitor.core.times import parse_time
from monitor.runtime.desk import Conflict, DeskError
from monitor.spool import SpoolError, partition_of
from monitor.store import access, queries
from monitor.web import charts
from monitor.web.api.machines import account
from monitor.web.auth import COOKIE, SESSION, Identity, digest, new_secret, require, same_origin
from monitor.web.front import Front, Here, front
from monitor.web.problems import Problem
from monitor.web.signal import read_signal

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)
_templates = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def _when(text: str | None) -> str:
    """A time for people, to the second, with its zone."""
    return "never" if text is None else f"{text[:10]} {text[11:19]} UTC"


_templates.filters["when"] = _when
_FORM = 64 * 1024  # bytes of a form
_STATES = ("open", "acknowledged", "recovered", "closed")


def _page(request: Request, name: str, who: Identity | None, status: int = 200, **values: Any) -> HTMLResponse:
    text = _templates.get_template(name).render(who=who, path=request.url.path, **values)
    return HTMLResponse(text, status)


def _who(request: Request) -> Identity | None:
    """The signed-in person, or None: pages then ask to sign in instead of showing a problem document."""
    return front(request).doorkeeper.identify(request.headers, request.cookies)


def _sign_in(request: Request) -> Response:
    return _page(request, "signin.html", None, status=401)


# -- reading ------------------------------------------------------------------------------------------------------


@router.get("/")
def home(request: Request) -> Response:
    return RedirectResponse("/incidents", 303)


@router.get("/incidents")
def incidents(request: Request, here: Here, state: str = "", model: str = "", after: str | None = None) -> Response:
    who = _who(request)
    if who is None:
        return _sign_in(request)
    states = [state] if state in _STATES else ["open", "acknowledged", "recovered"]
    with here.database.read() as connection:
        found, following = queries.incidents(
            connection, states=None if state == "all" else states, model=model or None, limit=50, after=after
        )
        counts = queries.incident_counts(connection)
    by_state = {name: sum(n for (s, _), n in counts.items() if s == name) for name in _STATES}
    watched = {"models": len(_models(here)), "rules": sum(len(p.rules) for p in here.book.packs), **account(here)}
    return _page(
        request, "incidents.html", who, found=found, following=following, state=state, model=model, counts=by_state,
        watched=watched,
    )  # fmt: skip


@router.get("/incidents/{id_}")
def incident(request: Request, here: Here, id_: str, said: str = "") -> Response:
    who = _who(request)
    if who is None:
        return _sign_in(request)
    return _incident_page(request, here, who, id_, said=said[:200])


def _incident_page(
    request: Request, here: Front, who: Identity, id_: str, status: int = 200, said: str = "", problem: str = ""
) -> Response:
    with here.database.read() as connection:
        found = queries.incident(connection, id_)
        raw = queries.load_incident(connection, id_)
    if found is None or raw is None:
        return _page(request, "missing.html", who, 404, what=f"incident {id_[:80]}")
    drawn = _draw(here, found, raw)
    known = here.book.find(f"{found['pack']}/{found['rule']}")
    return _page(
        request, "incident.html", who, status, found=found, drawn=drawn, said=said, problem=problem,
        rule=None if known is None else _rule(known[1]),
    )  # fmt: skip


def _draw(here: Front, found: dict[str, Any], incident: Incident) -> list[dict[str, Any]]:
    """A chart for each of the first columns concerned, around the moment the first evidence was seen."""
    first = min((parse_time(e["at"]) for e in found["evidence"]), default=incident.opened_at)
    moment = incident.opened_at if incident.historical else min(first, incident.opened_at)
    partition = partition_of(found["model"], here.partitions)
    drawn = []
    for column in list(dict.fromkeys(e["column"] for e in found["evidence"] if e["column"]))[:3]:
        try:
            signal = read_signal(here.spool, partition, found["model"], column, moment)
        except SpoolError:
            continue
        if signal is not None:
            pictures = [charts.signal_chart(signal, column), charts.histogram_chart(signal, column)]
            drawn.append({"column": column, "charts": [Markup(p) for p in pictures if p], "shares": signal.shares})  # noqa: S704
    return drawn


@router.get("/models")
def models(request: Request, here: Here) -> Response:
    who = _who(request)
    if who is None:
        return _sign_in(request)
    with here.database.read() as connection:
        gates = {gate["scope"]: gate for gate in queries.gates(connection)}
    found = [{**m, "rules": len(here.book.rules_for(m["model"])), "gate": gates.get(m["model"])} for m in _models(here)]
    return _page(request, "models.html", who, models=found)


@router.get("/rules")
def rules(request: Request, here: Here) -> Response:
    who = _who(request)
    if who is None:
        return _sign_in(request)
    packs = [{"pack": pack, "rules": [_rule(rule) for rule in pack.rules]} for pack in here.book.packs]
    return _page(request, "rules.html", who, packs=packs)


def _models(here: Front) -> list[dict[str, Any]]:
    with here.database.read() as connection:
        return queries.models(connection)


def _rule(rule: Rule) -> dict[str, Any]:
    form = rule.form
    if isinstance(form, Detect):
        watches = f"{form.kind} of {form.of or ', '.join(form.columns)}" + (
            f" with {form.method}" if form.method else ""
        )
    elif isinstance(form, Windowed):
        limit = f"above {form.above:g}" if form.above is not None else f"below {form.below:g}"
        watches = f"{form.kind} of {form.of} {limit} over {form.over:g} s"
    else:
        assert isinstance(form, Absent)
        watches = f"nothing for {form.seconds:g} s"
    by = "" if not form.by else f" by {', '.join(form.by)}"
    return {"rule": rule, "watches": watches + by}


# -- acting -------------------------------------------------------------------------------------------------------


@router.post("/incidents/{id_}/{act}")
async def act(request: Request, here: Here, id_: str, act: str) -> Response:
    """The forms on an incident's page. The same desk as the API's."""
    who = _who(request)
    if who is None:
        return _sign_in(request)
    same_origin(request)
    form = await _form(request)
    acts = _acts(here, id_, who, form)
    if act not in acts:
        raise Problem(404, f"There is no act {act[:50]!r} on an incident.")
    try:
        await run_in_threadpool(acts[act])
    except DeskError as refused:
        status = 409 if isinstance(refused, Conflict) else 400
        return await run_in_threadpool(_incident_page, request, here, who, id_, status, "", str(refused))
    return RedirectResponse(f"/incidents/{quote(id_)}?said={quote(act)}", 303)


def _acts(here: Front, id_: str, who: Identity, form: dict[str, str]) -> dict[str, Callable[[], Any]]:
    note, user, role = form.get("note") or None, who.user, who.role
    desk = here.desk
    return {
        "acknowledge": lambda: desk.acknowledge(id_, user, role, note=note),
        "release": lambda: desk.release(id_, user, role, note=note),
        "note": lambda: desk.note(id_, user, role, note=note or ""),
        "assign": lambda: desk.assign(id_, user, role, owner=form.get("owner", ""), note=note),
        "close": lambda: desk.close(id_, user, role, verdict=form.get("verdict") or None, note=note),
        "reopen": lambda: desk.reopen(id_, user, role, note=note),
        "verdict": lambda: desk.verdict(id_, user, role, verdict=form.get("verdict", ""), note=note),
    }


async def _form(request: Request) -> dict[str, str]:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _FORM:
            raise Problem(413, f"The form is larger than {_FORM // 1024} kB.")
    fields = parse_qs(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=20)
    return {name: values[-1] for name, values in fields.items()}


# -- signing in ---------------------------------------------------------------------------------------------------


@router.get("/login")
def login_page(request: Request, t: str = "", next: str = "/") -> Response:
    """Only asks: mail scanners and previews follow links too."""
    return _page(request, "login.html", None, token=t, next=_inside(next))


@router.post("/login")
async def login(request: Request, here: Here) -> Response:
    """Exchange a login link for a session."""
    same_origin(request)
    form = await _form(request)
    secret, now = new_secret(), here.now()
    with here.database.write(now) as tx:
        link = access.use_login(tx, digest(form.get("t", "")))
        if link is not None:
            session = access.Token(
                str(uuid.uuid4()), digest(secret), "session", link.user, link.role, "browser", now, now + SESSION
            )
            access.create_token(tx, session, link.user)
    if link is None:
        return _page(request, "login.html", None, 403, token="", next="/")
    answer = RedirectResponse(_inside(form.get("next", "/")), 303)
    secure = here.public_url.startswith("https")
    answer.set_cookie(COOKIE, secret, max_age=int(SESSION), httponly=True, secure=secure, samesite="lax", path="/")
    return answer


@router.post("/logout")
def logout(request: Request, here: Here) -> Response:
    """End the session here and in the ledger."""
    who = require("viewer")(request)
    session = request.cookies.get(COOKIE, "")
    with here.database.read() as connection:
        token = access.find(connection, digest(session), "session", here.now())
    if token is not None:
        with here.database.write(here.now()) as tx:
            access.revoke_token(tx, token.id, who.user)
    here.doorkeeper.forget()
    answer = RedirectResponse("/login", 303)
    answer.delete_cookie(COOKIE, path="/")
    return answer


def _inside(path: str) -> str:
    """A path of this daemon, whatever was asked for: login must not lead elsewhere."""
    parts = urlsplit(path)
    safe = path.startswith("/") and not path.startswith(("//", "/\\")) and not parts.netloc and not parts.scheme
    return path if safe else "/"
