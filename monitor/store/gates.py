"""Gates as services and people read them. They change by `Transaction.apply` only."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, select

from monitor.core.changes import Gate
from monitor.store import rows
from monitor.store.facts import GATE_EPOCH, get_fact
from monitor.store.tables import gates as table


def gates(connection: Connection) -> list[dict[str, Any]]:
    """Every gate that was ever set, by scope."""
    epoch = get_fact(connection, GATE_EPOCH)
    found = connection.execute(select(table).order_by(table.c.scope)).mappings()
    return [_shown(rows.gate_from(row), epoch) for row in found]


def gate(connection: Connection, scope: str) -> dict[str, Any]:
    """The gate of a scope; one that was never set is `auto`, generation 0."""
    known = load_gate(connection, scope)
    never = Gate(scope, "auto", 0, "never set", 0.0, "machine")
    return _shown(known or never, get_fact(connection, GATE_EPOCH))


def load_gate(connection: Connection, scope: str) -> Gate | None:
    """The gate as `decide` knows it; None if it was never set."""
    row = connection.execute(select(table).where(table.c.scope == scope)).mappings().one_or_none()
    return None if row is None else rows.gate_from(row)


def _shown(gate: Gate, epoch: str | None) -> dict[str, Any]:
    """As design section 7 has it, but for `lease_seconds`, which is a setting."""
    return {
        "scope": gate.scope,
        "state": gate.state,
        "epoch": epoch,
        "generation": gate.generation,
        "reason": gate.reason,
        "since": rows.shown_time(gate.since) if gate.generation else None,
        "by": gate.by,
        "incident": gate.incident,
    }
