"""The audit log as it is read: pages for people, ranges for export, its head for everybody."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, select

from monitor.core.audit.entry import decode
from monitor.core.audit.merkle import Frontier
from monitor.store import rows
from monitor.store.database import Transaction
from monitor.store.tables import audit, audit_frontier, checkpoints
from monitor.store.upsert import insert_new


def head(connection: Connection) -> tuple[int, bytes]:
    """Size and root of the log: what every outgoing message carries."""
    size, peaks = connection.execute(select(audit_frontier.c.size, audit_frontier.c.peaks)).one()
    return size, Frontier.unpack(size, peaks).root


def audit_page(
    connection: Connection, before: int | None = None, limit: int = 100, kind: str | None = None
) -> tuple[list[dict[str, Any]], int | None]:
    """Entries, the newest first, and what to pass as `before` for the next page (None on the last)."""
    wanted = select(audit).order_by(audit.c.seq.desc()).limit(limit + 1)
    if before is not None:
        wanted = wanted.where(audit.c.seq < before)
    if kind is not None:
        wanted = wanted.where(audit.c.kind == kind)
    found = connection.execute(wanted).mappings().all()
    page = [_shown(row) for row in found[:limit]]
    return page, page[-1]["seq"] if len(found) > limit else None


def audit_bytes(connection: Connection, start: int = 0, stop: int | None = None) -> Iterator[tuple[int, bytes]]:
    """The entries [start, stop) as (seq, canonical bytes), in order, for an export."""
    wanted = select(audit.c.seq, audit.c.body).where(audit.c.seq >= start).order_by(audit.c.seq)
    if stop is not None:
        wanted = wanted.where(audit.c.seq < stop)
    with connection.execute(wanted.execution_options(yield_per=1000)) as result:
        for seq, body in result:
            if body is not None:
                yield seq, bytes(body)


def audit_leaves(connection: Connection, size: int) -> list[bytes]:
    """The leaf hashes of the first `size` entries, for proofs."""
    wanted = select(audit.c.leaf).where(audit.c.seq < size).order_by(audit.c.seq)
    return [bytes(leaf) for leaf in connection.execute(wanted).scalars()]


def keep_checkpoint(tx: Transaction) -> tuple[int, bytes]:
    """Write the present head beside the log: later, `verify` can say more closely where a change was made."""
    size, root = tx.head
    if size:
        insert_new(tx.connection, checkpoints, [{"size": size, "root": root, "at": tx.at}])
    return size, root


def _shown(row: rows.Row) -> dict[str, Any]:
    body = None if row["body"] is None else decode(row["body"])["body"]
    return {
        "seq": row["seq"],
        "at": rows.shown_time(row["at"]),
        "kind": row["kind"],
        "actor": row["actor"],
        "body": body,
        "leaf": bytes(row["leaf"]).hex(),
    }
