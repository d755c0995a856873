"""Processes of services that follow a gate: which generation each applied, and when it was last heard of."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Final

from sqlalchemy import Connection, and_, delete, func, select, update

from monitor.store import rows
from monitor.store.database import Transaction
from monitor.store.tables import gate_clients as table
from monitor.store.upsert import upsert

KEPT: Final = 86_400.0  # seconds a client that says nothing is remembered
LIVE: Final = 150.0  # seconds after which a client that says nothing is taken for gone; it speaks every minute
MOST: Final = 2_000  # clients of a model


@dataclass(frozen=True, slots=True)
class Applied:
    """What a client says of itself: what it answers for the whole model, and (`drill`) for what is rehearsed."""

    model: str
    client: str
    user: str
    epoch: str
    generation: int
    state: str
    drill: str = "auto"


def applied(tx: Transaction, said: Applied) -> bool:
    """Keep it; answers whether it is news: a newer generation, or another state, than the client had before.

    A newer generation of a gate that was ever set is an audit entry. Where a model has `MOST` clients, a new one takes
    the place of the one that was silent longest.
    """
    mine = and_(table.c.model == said.model, table.c.client == said.client)
    known = tx.connection.execute(select(table).where(mine)).mappings().one_or_none()
    if known is None:
        _make_room(tx, said.model)
    elif said.epoch == known["epoch"] and said.generation < known["generation"]:  # it came late
        tx.connection.execute(update(table).where(mine).values(seen_at=tx.at))
        return False
    newer = known is None or (said.epoch, said.generation) != (known["epoch"], known["generation"])
    same = known is not None and not newer and known["state"] == said.state
    at = known["applied_at"] if known is not None and same else tx.at
    row = rows.fit("gate_clients", {**asdict(said), "applied_at": at, "seen_at": tx.at})
    upsert(tx.connection, table, [row])
    if newer and said.generation > 0:
        tx.audit("gate_ack", said.user, {name: v for name, v in asdict(said).items() if name != "user"})
    return not same


def _make_room(tx: Transaction, model: str) -> None:
    tx.connection.execute(delete(table).where(table.c.seen_at < tx.at - KEPT))
    count = select(func.count()).select_from(table).where(table.c.model == model)
    if (tx.connection.execute(count).scalar() or 0) >= MOST:
        silent = select(table.c.client).where(table.c.model == model).order_by(table.c.seen_at, table.c.client).limit(1)
        gone = tx.connection.execute(silent).scalar_one()
        tx.connection.execute(delete(table).where(table.c.model == model, table.c.client == gone))


def clients(connection: Connection, model: str, now: float) -> list[dict[str, Any]]:
    """Who follows the gate of a model, those heard of last first. `live`: heard of within `LIVE` seconds."""
    wanted = select(table).where(table.c.model == model).order_by(table.c.seen_at.desc(), table.c.client)
    return [
        {
            **{name: row[name] for name in ("client", "user", "epoch", "generation", "state", "drill")},
            "applied_at": rows.shown_time(row["applied_at"]),
            "seen_at": rows.shown_time(row["seen_at"]),
            "live": row["seen_at"] >= now - LIVE,
        }
        for row in connection.execute(wanted).mappings()
    ]


def caught_up(connection: Connection, model: str, epoch: str, number: int) -> dict[str, float]:
    """When each client said that it is past this generation and halts what is rehearsed: seconds since 1970."""
    halts = and_(table.c.model == model, table.c.drill == "halt")
    at_least = and_(halts, table.c.epoch == epoch, table.c.generation >= number)
    found = connection.execute(select(table.c.client, table.c.applied_at).where(at_least))
    return {row.client: row.applied_at for row in found}
