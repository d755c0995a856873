"""Users, and the hashes of their tokens, login links and sessions. Secrets themselves never come here."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Final, Literal

from sqlalchemy import Connection, FromClause, delete, insert, or_, select, update

from monitor.store import rows
from monitor.store.database import Transaction
from monitor.store.errors import Unknown
from monitor.store.tables import tokens as token_table
from monitor.store.tables import users as user_table

TokenKind = Literal["api", "login", "session"]


@dataclass(frozen=True, slots=True)
class Token:
    """One way in. `hash` is the sha256 (hex) of the secret; times are seconds since 1970 UTC.

    `parent` is the id of the API token that a login link, and the session it was exchanged for, were made from.
    """

    id: str
    hash: str
    kind: TokenKind
    user: str
    role: str
    label: str
    created_at: float
    expires_at: float | None = None
    used_at: float | None = None
    revoked_at: float | None = None
    parent: str | None = None


_TOKEN: Final = tuple(field.name for field in fields(Token))


def find(connection: Connection, hash_: str, kind: TokenKind, now: float) -> Token | None:
    """The token of that kind behind a hash, if it is in force: neither revoked, nor expired, nor its user disabled.

    A login link that was used is no longer in force, and nothing outlives the token it was made from.
    """
    made_from = token_table.alias("made_from")
    wanted = (
        select(token_table)
        .outerjoin(user_table, user_table.c.name == token_table.c.user)
        .outerjoin(made_from, made_from.c.id == token_table.c.parent)
        .where(token_table.c.hash == hash_, token_table.c.kind == kind)
        .where(*_in_force(token_table, now), *_in_force(made_from, now))
        .where(user_table.c.disabled_at.is_(None))
    )
    row = connection.execute(wanted).mappings().one_or_none()
    if row is None or (kind == "login" and row["used_at"] is not None):
        return None
    return _token(row)


def create_token(tx: Transaction, token: Token, actor: str) -> None:
    """Keep a token, with its audit entry: `login` for a session, `token_created` otherwise."""
    row = rows.fit("tokens", {name: getattr(token, name) for name in _TOKEN})
    tx.connection.execute(insert(token_table), row)
    kind = "login" if token.kind == "session" else "token_created"
    tx.audit(kind, actor, {**_said(token), "expires_at": rows.shown_time(token.expires_at)})


def use_login(tx: Transaction, hash_: str) -> Token | None:
    """Use up a login link; None if it is not in force or was used before. At most one caller ever gets it."""
    found = find(tx.connection, hash_, "login", tx.at)
    if found is not None:
        tx.connection.execute(update(token_table).where(token_table.c.id == found.id).values(used_at=tx.at))
    return found


def touch_token(tx: Transaction, id_: str) -> None:
    """Remember that a token was used now."""
    tx.connection.execute(update(token_table).where(token_table.c.id == id_).values(used_at=tx.at))


def revoke_token(tx: Transaction, id_: str, actor: str) -> None:
    """Take a token back, with its audit entry. Raises Unknown; revoking twice changes nothing."""
    row = tx.connection.execute(select(token_table).where(token_table.c.id == id_)).mappings().one_or_none()
    if row is None:
        raise Unknown("token", id_)
    if row["revoked_at"] is None:
        tx.connection.execute(update(token_table).where(token_table.c.id == id_).values(revoked_at=tx.at))
        tx.audit("token_revoked", actor, _said(_token(row)))


def tokens(connection: Connection, kind: TokenKind = "api") -> list[Token]:
    """All tokens of a kind, the newest first, revoked ones too."""
    wanted = select(token_table).where(token_table.c.kind == kind)
    ordered = wanted.order_by(token_table.c.created_at.desc(), token_table.c.id)
    return [_token(row) for row in connection.execute(ordered).mappings()]


def forget_tokens(tx: Transaction, before: float) -> int:
    """Drop login links and sessions that expired before that time; answers how many."""
    gone = delete(token_table).where(token_table.c.kind != "api", token_table.c.expires_at < before)
    return tx.connection.execute(gone).rowcount


def add_user(tx: Transaction, name: str, role: str, actor: str) -> None:
    """Add an overseer, with its audit entry. Raises ValueError if the name is taken."""
    taken = tx.connection.execute(select(user_table.c.name).where(user_table.c.name == name)).scalar()
    if taken is not None:
        raise ValueError(f"There is a user {name!r} already; choose another name.")
    tx.connection.execute(insert(user_table), {"name": name, "role": role, "created_at": tx.at})
    tx.audit("user_added", actor, {"user": name, "role": role})


def disable_user(tx: Transaction, name: str, actor: str) -> None:
    """Shut an overseer and all of their tokens out, with its audit entry. Raises Unknown; twice changes nothing."""
    row = tx.connection.execute(select(user_table).where(user_table.c.name == name)).mappings().one_or_none()
    if row is None:
        raise Unknown("user", name)
    if row["disabled_at"] is None:
        tx.connection.execute(update(user_table).where(user_table.c.name == name).values(disabled_at=tx.at))
        tx.audit("user_disabled", actor, {"user": name})


def users(connection: Connection) -> list[dict[str, Any]]:
    """Overseers by name; times as RFC 3339 text."""
    found = connection.execute(select(user_table).order_by(user_table.c.name)).mappings()
    times = ("created_at", "disabled_at")
    return [{**row, **{name: rows.shown_time(row[name]) for name in times}} for row in found]


def _in_force(table: FromClause, now: float) -> list[Any]:
    return [table.c.revoked_at.is_(None), or_(table.c.expires_at.is_(None), table.c.expires_at > now)]


def _token(row: rows.Row) -> Token:
    return Token(**{name: row[name] for name in _TOKEN})


def _said(token: Token) -> dict[str, Any]:
    return {"token": token.id, "kind": token.kind, "user": token.user, "role": token.role, "label": token.label}
