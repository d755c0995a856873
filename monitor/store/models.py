"""Every model ever seen or expected."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import Connection, bindparam, select, update

from monitor.store import rows
from monitor.store.database import Transaction
from monitor.store.errors import Unknown
from monitor.store.tables import models as table
from monitor.store.upsert import upsert

_VERSIONS: Final = 50  # remembered per model, the newest


@dataclass(frozen=True, slots=True)
class ModelSeen:
    """What the bank knows of a model after a step: `events` and times since it was first seen, kinds by column path.

    `versions` and `columns` may be all or only what is new.
    """

    model: str
    first_seen: float
    last_seen: float | None
    events: int
    versions: Sequence[str] = ()
    columns: Mapping[str, str] = field(default_factory=dict)
    late_by: float | None = None  # seconds that its newest event lay back when it came, if it was taken for history
    estimates: Sequence[Mapping[str, Any]] = ()  # performance that is estimated without truth, one for each series


_COUNTED: Final = ("first_seen", "last_seen", "events", "late_by", "estimates")
_KNOWN: Final = select(table).where(table.c.model == bindparam("m"))
_COUNT: Final = (
    update(table).where(table.c.model == bindparam("m")).values({name: bindparam(f"new_{name}") for name in _COUNTED})
)


def see_models(tx: Transaction, seen: Sequence[ModelSeen]) -> None:
    """Keep what a step saw. A column's kind that is recorded already stays: only people change it.

    A retired model that sends again is watched again, as any model is from its first event on, and no longer retired.
    """
    for item in seen:
        name = rows.clean(item.model, 200)
        known = tx.connection.execute(_KNOWN, {"m": name}).mappings().one_or_none()
        merged = _merge(item, known)
        if known is None or any(merged[part] != known[part] for part in ("versions", "columns")):
            upsert(tx.connection, table, [merged])
        else:
            counted = {f"new_{part}": merged[part] for part in _COUNTED}
            tx.connection.execute(_COUNT, {"m": name, **counted})
        retired_at = None if known is None else known["retired_at"]
        if retired_at is not None and item.last_seen is not None and item.last_seen > retired_at:
            tx.connection.execute(update(table).where(table.c.model == name).values(retired_at=None))
            body = {"model": name, "retired_at": rows.shown_time(retired_at)}
            tx.audit("model_returned", "machine", {**body, "last_seen": rows.shown_time(item.last_seen)})


def is_known(connection: Connection, model: str) -> bool:
    """Whether events of this model ever came."""
    return connection.execute(select(table.c.model).where(table.c.model == model)).first() is not None


def models(connection: Connection, retired: bool = False) -> list[dict[str, Any]]:
    """Models by name, times as RFC 3339 text; the retired ones only if asked for."""
    wanted = select(table).order_by(table.c.model)
    if not retired:
        wanted = wanted.where(table.c.retired_at.is_(None))
    return [_shown(row) for row in connection.execute(wanted).mappings()]


def model(connection: Connection, name: str) -> dict[str, Any]:
    """One model. Raises Unknown."""
    row = connection.execute(select(table).where(table.c.model == name)).mappings().one_or_none()
    if row is None:
        raise Unknown("model", name)
    return _shown(row)


def first_seen(connection: Connection, name: str) -> float | None:
    """When a model was first seen, in daemon time; None if it never was."""
    found = connection.execute(select(table.c.first_seen).where(table.c.model == name)).scalar()
    return None if found is None else float(found)


def retire_model(tx: Transaction, name: str, actor: str) -> None:
    """Stop watching a model, with its audit entry. Raises Unknown; retiring twice changes nothing."""
    known = model(tx.connection, name)
    if known["retired_at"] is None:
        tx.connection.execute(update(table).where(table.c.model == name).values(retired_at=tx.at))
        tx.audit("model_retired", actor, {"model": name})


def set_column_kind(tx: Transaction, name: str, column: str, kind: str, actor: str) -> None:
    """Record the kind a person chose for a column, with its audit entry. Raises Unknown."""
    columns = model(tx.connection, name)["columns"]
    was = columns.get(column)
    changed = rows.to_json({**columns, column: kind})
    tx.connection.execute(update(table).where(table.c.model == name).values(columns=changed))
    tx.audit("column_kind", actor, {"model": name, "column": column, "kind": kind, "was": was})


def _merge(item: ModelSeen, known: rows.Row | None) -> dict[str, Any]:
    versions, columns = list(dict.fromkeys(item.versions)), dict(item.columns)
    first_seen, last_seen = float(item.first_seen), item.last_seen
    if known is not None:
        versions = [v for v in rows.from_json(known["versions"]) if v not in versions] + versions
        columns = rows.from_json(known["columns"])
        columns |= {path: kind for path, kind in item.columns.items() if path not in columns}
        first_seen = min(first_seen, first_seen if known["first_seen"] is None else known["first_seen"])
        last_seen = max((at for at in (last_seen, known["last_seen"]) if at is not None), default=None)
    merged = {
        "model": item.model,
        "first_seen": first_seen,
        "last_seen": None if last_seen is None else float(last_seen),
        "events": int(item.events),
        "late_by": None if item.late_by is None else float(item.late_by),
        "estimates": rows.to_json(list(item.estimates)),
        "versions": rows.to_json(versions[-_VERSIONS:]),
        "columns": rows.to_json(columns),
    }
    return rows.fit("models", merged)


def _shown(row: rows.Row) -> dict[str, Any]:
    return {
        "model": row["model"],
        "first_seen": rows.shown_time(row["first_seen"]),
        "last_seen": rows.shown_time(row["last_seen"]),
        "events": row["events"],
        "late_by": row["late_by"],
        "estimates": rows.from_json(row["estimates"]),
        "versions": rows.from_json(row["versions"]),
        "columns": rows.from_json(row["columns"]),
        "retired_at": rows.shown_time(row["retired_at"]),
    }
