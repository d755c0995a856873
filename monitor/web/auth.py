"""Who is asking, and may they. Loopback is not trust: every route but two health checks wants a token or a session."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Literal, cast
from urllib.parse import urlsplit

from fastapi import Request

from monitor.store import access
from monitor.store.database import Database
from monitor.store.errors import LedgerUnavailable
from monitor.web.doors import allowed_hosts
from monitor.web.problems import Problem
from monitor.web.tokens import digest, new_secret

__all__ = ["COOKIE", "SESSION", "Doorkeeper", "Identity", "allowed_hosts", "digest", "new_secret", "require"]

Role = Literal["ingest", "viewer", "operator", "supervisor", "admin"]
Door = Literal["token", "session"]
OVERSEERS: Final = ("viewer", "operator", "supervisor", "admin")  # each may do all that the ones before it may
COOKIE = "overloop_session"
SESSION = 12 * 3600.0  # seconds a browser stays signed in
REMEMBER = 2.0  # seconds a token is believed without asking the ledger: a revoked one works no longer than this
TRUSTED = 900.0  # seconds a sender whom the ledger knew is let in while nobody can ask it
_REMEMBERED = 10_000  # answers kept


@dataclass(frozen=True, slots=True)
class Identity:
    """Who is asking. `door` says how they came in, by a token or a browser session, and `token` is its id."""

    user: str
    role: Role
    door: Door
    token: str

    def may(self, role: Role) -> bool:
        """Whether this role goes as far as that one. `ingest` is for machines and goes nowhere else."""
        if self.role not in OVERSEERS or role not in OVERSEERS:
            return self.role == role
        return OVERSEERS.index(self.role) >= OVERSEERS.index(role)


class Doorkeeper:
    """Finds identities. Answers are remembered for `REMEMBER` seconds, so that intake does not read the ledger.

    While the ledger is away, those who post events are let in as they were last (`TRUSTED`), so that intake goes on.
    """

    def __init__(self, database: Database, now: Callable[[], float]) -> None:
        self.database, self.now = database, now
        self._known: dict[tuple[str, Door], tuple[Identity | None, float]] = {}
        self._sure: dict[str, tuple[Identity, float]] = {}  # by digest of the token: as the ledger said, and when
        self._lock = threading.Lock()

    def identify(self, headers: Mapping[str, str], cookies: Mapping[str, str]) -> Identity | None:
        """The identity behind a request, or None if it shows nothing valid. Raises LedgerUnavailable."""
        scheme, _, secret = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and (secret := secret.strip()):
            return self._find(secret, "token")
        session = cookies.get(COOKIE)
        return self._find(session, "session") if session else None

    def bearer(self, authorization: str) -> Identity | None:
        """The identity behind an Authorization header, for posting; sessions do not count. Raises LedgerUnavailable."""
        try:
            return self.identify({"authorization": authorization}, {})
        except LedgerUnavailable:
            key, at = digest(authorization.partition(" ")[2].strip()), time.monotonic()
            with self._lock:
                identity, sure = self._sure.get(key, (None, float("-inf")))
                if identity is None or at - sure > TRUSTED:
                    raise
                self._known[(key, "token")] = (identity, at + REMEMBER)  # asking may take long: not at each post
            return identity

    def _find(self, secret: str, door: Door) -> Identity | None:
        key, at = (digest(secret), door), time.monotonic()
        with self._lock:
            identity, until = self._known.get(key, (None, 0.0))
        if at < until:
            return identity
        with self.database.read() as connection:
            row = access.find(connection, key[0], "api" if door == "token" else "session", self.now())
        identity = None if row is None else Identity(row.user, cast(Role, row.role), door, row.id)
        with self._lock:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
                self._sure.clear()
            self._known[key] = (identity, at + REMEMBER)
            if door == "token" and identity is not None:
                self._sure[key[0]] = (identity, at)
            else:
                self._sure.pop(key[0], None)
        return identity

    def forget(self) -> None:
        """After a sign-out or a revocation: believe nothing remembered."""
        with self._lock:
            self._known.clear()
            self._sure.clear()


def require(role: Role, *also: Role) -> Callable[[Request], Identity]:
    """A dependency: the identity of the request, if it has at least this role, or exactly one of the others."""

    def check(request: Request) -> Identity:
        identity = _identity(request)
        if identity.door == "session" and request.method not in ("GET", "HEAD"):
            same_origin(request)
        if not any(identity.may(one) for one in (role, *also)):
            wanted = ", ".join((role if role == "admin" else f"{role} or a higher one", *also))
            raise Problem(403, f"{identity.user} has the role {identity.role}, and this takes the role {wanted}.")
        return identity

    return check


def _identity(request: Request) -> Identity:
    keeper: Doorkeeper = request.app.state.front.doorkeeper
    try:
        identity = keeper.identify(request.headers, request.cookies)
    except LedgerUnavailable as problem:  # who asks is not known, so the ledger's own words are not for them
        sentence = "The ledger cannot be read, so tokens cannot be checked; try again in a few seconds."
        raise Problem(503, sentence, {"Retry-After": "2"}) from problem
    if identity is None:
        raise Problem(
            401,
            "This takes a token (Authorization: Bearer …) or a signed-in browser: run `overloop login`.",
            {"WWW-Authenticate": 'Bearer realm="overloop"'},
        )
    return identity


def same_origin(request: Request) -> None:
    """Refuse a browser's POST that another site made. Raises Problem."""
    origin = request.headers.get("origin")
    if origin is None:
        if request.headers.get("sec-fetch-site") == "same-origin":
            return
        raise Problem(403, "A signed-in browser may only post from our own pages, and this request names no Origin.")
    asked = f"{request.scope['scheme']}://{request.headers.get('host', '')}"
    if origin.lower() not in (asked.lower(), _origin(request.app.state.front.public_url).lower()):
        raise Problem(403, f"A signed-in browser may only post from our own pages, not from {origin[:100]!r}.")


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
