"""Incidents as people see them, in the shape that `docs` and outside scripts rely on."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Table, and_, func, or_, select

from monitor.core.findings import Evidence
from monitor.core.incidents.model import Incident
from monitor.store import rows
from monitor.store.notes import notes
from monitor.store.tables import evidence, notices
from monitor.store.tables import incidents as table

_PLAIN: Final = (
    *("id", "state", "pack", "rule", "model", "version", "severity", "stage", "historical"),
    *("summary", "meaning", "action", "owner", "acknowledged_by", "verdict", "revision"),
)
_TIMES: Final = ("opened_at", "changed_at", "acknowledged_at")
_MORE: Final = ("segment", "occurrence", "runbook_url", "latches", "closed_by", "orphaned", "gate", "gate_held")
_MORE_TIMES: Final = ("cleared_at", "closed_at", "acknowledged_until")
_LISTED, _SHOWN = 20, 500  # newest pieces of evidence and notices an incident brings along


def incidents(
    connection: Connection,
    states: Collection[str] | None = None,
    model: str | None = None,
    rule: str | None = None,
    since: float | None = None,
    limit: int = 100,
    after: str | None = None,
) -> tuple[list[dict[str, Any]], str | None]:
    """Incidents, the newest first, and where the next page starts (None on the last).

    No `states` means all. `rule` is a name or `pack/name`. `since` leaves out what has not changed since then
    (seconds since 1970 UTC). `after` is what an earlier call gave. Raises ValueError on an `after` that is not.
    """
    conditions = _conditions(states, model, rule, since)
    if after is not None:
        opened_at, id_ = _place(after)
        conditions.append(or_(table.c.opened_at < opened_at, and_(table.c.opened_at == opened_at, table.c.id < id_)))
    wanted = select(table).where(*conditions).order_by(table.c.opened_at.desc(), table.c.id.desc())
    found = connection.execute(wanted.limit(limit + 1)).mappings().all()
    page = found[:limit]
    ids = [row["id"] for row in page]
    pieces, messages = _evidence(connection, ids, _LISTED), _notices(connection, ids, _LISTED)
    shown = [_shown(row, pieces.get(row["id"], []), messages.get(row["id"], [])) for row in page]
    last = page[-1] if len(found) > limit else None
    return shown, None if last is None else f"{last['opened_at']!r}:{last['id']}"


def incident(connection: Connection, id_: str) -> dict[str, Any] | None:
    """One incident with more of its evidence, its notes, and when it cleared and closed; None if it is not there."""
    row = _row(connection, id_)
    if row is None:
        return None
    pieces, messages = _evidence(connection, [id_], _SHOWN), _notices(connection, [id_], _SHOWN)
    shown = _shown(row, pieces.get(id_, []), messages.get(id_, []), detail=True)
    shown |= {name: row[name] for name in _MORE}
    shown |= {name: rows.shown_time(row[name]) for name in _MORE_TIMES}
    shown["notes"] = notes(connection, id_)
    return shown


def load_incident(connection: Connection, id_: str) -> Incident | None:
    """The incident as the machine knows it; None if it is not there."""
    row = _row(connection, id_)
    return None if row is None else rows.incident_from(row)


def load_evidence(connection: Connection, id_: str, limit: int = _SHOWN) -> list[Evidence]:
    """The newest evidence of an incident, oldest first."""
    return [rows.evidence_from(row) for row in _evidence(connection, [id_], limit).get(id_, [])]


def incident_counts(connection: Connection) -> dict[tuple[str, str], int]:
    """How many incidents there are by (state, severity)."""
    grouped = select(table.c.state, table.c.severity, func.count()).group_by(table.c.state, table.c.severity)
    return {(state, severity): count for state, severity, count in connection.execute(grouped)}


def incidents_by_state(connection: Connection, calling: bool = False) -> dict[str, int]:
    """How many incidents there are in each state; `calling`: only those that people are told of."""
    grouped = select(table.c.state, func.count()).group_by(table.c.state)
    if calling:
        grouped = grouped.where(table.c.stage == "live", table.c.historical.is_(False))
    rows_found = connection.execute(grouped).all()
    return {str(row[0]): int(row[1]) for row in rows_found}


def _row(connection: Connection, id_: str) -> rows.Row | None:
    return connection.execute(select(table).where(table.c.id == id_)).mappings().one_or_none()


def _conditions(
    states: Collection[str] | None, model: str | None, rule: str | None, since: float | None
) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if states:
        found.append(table.c.state.in_(list(states)))
    if model is not None:
        found.append(table.c.model == model)
    if rule is not None:
        pack, _, name = rule.rpartition("/")
        found += [table.c.rule == name] + ([table.c.pack == pack] if pack else [])
    if since is not None:
        found.append(table.c.changed_at >= since)
    return found


def _place(after: str) -> tuple[float, str]:
    text, _, id_ = after.partition(":")
    try:
        opened_at = float(text)
    except ValueError:
        opened_at = math.nan
    if not math.isfinite(opened_at):
        raise ValueError(f"{after!r} is no place in the list of incidents; give what `next` said")
    return opened_at, id_


def _newest(table: Table, order: Any, ids: Sequence[str], limit: int) -> Any:
    """The last `limit` rows of each incident, oldest first."""
    number = func.row_number().over(partition_by=table.c.incident, order_by=order.desc()).label("number")
    ranked = select(table, number).where(table.c.incident.in_(ids)).subquery()
    return select(ranked).where(ranked.c.number <= limit).order_by(ranked.c.number.desc())


def _evidence(connection: Connection, ids: Sequence[str], limit: int) -> dict[str, list[rows.Row]]:
    found: dict[str, list[rows.Row]] = {}
    for row in connection.execute(_newest(evidence, evidence.c.id, ids, limit)).mappings():
        found.setdefault(row["incident"], []).append(row)
    return found


def _notices(connection: Connection, ids: Sequence[str], limit: int) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for row in connection.execute(_newest(notices, notices.c.created_at, ids, limit)).mappings():
        at = rows.shown_time(row["created_at"] if row["finished_at"] is None else row["finished_at"])
        shown = {"target": row["target"], "reason": row["reason"], "state": row["state"], "at": at}
        found.setdefault(row["incident"], []).append(shown)
    return found


def _shown(
    row: rows.Row, pieces: Sequence[rows.Row], messages: list[dict[str, Any]], detail: bool = False
) -> dict[str, Any]:
    shown = {name: row[name] for name in _PLAIN} | {name: rows.shown_time(row[name]) for name in _TIMES}
    return shown | {"evidence": [_piece(piece, detail) for piece in pieces], "notices": messages}


def _piece(row: rows.Row, detail: bool) -> dict[str, Any]:
    low, high = rows.shown_number(row["low"]), rows.shown_number(row["high"])
    shown = {name: row[name] for name in ("column", "segment", "statistic")}
    shown |= {name: rows.shown_number(row[name]) for name in ("value", "expected", "effect")}
    shown["interval"] = None if low is None and high is None else [low, high]
    shown |= {"n": row["n"], "at": rows.shown_time(row["at"])}
    return shown | {"detail": row["detail"]} if detail else shown
