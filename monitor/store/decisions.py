"""Decisions: answers about which a service asked a person."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, func, insert, select, update

from monitor.store import rows
from monitor.store.database import Transaction
from monitor.store.errors import Unknown
from monitor.store.tables import decisions as table

_JSON: Final = ("inputs", "proposed", "fallback", "answer")
_TIMES: Final = ("asked_at", "deadline_at", "decided_at")


@dataclass(frozen=True, slots=True)
class Question:
    """What a service asks. `mode` is pre (it waits, until `deadline_at`) or post (the answer is out).

    `proposed` is what the model answered, `fallback` what holds if nobody decides in time; JSON, as `inputs`.
    """

    id: str
    model: str
    decision_id: str
    mode: str
    inputs: Any
    proposed: Any
    fallback: Any
    asked_by: str
    deadline_at: float
    generation: int = 0
    version: str | None = None


def ask(tx: Transaction, question: Question) -> dict[str, Any] | None:
    """Keep a question, with its audit entry; one that was asked before stays as it is. Answers the decision.

    None, and nothing is kept: by this `decision_id` something else was asked.
    """
    names = ("id", "model", "decision_id", "mode", "version", "asked_by", "deadline_at", "generation")
    said = {name: getattr(question, name) for name in names}
    content = {name: rows.to_json(getattr(question, name)) for name in ("inputs", "proposed", "fallback")}
    row = rows.fit("decisions", {**said, **content, "state": "waiting", "asked_at": tx.at})
    of_answer = (table.c.model == row["model"], table.c.decision_id == row["decision_id"])
    known = tx.connection.execute(select(table).where(*of_answer)).mappings().one_or_none()
    if known is not None:
        return _shown(known, tx.at) if all(known[name] == row[name] for name in content) else None
    tx.connection.execute(insert(table), row)
    body = {"decision": question.id, "model": question.model, "decision_id": question.decision_id}
    more = {"mode": question.mode, "generation": question.generation, "proposed": question.proposed}
    tx.audit("decision_asked", question.asked_by, body | more)
    return _shown(_find(tx.connection, question.id), tx.at)


def settle(tx: Transaction, id_: str, state: str, answer: Any, actor: str, reason: str) -> dict[str, Any]:
    """Write what was decided, with its audit entry. Raises Unknown. The caller has seen that it is still waiting."""
    values = {
        "state": state,
        "answer": rows.to_json(answer),
        "decided_by": actor,
        "decided_at": tx.at,
        "reason": reason,
    }
    tx.connection.execute(update(table).where(table.c.id == id_).values(**rows.fit("decisions", values)))
    kept = _find(tx.connection, id_)
    body = {"decision": id_, "model": kept["model"], "decision_id": kept["decision_id"], "mode": kept["mode"]}
    tx.audit("decided", actor, {**body, "state": state, "answer": answer, "reason": reason})
    return _shown(kept, tx.at)


def decision(connection: Connection, id_: str, now: float) -> dict[str, Any]:
    """One decision. Raises Unknown. One whose deadline is over is expired, whether that is written yet or not."""
    return _shown(_find(connection, id_), now)


def decisions(
    connection: Connection, now: float, state: str | None = None, model: str | None = None, limit: int = 100
) -> list[dict[str, Any]]:
    """Those that wait, by deadline; or (other states) the newest first."""
    waiting = state == "waiting"
    order = (table.c.deadline_at, table.c.id) if waiting else (table.c.asked_at.desc(), table.c.id)
    wanted = select(table).order_by(*order).limit(limit)
    if state is not None:
        wanted = wanted.where(table.c.state == state)
    if waiting:
        wanted = wanted.where(table.c.deadline_at > now)
    if model is not None:
        wanted = wanted.where(table.c.model == model)
    return [_shown(row, now) for row in connection.execute(wanted).mappings()]


def overdue(connection: Connection, now: float) -> list[str]:
    """The ids of decisions that nobody made in time."""
    late = select(table.c.id).where(table.c.state == "waiting", table.c.deadline_at <= now)
    return list(connection.execute(late.order_by(table.c.deadline_at)).scalars())


def next_deadline(connection: Connection) -> float | None:
    """When the next decision is overdue, seconds since 1970 UTC."""
    found = connection.execute(select(func.min(table.c.deadline_at)).where(table.c.state == "waiting"))
    return found.scalar()


def waiting_count(connection: Connection, model: str, mode: str) -> int:
    """How many decisions of a model and mode wait for a person."""
    mine = (table.c.state == "waiting", table.c.model == model, table.c.mode == mode)
    return connection.execute(select(func.count()).select_from(table).where(*mine)).scalar() or 0


def _find(connection: Connection, id_: str) -> rows.Row:
    row = connection.execute(select(table).where(table.c.id == id_)).mappings().one_or_none()
    if row is None:
        raise Unknown("decision", id_)
    return row


def _shown(row: rows.Row, now: float) -> dict[str, Any]:
    shown = {
        **row,
        **{name: None if row[name] is None else rows.from_json(row[name]) for name in _JSON},
        **{name: rows.shown_time(row[name]) for name in _TIMES},
    }
    if row["state"] == "waiting" and row["deadline_at"] <= now:
        late = {"state": "expired", "answer": shown["fallback"], "decided_by": "machine"}
        return {**shown, **late, "decided_at": shown["deadline_at"], "reason": NOBODY}
    return shown


NOBODY: Final = "Nobody decided before the deadline."
