"""How each receiver stands by what became of its messages: who hears, who fails, and since when."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, and_, case, func, or_, select

from monitor.store.tables import notices

TRIED: Final = 3  # attempts after which a message that is still owed says that its receiver fails
_KNOWN_FOR: Final = 7 * 86_400.0  # seconds of messages that are looked at


@dataclass(frozen=True, slots=True)
class Standing:
    """One receiver. Times are daemon time, None for never; `trying` messages were tried three times or more and are
    still owed, `problem` is what the last of them ran into."""

    target: str
    delivered_at: float | None
    failed_at: float | None
    trying: int
    problem: str


def standings(connection: Connection, now: float) -> dict[str, Standing]:
    """Every receiver that was owed a message in the last week, by name."""
    since = now - _KNOWN_FOR
    often = notices.c.attempt >= TRIED
    trying = and_(often, notices.c.finished_at.is_(None), notices.c.state.in_(("retry", "unknown", "sending")))
    over = notices.c.finished_at.is_not(None)
    failed = and_(over, or_(notices.c.state == "dead", and_(often, notices.c.state.in_(("unknown", "cancelled")))))
    wanted = (
        select(
            notices.c.target,
            func.max(case((notices.c.state == "delivered", notices.c.finished_at))),
            func.max(case((failed, notices.c.finished_at))),
            func.sum(case((trying, 1), else_=0)),
        )
        .where(notices.c.created_at >= since)
        .group_by(notices.c.target)
    )
    rows = connection.execute(wanted).all()
    problems = _problems(connection, since) if any(row[3] or row[2] is not None for row in rows) else {}
    return {
        target: Standing(target, delivered, failed_at, int(count), problems.get(target, ""))
        for target, delivered, failed_at, count in rows
    }


def overdue(connection: Connection, now: float) -> float:
    """For how many seconds the message that is due longest has been due without anybody taking it up; 0 for none."""
    waiting = and_(notices.c.state.in_(("pending", "retry")), notices.c.due_at <= now)
    first = connection.execute(select(func.min(notices.c.due_at)).where(waiting)).scalar()
    return 0.0 if first is None else now - first


def _problems(connection: Connection, since: float) -> dict[str, str]:
    told = select(notices.c.target, notices.c.problem).where(
        notices.c.created_at >= since, notices.c.problem.is_not(None), notices.c.attempt > 0
    )
    told = told.where(notices.c.state != "delivered").order_by(notices.c.created_at.desc(), notices.c.key).limit(500)
    found: dict[str, str] = {}
    for target, problem in connection.execute(told):
        found.setdefault(target, problem)
    return found
