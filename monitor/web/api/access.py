"""Users, tokens and signing in."""

from __future__ import annotations

import uuid
from typing import Any
from urllib.parse import quote, urlsplit

from fastapi import APIRouter

from monitor.core.times import rfc3339
from monitor.store import access
from monitor.store.errors import Unknown
from monitor.web import bodies
from monitor.web.auth import digest, new_secret
from monitor.web.front import Admin, Front, Here, Viewer
from monitor.web.problems import Problem

router = APIRouter(prefix="/v1", tags=["access"])
LINK = 600.0  # seconds a login link works


@router.post("/login-links", status_code=201)
def login_link(here: Here, who: Viewer, body: bodies.LoginLink) -> dict[str, Any]:
    """A link that signs its user in to the pages, once, within ten minutes."""
    if urlsplit(body.next).netloc or not body.next.startswith("/"):
        raise Problem(422, f"next must be a path of this daemon, beginning with /, not {body.next[:100]!r}.")
    secret = new_secret()
    now = here.now()
    token = access.Token(str(uuid.uuid4()), digest(secret), "login", who.user, who.role, "login link", now, now + LINK)
    with here.database.write(now) as tx:
        access.create_token(tx, token, who.user)
    url = f"{here.public_url}/login?t={secret}&next={quote(body.next)}"
    return {"url": url, "user": who.user, "expires_at": rfc3339(now + LINK)}


@router.get("/tokens")
def tokens(here: Here, _: Admin) -> dict[str, Any]:
    """Tokens ever made, without their secrets."""
    with here.database.read() as connection:
        return {"tokens": [_shown(token) for token in access.tokens(connection)]}


@router.post("/tokens", status_code=201)
def create_token(here: Here, who: Admin, body: bodies.NewToken) -> dict[str, Any]:
    """Make a token. Its secret is in this answer and nowhere else."""
    return make_token(here, body, who.user)


def make_token(here: Front, body: bodies.NewToken, actor: str) -> dict[str, Any]:
    secret, now = new_secret(), here.now()
    expires = None if body.days is None else now + body.days * 86_400
    token = access.Token(str(uuid.uuid4()), digest(secret), "api", body.user, body.role, body.label, now, expires)
    with here.database.write(now) as tx:
        access.create_token(tx, token, actor)
    return {**_shown(token), "token": secret}


@router.delete("/tokens/{id_}")
def revoke_token(here: Here, who: Admin, id_: str) -> dict[str, Any]:
    """Take a token back. It stops working within seconds."""
    try:
        with here.database.write(here.now()) as tx:
            access.revoke_token(tx, id_, who.user)
    except Unknown as missing:
        raise Problem(404, str(missing)) from missing
    here.doorkeeper.forget()
    return {"revoked": id_}


@router.get("/users")
def users(here: Here, _: Admin) -> dict[str, Any]:
    """Overseers."""
    with here.database.read() as connection:
        return {"users": access.users(connection)}


@router.post("/users", status_code=201)
def add_user(here: Here, who: Admin, body: bodies.NewUser) -> dict[str, Any]:
    """Add an overseer, with a first token of theirs in the answer."""
    try:
        with here.database.write(here.now()) as tx:
            access.add_user(tx, body.name, body.role, who.user)
    except ValueError as taken:
        raise Problem(409, str(taken)) from taken
    made = make_token(here, bodies.NewToken(user=body.name, role=body.role, label="first token"), who.user)
    return {"name": body.name, "role": body.role, "token": made["token"]}


def _shown(token: access.Token) -> dict[str, Any]:
    times = ("created_at", "expires_at", "used_at", "revoked_at")
    shown = {name: getattr(token, name) for name in ("id", "user", "role", "label")}
    return {**shown, **{name: _when(getattr(token, name)) for name in times}}


def _when(at: float | None) -> str | None:
    return None if at is None else rfc3339(at)
