"""Gates as services and people read them. They change by `Transaction.apply` only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, func, or_, select

from monitor.core.changes import Gate
from monitor.core.oversight.scopes import Part, Scope, generation, in_force, of_model, read_scope
from monitor.store import rows
from monitor.store.facts import GATE_EPOCH, get_fact
from monitor.store.tables import gates as table

_NOTHING: dict[Part, str] = {}


def gates(connection: Connection) -> list[dict[str, Any]]:
    """Every gate that was ever set, by scope."""
    epoch = get_fact(connection, GATE_EPOCH)
    found = connection.execute(select(table).order_by(table.c.scope)).mappings()
    return [_shown(rows.gate_from(row), epoch) for row in found]


def gate(connection: Connection, model: str, named: Mapping[Part, str] = _NOTHING) -> dict[str, Any]:
    """What holds for a model, or for a version, segment and operation of it: the most restrictive of all that match.

    One that was never set is `auto`, generation 0. `generation` is the newest of any gate of the model; `scopes` are
    the gates of its versions, segments and operations that are stricter than auto.
    """
    own = model_gates(connection, model)
    never = Gate(Scope(model).text, "auto", 0, "never set", 0.0, "machine")
    found = _shown(in_force(own, model, dict(named)) or never, get_fact(connection, GATE_EPOCH))
    narrow = [one for one in own if read_scope(one.scope).part and one.state != "auto"]
    return {**found, "generation": generation(own, model), "scopes": [_narrow(one) for one in narrow]}


def own_gate(connection: Connection, scope: Scope) -> dict[str, Any]:
    """As `gate`, but what was said of this very scope, whatever else matches."""
    own = load_gate(connection, scope.text) or Gate(scope.text, "auto", 0, "never set", 0.0, "machine")
    whole = gate(connection, scope.model)
    shown = _shown(own, get_fact(connection, GATE_EPOCH))
    return {**shown, "generation": whole["generation"], "scopes": whole["scopes"]}


def model_gates(connection: Connection, model: str) -> list[Gate]:
    """All gates of a model that were ever set, the whole model's first."""
    text = Scope(model).text
    mine = or_(table.c.scope == text, table.c.scope.startswith(f"{text};", autoescape=True))
    return of_model((rows.gate_from(row) for row in connection.execute(select(table).where(mine)).mappings()), model)


def load_gate(connection: Connection, scope: str) -> Gate | None:
    """The gate as `decide` knows it; None if it was never set."""
    row = connection.execute(select(table).where(table.c.scope == scope)).mappings().one_or_none()
    return None if row is None else rows.gate_from(row)


def gates_mark(connection: Connection) -> tuple[str | None, int, int]:
    """What changes when any gate does: generations only rise, and gates are never deleted."""
    count, total = connection.execute(select(func.count(), func.coalesce(func.sum(table.c.generation), 0))).one()
    return get_fact(connection, GATE_EPOCH), int(count), int(total)


def _narrow(gate: Gate) -> dict[str, Any]:
    """What a client needs of a gate of a part of its model."""
    scope = read_scope(gate.scope)
    named = {"part": scope.part, "value": scope.value}
    return {**named, "state": gate.state, "generation": gate.generation, "reason": gate.reason}


def _shown(gate: Gate, epoch: str | None) -> dict[str, Any]:
    """All but what the book and the settings say."""
    asked = gate.asked
    return {
        "model": read_scope(gate.scope).model,
        "scope": read_scope(gate.scope).shown,
        "state": gate.state,
        "epoch": epoch,
        "generation": gate.generation,
        "reason": gate.reason,
        "since": rows.shown_time(gate.since) if gate.generation else None,
        "by": gate.by,
        "incident": gate.incident,
        "asked": asked and {"to": asked.to, "by": asked.by, "at": rows.shown_time(asked.at), "reason": asked.reason},
    }
