"""Silences: kept with their times; whether one is in force is for the core to say."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, select, update

from monitor.core.changes import Silence
from monitor.store import rows
from monitor.store.database import Transaction
from monitor.store.errors import Unknown
from monitor.store.tables import silences as table
from monitor.store.upsert import upsert


def silences(connection: Connection, ended_after: float | None = None) -> list[Silence]:
    """Silences by their start; with `ended_after` only those that end later than that."""
    wanted = select(table).order_by(table.c.starts_at, table.c.id)
    if ended_after is not None:
        wanted = wanted.where(table.c.ends_at > ended_after)
    return [rows.silence_from(row) for row in connection.execute(wanted).mappings()]


def add_silence(tx: Transaction, silence: Silence) -> None:
    """Keep a silence, with its audit entry. The caller bumps the desk."""
    row = rows.silence_row(silence)
    upsert(tx.connection, table, [row])
    tx.audit("silence_added", silence.created_by, _said(silence))


def expire_silence(tx: Transaction, id_: str, actor: str) -> Silence:
    """End a silence now, with its audit entry; one that has ended already is left alone. Raises Unknown."""
    row = tx.connection.execute(select(table).where(table.c.id == id_)).mappings().one_or_none()
    if row is None:
        raise Unknown("silence", id_)
    if row["ends_at"] <= tx.at:
        return rows.silence_from(row)
    starts_at = min(row["starts_at"], tx.at)
    tx.connection.execute(update(table).where(table.c.id == id_).values(starts_at=starts_at, ends_at=tx.at))
    ended = rows.silence_from({**row, "starts_at": starts_at, "ends_at": tx.at})
    tx.audit("silence_expired", actor, _said(ended))
    return ended


def _said(silence: Silence) -> dict[str, Any]:
    return {
        "silence": silence.id,
        "matchers": [list(matcher) for matcher in silence.matchers],
        "starts_at": rows.shown_time(silence.starts_at),
        "ends_at": rows.shown_time(silence.ends_at),
        "reason": silence.reason,
    }
