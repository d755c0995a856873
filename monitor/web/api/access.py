"""Users, tokens and login links."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Final, Literal
from urllib.parse import quote, urlsplit

from fastapi import APIRouter

from monitor.core.times import rfc3339
from monitor.store import access
from monitor.store.database import Transaction
from monitor.web import bodies
from monitor.web.auth import digest, new_secret
from monitor.web.front import Admin, Front, Here, Viewer
from monitor.web.params import Id
from monitor.web.problems import Problem

router = APIRouter(prefix="/v1", tags=["access"])
LINK = 600.0  # seconds a login link works
OURS: Final = ("admin", "machine", "signal")  # the names that the audit log gives to the token file and the daemon


@router.post("/login-links", status_code=201)
def login_link(here: Here, who: Viewer, body: bodies.LoginLink | None = None) -> dict[str, Any]:
    """A link that signs its user in to the pages, once, within ten minutes. The session ends with the token."""
    if who.door == "session":  # else a session could be made to last for ever
        raise Problem(403, "A login link takes a token, and a signed-in browser has none: run `overloop login`.")
    leads_to = (body or bodies.LoginLink()).next
    if inside(leads_to) != leads_to:
        raise Problem(422, f"next must be a path of this daemon, beginning with one /, not {leads_to[:100]!r}.")
    with here.database.write(here.now()) as tx:
        made, secret = _made(tx, "login", who.user, who.role, "login link", LINK)
        token = replace(made, parent=who.token)
        access.create_token(tx, token, who.user)
    url = f"{here.public_url.rstrip('/')}/login?t={secret}&next={quote(leads_to)}"
    return {"url": url, "user": who.user, "expires_at": _when(token.expires_at)}


def inside(path: str) -> str:
    """A path of this daemon, whatever was asked for: signing in must not lead elsewhere."""
    try:
        parts = urlsplit(path)
    except ValueError:
        return "/"
    led_away = parts.scheme or parts.netloc or not path.startswith("/") or path.startswith("//")
    return "/" if led_away or "\\" in path or not path.isprintable() else path


@router.get("/tokens")
def tokens(here: Here, _: Admin, kind: Literal["api", "session", "login"] = "api") -> dict[str, Any]:
    """Tokens ever made (or browser sessions, or login links), without their secrets."""
    with here.database.read() as connection:
        return {"tokens": [_shown(token) for token in access.tokens(connection, kind)]}


@router.post("/tokens", status_code=201)
def create_token(here: Here, who: Admin, body: bodies.NewToken) -> dict[str, Any]:
    """Make a token. Its secret is in this answer and nowhere else."""
    _refuse_ours(body.user)
    with here.database.write(here.now()) as tx:
        seconds = None if body.days is None else body.days * 86_400
        token, secret = _made(tx, "api", body.user, body.role, body.label, seconds)
        access.create_token(tx, token, who.user)
    return {**_shown(token), "token": secret}


@router.delete("/tokens/{id_}")
def revoke_token(here: Here, who: Admin, id_: Id) -> dict[str, Any]:
    """Take a token or a session back. It stops working within two seconds, with all that was made from it."""
    with _shut_out(here) as tx:
        access.revoke_token(tx, id_, who.user)
    return {"revoked": id_}


@router.get("/users")
def users(here: Here, _: Admin) -> dict[str, Any]:
    """Overseers."""
    with here.database.read() as connection:
        return {"users": access.users(connection)}


@router.post("/users", status_code=201)
def add_user(here: Here, who: Admin, body: bodies.NewUser) -> dict[str, Any]:
    """Add an overseer, with a first token of theirs in the answer."""
    _refuse_ours(body.name)
    with here.database.write(here.now()) as tx:
        try:
            access.add_user(tx, body.name, body.role, who.user)
        except ValueError as taken:
            raise Problem(409, str(taken)) from taken
        token, secret = _made(tx, "api", body.name, body.role, "first token", None)
        access.create_token(tx, token, who.user)
    return {"name": body.name, "role": body.role, "token": secret}


@router.delete("/users/{name}")
def disable_user(here: Here, who: Admin, name: Id) -> dict[str, Any]:
    """Shut an overseer out, with all of their tokens and sessions. What they did stays on record."""
    if name == who.user:
        raise Problem(409, "You cannot shut yourself out; another admin can.")
    with _shut_out(here) as tx:
        access.disable_user(tx, name, who.user)
    return {"disabled": name}


@contextmanager
def _shut_out(here: Front) -> Iterator[Transaction]:
    """A transaction after which nothing remembered is believed."""
    with here.database.write(here.now()) as tx:
        yield tx
    here.doorkeeper.forget()


def _refuse_ours(name: str) -> None:
    if name.lower() in OURS:
        raise Problem(409, f"The name {name!r} belongs to the daemon itself in the audit log; choose another one.")


def _made(
    tx: Transaction, kind: access.TokenKind, user: str, role: str, label: str, seconds: float | None
) -> tuple[access.Token, str]:
    """A token that is not kept yet, and its secret."""
    secret = new_secret()
    expires = None if seconds is None else tx.at + seconds
    return access.Token(str(uuid.uuid4()), digest(secret), kind, user, role, label, tx.at, expires), secret


def _shown(token: access.Token) -> dict[str, Any]:
    times = ("created_at", "expires_at", "used_at", "revoked_at")
    shown = {name: getattr(token, name) for name in ("id", "user", "role", "label")}
    return {**shown, **{name: _when(getattr(token, name)) for name in times}}


def _when(at: float | None) -> str | None:
    return None if at is None else rfc3339(at)
