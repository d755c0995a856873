"""References: what a person took for normal, with every version that came before."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, func, insert, select

from monitor.store import rows
from monitor.store.database import Transaction
from monitor.store.tables import references as table


def add_reference(
    tx: Transaction,
    id_: str,
    model: str,
    rule: str | None,
    source: Mapping[str, Any],
    author: str,
    reason: str,
    body: bytes | None = None,
) -> int:
    """Keep a reference for one rule ("pack/Rule") or all (None), with its audit entry. Answers its version, from 1."""
    highest = select(func.max(table.c.version)).where(table.c.model == model, _of(rule))
    version = (tx.connection.execute(highest).scalar() or 0) + 1
    said = {"model": model, "rule": rule, "version": version, "reason": reason}
    row = {**said, "id": id_, "author": author, "source": rows.to_json(dict(source)), "body": body}
    tx.connection.execute(insert(table), rows.fit("references", {**row, "created_at": tx.at}))
    tx.audit("reference_accepted", author, {**said, "reference": id_, "source": dict(source)})
    return version


def references(connection: Connection, model: str | None = None) -> list[dict[str, Any]]:
    """References without their bodies, by model, the newest first."""
    wanted = select(table).order_by(table.c.model, table.c.created_at.desc(), table.c.version.desc())
    if model is not None:
        wanted = wanted.where(table.c.model == model)
    return [
        {
            **{name: row[name] for name in ("id", "model", "rule", "version", "author", "reason")},
            "source": rows.from_json(row["source"]),
            "created_at": rows.shown_time(row["created_at"]),
        }
        for row in connection.execute(wanted).mappings()
    ]


def reference_body(connection: Connection, id_: str) -> bytes | None:
    """The bytes kept with a reference, if any."""
    return connection.execute(select(table.c.body).where(table.c.id == id_)).scalar()


def _of(rule: str | None) -> Any:
    return table.c.rule.is_(None) if rule is None else table.c.rule == rule
