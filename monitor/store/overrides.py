"""Overrides: answers that a person set aside."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, insert, select

from monitor.store import rows
from monitor.store.database import Transaction
from monitor.store.errors import Unknown
from monitor.store.tables import overrides as table


@dataclass(frozen=True, slots=True)
class Override:
    """One answer set aside. `answer` is what holds instead, any JSON; `reverses` is the id of another override."""

    id: str
    model: str
    decision_id: str
    verb: str  # not_use, disregard, override, reverse
    reason: str
    by: str
    note: str | None = None
    answer: Any = None
    reverses: str | None = None


def add_override(tx: Transaction, override: Override) -> None:
    """Keep an override, with its audit entry. Raises Unknown if it reverses one that is not there."""
    if override.reverses is not None:
        _find(tx.connection, override.reverses)
    names = ("id", "model", "decision_id", "verb", "reason", "by", "note", "reverses")
    said = {name: getattr(override, name) for name in names}
    answer = None if override.answer is None else rows.to_json(override.answer)
    row = rows.fit("overrides", {**said, "answer": answer, "at": tx.at})
    tx.connection.execute(insert(table), row)
    entry = {"override": override.id, **said, "answer": override.answer}
    del entry["id"], entry["by"]
    tx.audit("override", override.by, {name: value for name, value in entry.items() if value is not None})


def overrides(
    connection: Connection, model: str | None = None, since: float | None = None, limit: int = 100
) -> list[dict[str, Any]]:
    """Overrides, the newest first."""
    wanted = select(table).order_by(table.c.at.desc(), table.c.id.desc()).limit(limit)
    if model is not None:
        wanted = wanted.where(table.c.model == model)
    if since is not None:
        wanted = wanted.where(table.c.at >= since)
    return [_shown(row) for row in connection.execute(wanted).mappings()]


def override(connection: Connection, id_: str) -> dict[str, Any]:
    """One override. Raises Unknown."""
    return _shown(_find(connection, id_))


def _find(connection: Connection, id_: str) -> rows.Row:
    row = connection.execute(select(table).where(table.c.id == id_)).mappings().one_or_none()
    if row is None:
        raise Unknown("override", id_)
    return row


def _shown(row: rows.Row) -> dict[str, Any]:
    answer = None if row["answer"] is None else rows.from_json(row["answer"])
    return {**row, "answer": answer, "at": rows.shown_time(row["at"])}
