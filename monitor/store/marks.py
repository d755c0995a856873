"""Marks that the desk wants and the pump places: how a person's decision reaches the bank."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, insert, select, update

from monitor.store import rows
from monitor.store.database import Transaction
from monitor.store.tables import wanted_marks as table


def want_mark(tx: Transaction, partition: int, mark: Mapping[str, Any]) -> int:
    """Ask the pump to place a mark in its next step. Answers its id."""
    values = {"partition": partition, "mark": rows.to_json(dict(mark)), "created_at": tx.at}
    return int(tx.connection.execute(insert(table).values(values).returning(table.c.id)).scalar_one())


def wanted_marks(connection: Connection, partition: int) -> list[tuple[int, dict[str, Any]]]:
    """Marks not yet placed, oldest first, with their ids."""
    found = connection.execute(
        select(table.c.id, table.c.mark)
        .where(table.c.partition == partition, table.c.step_seq.is_(None))
        .order_by(table.c.id)
    )
    return [(id_, rows.from_json(mark)) for id_, mark in found]


def place_marks(tx: Transaction, partition: int, step: int, ids: Sequence[int]) -> None:
    """Remember which step placed them. Raises RuntimeError if one was placed before or never wanted."""
    if not ids:
        return
    placed = tx.connection.execute(
        update(table)
        .where(table.c.partition == partition, table.c.step_seq.is_(None), table.c.id.in_(ids))
        .values(step_seq=step)
    )
    if placed.rowcount != len(set(ids)):
        raise RuntimeError(f"Step {step} placed marks {list(ids)}, but only {placed.rowcount} of them were wanted.")
