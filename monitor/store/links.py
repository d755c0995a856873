"""Which acknowledge links were used, and which were taken back. Their secrets never come here: only hashes."""

from __future__ import annotations

from typing import Final
from uuid import uuid4

from sqlalchemy import Connection, insert, select

from monitor.store import rows
from monitor.store.database import Transaction
from monitor.store.facts import get_fact, set_fact
from monitor.store.tables import tokens

_REVOKED: Final = "links_revoked"
_KIND: Final = "link"


def link_used(connection: Connection, hash_: str) -> bool:
    return connection.execute(select(tokens.c.id).where(tokens.c.hash == hash_)).first() is not None


def use_link(tx: Transaction, hash_: str, actor: str, expires_at: float) -> bool:
    """Use a link up; False if it was before. Kept until it expires, after which it is refused for that."""
    if link_used(tx.connection, hash_):
        return False
    times = {"created_at": tx.at, "expires_at": expires_at, "used_at": tx.at}
    who = {"id": str(uuid4()), "hash": hash_, "kind": _KIND, "user": actor, "role": "operator", "label": "acknowledge"}
    tx.connection.execute(insert(tokens), rows.fit("tokens", {**who, **times}))
    return True


def links_revoked_at(connection: Connection, target: str) -> float:
    """Links of a receiver issued up to then are void; 0.0 if none were taken back."""
    return float(rows.from_json(get_fact(connection, _REVOKED) or "{}").get(target, 0.0))


def revoke_links(tx: Transaction, target: str, actor: str) -> None:
    """Take back every link sent to a receiver so far, with its audit entry."""
    known = rows.from_json(get_fact(tx.connection, _REVOKED) or "{}")
    set_fact(tx, _REVOKED, rows.to_json({**known, target: tx.at}))
    tx.audit("token_revoked", actor, {"links_of": target})
