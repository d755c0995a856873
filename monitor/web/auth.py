"""Who is asking, and may they. Loopback is not trust: every route but the health checks wants a token or a session."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Literal
from urllib.parse import urlsplit

from fastapi import Request

from monitor.store import access
from monitor.store.database import Database
from monitor.web.problems import Problem

Role = Literal["ingest", "viewer", "operator", "supervisor", "admin"]
RANK: dict[str, int] = {"ingest": -1, "viewer": 0, "operator": 1, "supervisor": 2, "admin": 3}
COOKIE = "overloop_session"
SESSION = 12 * 3600.0  # seconds a browser stays signed in
REMEMBER = 2.0  # seconds a token is believed without asking the ledger: a revoked one works no longer than this
PREFIX = "ovl_"


@dataclass(frozen=True, slots=True)
class Identity:
    """Who is asking. `door` says how they came in: a token or a browser session."""

    user: str
    role: Role
    door: Literal["token", "session"]

    def may(self, role: Role) -> bool:
        return RANK[self.role] >= RANK[role]


def new_secret() -> str:
    """A token nobody can guess: 32 random bytes."""
    return PREFIX + secrets.token_urlsafe(32)


def digest(secret: str) -> str:
    """What the ledger keeps of a token."""
    return sha256(secret.encode()).hexdigest()


class Doorkeeper:
    """Finds identities. Answers are remembered for `REMEMBER` seconds, so that intake does not read the ledger."""

    def __init__(self, database: Database, now: Callable[[], float]) -> None:
        self.database, self.now = database, now
        self._known: dict[str, tuple[Identity | None, float]] = {}
        self._lock = threading.Lock()

    def identify(self, headers: Mapping[str, str], cookies: Mapping[str, str]) -> Identity | None:
        """The identity behind a request, or None if it shows nothing valid."""
        scheme, _, secret = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and (secret := secret.strip()):
            return self._find(secret, "token")
        session = cookies.get(COOKIE)
        return self._find(session, "session") if session else None

    def bearer(self, authorization: str) -> Identity | None:
        """The identity behind an Authorization header; sessions do not count."""
        return self.identify({"authorization": authorization}, {})

    def _find(self, secret: str, door: Literal["token", "session"]) -> Identity | None:
        key = digest(secret) + door
        at = time.monotonic()
        with self._lock:
            identity, until = self._known.get(key, (None, 0.0))
        if at < until:
            return identity
        kind: access.TokenKind = "api" if door == "token" else "session"
        with self.database.read() as connection:
            row = access.find(connection, digest(secret), kind, self.now())
        identity = None if row is None else Identity(row.user, row.role, door)  # type: ignore[arg-type]
        with self._lock:
            if len(self._known) > 10_000:
                self._known.clear()
            self._known[key] = (identity, at + REMEMBER)
        return identity

    def forget(self) -> None:
        """After a sign-out or a revocation: believe nothing remembered."""
        with self._lock:
            self._known.clear()


def require(role: Role) -> Callable[[Request], Identity]:
    """A dependency: the identity of the request, if it has at least this role."""

    def check(request: Request) -> Identity:
        keeper: Doorkeeper = request.app.state.front.doorkeeper
        identity = keeper.identify(request.headers, request.cookies)
        if identity is None:
            raise Problem(
                401,
                "This route needs a token (Authorization: Bearer …) or a signed-in browser: run `overloop login`.",
                {"WWW-Authenticate": 'Bearer realm="overloop"'},
            )
        if identity.door == "session" and request.method not in ("GET", "HEAD"):
            same_origin(request)
        if not identity.may(role):
            raise Problem(403, f"{identity.user} is {identity.role}; this needs the role {role} or a higher one.")
        return identity

    return check


def same_origin(request: Request) -> None:
    """Refuse a browser's POST that another site made."""
    origin = request.headers.get("origin")
    if origin is None:
        if request.headers.get("sec-fetch-site", "cross-site") in ("same-origin", "none"):
            return
        raise Problem(403, "A POST with a session must come from our own pages: the request names no Origin.")
    if urlsplit(origin).netloc != request.headers.get("host"):
        raise Problem(403, f"A POST with a session must come from our own pages, not from {origin[:100]!r}.")


def allowed_hosts(listen: str, public_url: str | None) -> set[str]:
    """Host headers we answer to: a name that points here by someone else's DNS is not one of them."""
    host, _, port = listen.rpartition(":")
    names = {host, f"{host}:{port}", f"localhost:{port}", f"127.0.0.1:{port}", f"[::1]:{port}"}
    names |= {"localhost", "127.0.0.1", "[::1]"}
    if public_url:
        names.add(urlsplit(public_url).netloc)
    return {name.lower() for name in names if name}
