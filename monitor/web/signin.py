"""Signing in by a link that works once, and signing out."""

from __future__ import annotations

import uuid

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from starlette.concurrency import run_in_threadpool

from monitor.store import access
from monitor.web.acting import form_of
from monitor.web.api.access import inside
from monitor.web.auth import COOKIE, SESSION, digest, new_secret, same_origin
from monitor.web.front import Front, Here, Viewer
from monitor.web.render import page

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)


@router.get("/login")
def login_page(request: Request, t: str = "", next: str = "/") -> Response:
    """Only asks: mail scanners and previews follow links too."""
    return page(request, "login.html", None, token=t[:200], next=inside(next[:500]), spent=False)


@router.post("/login")
async def login(request: Request, here: Here) -> Response:
    """Exchange a login link for a session."""
    same_origin(request)
    form = await form_of(request)
    secret = await run_in_threadpool(_exchange, here, form.get("t", ""))
    if secret is None:
        return page(request, "login.html", None, 403, token="", next="/", spent=True)
    answer = RedirectResponse(inside(form.get("next", "/")), 303)
    secure = here.public_url.startswith("https:")
    answer.set_cookie(COOKIE, secret, max_age=int(SESSION), httponly=True, secure=secure, samesite="lax", path="/")
    return answer


def _exchange(here: Front, link: str) -> str | None:
    """The secret of a new session for a link that is in force, which is used up thereby."""
    secret, now = new_secret(), here.now()
    with here.database.write(now) as tx:
        found = access.use_login(tx, digest(link))
        if found is None:
            return None
        id_, until = str(uuid.uuid4()), now + SESSION
        session = access.Token(
            id_, digest(secret), "session", found.user, found.role, "browser", now, until, parent=found.parent
        )
        access.create_token(tx, session, found.user)
    return secret


@router.post("/logout")
def logout(request: Request, here: Here, who: Viewer) -> Response:
    """End the session here and in the ledger."""
    now = here.now()
    with here.database.write(now) as tx:
        session = access.find(tx.connection, digest(request.cookies.get(COOKIE, "")), "session", now)
        if session is not None:
            access.revoke_token(tx, session.id, who.user)
    here.doorkeeper.forget()
    answer = RedirectResponse("/login", 303)
    answer.delete_cookie(COOKIE, path="/")
    return answer
