"""What people wrote on incidents."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, insert, select

from monitor.store import rows
from monitor.store.database import Transaction
from monitor.store.tables import notes as table


def add_note(tx: Transaction, incident: str, author: str, text: str) -> None:
    """Write a note on an incident that is known to be there, with its audit entry."""
    row = {"incident": incident, "at": tx.at, "author": author, "text": text}
    tx.connection.execute(insert(table), rows.fit("notes", row))
    tx.audit("note", author, {"incident": incident, "text": text})


def notes(connection: Connection, incident: str) -> list[dict[str, Any]]:
    """Notes on an incident, the oldest first."""
    found = connection.execute(select(table).where(table.c.incident == incident).order_by(table.c.id)).mappings()
    return [{"at": rows.shown_time(x["at"]), "author": x["author"], "text": x["text"]} for x in found]
