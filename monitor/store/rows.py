"""Values of the core as rows and back. Text is made fit for both databases, numbers become Python's own."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, fields
from hashlib import sha256
from typing import Any, Final

from sqlalchemy import String

from monitor.core.audit.entry import timestamp
from monitor.core.changes import Asked, Gate, Silence
from monitor.core.findings import Evidence
from monitor.core.incidents.model import Incident, RuleState, StateKey
from monitor.core.notices.model import Notice
from monitor.store import tables

Row = Mapping[Any, Any]

_INCIDENT: Final = tuple(field.name for field in fields(Incident))
_STATE: Final = tuple(field.name for field in fields(RuleState))
_NOTICE: Final = tuple(field.name for field in fields(Notice))
_GATE: Final = tuple(field.name for field in fields(Gate))
_LENGTHS: Final = {
    (table.name, column.name): column.type.length
    for table in tables.metadata.tables.values()
    for column in table.columns
    if isinstance(column.type, String)
}


def clean(text: str, length: int | None = None) -> str:
    """Text that both databases take: no NUL, no lone surrogate, and cut (with a hash) to fit its column."""
    if not text.isascii():
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if "\0" in text:
        text = text.replace("\0", "\ufffd")
    if length is not None and len(text) > length:
        text = f"{text[: length - 9]}…{sha256(text.encode()).hexdigest()[:8]}"
    return text


def to_json(value: Any) -> str:
    """JSON text; NaN and infinities as Python writes them, because only `from_json` reads it."""
    return clean(json.dumps(value, separators=(",", ":"), ensure_ascii=True))


def from_json(text: str) -> Any:
    return json.loads(text)


def number(value: float | None) -> float | None:
    """A plain float; NaN is no value (SQLite knows none)."""
    if value is None or math.isnan(value):
        return None
    return float(value)


def shown_time(at: float | None) -> str | None:
    """RFC 3339 text, as every answer shows it."""
    return None if at is None else timestamp(at)


def shown_number(value: float | None) -> float | None:
    """JSON has no word for infinity: null."""
    return value if value is None or math.isfinite(value) else None


def fit(table: str, row: dict[str, Any]) -> dict[str, Any]:
    """The row with every text cleaned and cut to its column."""
    for name, value in row.items():
        if isinstance(value, str):
            row[name] = clean(value, _LENGTHS.get((table, name)))
    return row


def incident_row(incident: Incident) -> dict[str, Any]:
    return fit("incidents", {name: getattr(incident, name) for name in _INCIDENT})


def incident_from(row: Row) -> Incident:
    return Incident(**{name: row[name] for name in _INCIDENT})


def state_row(state: RuleState) -> dict[str, Any]:
    return fit("rule_states", {name: getattr(state, name) for name in _STATE})


def state_key(key: StateKey) -> dict[str, Any]:
    """Parameters r, m, s, h of the statement that drops a rule's state."""
    rule, model, segment, historical = key
    cleaned = fit("rule_states", {"rule": rule, "model": model, "segment": segment})
    return {"r": cleaned["rule"], "m": cleaned["model"], "s": cleaned["segment"], "h": historical}


def state_from(row: Row) -> RuleState:
    return RuleState(**{name: row[name] for name in _STATE})


def evidence_row(incident: str, item: Evidence) -> dict[str, Any]:
    low, high = item.interval or (None, None)
    return fit(
        "evidence",
        {
            "incident": incident,
            "column": item.column,
            "segment": item.segment,
            "statistic": item.statistic,
            "value": number(item.value),
            "expected": number(item.expected),
            "effect": number(item.effect),
            "low": number(low),
            "high": number(high),
            "n": int(item.n),
            "at": float(item.at),
            "detail": item.detail,
        },
    )


def evidence_from(row: Row) -> Evidence:
    low, high = row["low"], row["high"]
    return Evidence(
        column=row["column"],
        segment=row["segment"],
        statistic=row["statistic"],
        value=row["value"],
        expected=row["expected"],
        effect=row["effect"],
        interval=None if low is None or high is None else (low, high),
        n=row["n"],
        at=row["at"],
        detail=row["detail"],
    )


def notice_row(notice: Notice) -> dict[str, Any]:
    row = {name: getattr(notice, name) for name in _NOTICE}
    return fit("notices", {**row, "state": "pending", "attempt": 0})


def notice_from(row: Row) -> Notice:
    return Notice(**{name: row[name] for name in _NOTICE})


def gate_row(gate: Gate) -> dict[str, Any]:
    asked = None if gate.asked is None else to_json(asdict(gate.asked))
    return fit("gates", {**{name: getattr(gate, name) for name in _GATE}, "asked": asked})


def gate_from(row: Row) -> Gate:
    asked = None if row["asked"] is None else Asked(**from_json(row["asked"]))
    return Gate(**{name: row[name] for name in _GATE if name != "asked"}, asked=asked)


def silence_row(silence: Silence) -> dict[str, Any]:
    return fit(
        "silences",
        {
            "id": silence.id,
            "matchers": to_json(silence.matchers),
            "starts_at": silence.starts_at,
            "ends_at": silence.ends_at,
            "created_by": silence.created_by,
            "reason": silence.reason,
        },
    )


def silence_from(row: Row) -> Silence:
    return Silence(
        id=row["id"],
        matchers=tuple((name, operator, value) for name, operator, value in from_json(row["matchers"])),
        starts_at=row["starts_at"],
        ends_at=row["ends_at"],
        created_by=row["created_by"],
        reason=row["reason"],
    )
