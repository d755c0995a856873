"""The courier's side of the ledger: notices are claimed, sent, and their outcome written, at least once."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, and_, func, or_, select, update

from monitor.core.findings import Evidence
from monitor.core.incidents.model import Incident
from monitor.core.notices.model import Notice, Outcome
from monitor.store import rows
from monitor.store.database import Database, Transaction
from monitor.store.incidents import load_evidence, load_incident
from monitor.store.tables import notices

StillOwed = Callable[[Notice, Incident], str | None]

_AUDITED: Final = {"delivered": "notice_delivered", "dead": "notice_dead", "unknown": "notice_unknown"}
_EVIDENCE: Final = 50  # newest pieces a message may show


@dataclass(frozen=True, slots=True)
class Claimed:
    """A notice that `holder` may send until `lease_until`. `audit` is size and root of the log, for the message."""

    notice: Notice
    attempt: int  # 1 for the first
    holder: str
    lease_until: float
    incident: Incident
    evidence: list[Evidence]
    audit: tuple[int, bytes]


def claim(
    database: Database,
    now: float,
    holder: str,
    lease_seconds: float,
    still_owed: StillOwed | None = None,
    skip: Collection[str] = (),
) -> Claimed | None:
    """Claim the notice that is due longest: waiting, to be retried, or left by a holder whose lease ran out.

    `still_owed` answers why a notice is no longer owed, or None if it is; one that is not is cancelled with that
    reason on record, and the next is tried. `skip` names targets that must wait. None if nothing is due.
    """
    with database.read() as connection:  # most often there is nothing, and then nobody is kept waiting
        if connection.execute(select(notices.c.key).where(_due(now, skip)).limit(1)).first() is None:
            return None
    with database.write(now) as tx:
        while True:
            row = _take(tx, now, holder, lease_seconds, skip)
            if row is None:
                return None
            notice = rows.notice_from(row)
            incident = load_incident(tx.connection, notice.incident)
            assert incident is not None  # a foreign key
            reason = None if still_owed is None else still_owed(notice, incident)
            if reason is None:
                evidence = load_evidence(tx.connection, incident.id, _EVIDENCE)
                attempt, until = row["attempt"], row["lease_until"]
                return Claimed(notice, attempt, holder, until, incident, evidence, tx.head)
            _cancel(tx, notice, reason)


def finish(
    database: Database,
    claimed: Claimed,
    outcome: Outcome,
    now: float,
    retry_at: float | None = None,
    problem: str | None = None,
) -> bool:
    """Write what became of it, with its audit entry (none for a mere retry). False if the lease was lost: no change.

    `retry` needs `retry_at`; `unknown` with `retry_at` is on record as unknown and tried again.
    """
    if outcome == "retry" and retry_at is None:
        raise ValueError("a retry needs the time at which to try again")
    again = retry_at is not None and outcome in ("retry", "unknown")
    values: dict[str, Any] = {"state": "retry" if again else outcome, "holder": None, "lease_until": None}
    values |= {"due_at": retry_at} if again else {"finished_at": now}
    values["problem"] = None if problem is None else rows.clean(problem)
    mine = and_(
        notices.c.key == claimed.notice.key,
        notices.c.state == "sending",
        notices.c.attempt == claimed.attempt,
        notices.c.holder == claimed.holder,
    )
    with database.write(now) as tx:
        if tx.connection.execute(update(notices).where(mine).values(values)).rowcount != 1:
            return False
        if outcome in _AUDITED:
            told = {**_said(claimed.notice), "attempt": claimed.attempt}
            told |= {} if problem is None else {"problem": problem}
            tx.audit(_AUDITED[outcome], "machine", told)
    return True


def next_due(connection: Connection, now: float, skip: Collection[str] = ()) -> float | None:
    """When the courier has to look again: the earliest due time or end of a lease, never before `now`."""
    waiting = select(func.min(notices.c.due_at)).where(
        notices.c.state.in_(("pending", "retry")), notices.c.target.not_in(list(skip))
    )
    leases = select(func.min(notices.c.lease_until)).where(
        notices.c.state == "sending", notices.c.target.not_in(list(skip))
    )
    found = [connection.execute(each).scalar() for each in (waiting, leases)]
    return max((now, min(at for at in found if at is not None))) if any(at is not None for at in found) else None


def counts(connection: Connection) -> dict[str, int]:
    """How many notices there are by state; states without any are left out."""
    grouped = select(notices.c.state, func.count()).group_by(notices.c.state)
    return {str(state): int(count) for state, count in connection.execute(grouped)}


def oldest_pending(connection: Connection) -> float | None:
    """Since when the oldest undelivered notice is owed (its creation), or None."""
    wanted = select(func.min(notices.c.created_at)).where(notices.c.state.in_(("pending", "retry", "sending")))
    return connection.execute(wanted).scalar()


def _due(now: float, skip: Collection[str]) -> ColumnElement[bool]:
    ready = or_(
        and_(notices.c.state.in_(("pending", "retry")), notices.c.due_at <= now),
        and_(notices.c.state == "sending", notices.c.lease_until <= now),
    )
    return and_(ready, notices.c.target.not_in(list(skip))) if skip else ready


def _take(tx: Transaction, now: float, holder: str, lease: float, skip: Collection[str]) -> rows.Row | None:
    first = select(notices.c.key).where(_due(now, skip)).order_by(notices.c.due_at, notices.c.key).limit(1)
    taken = (
        update(notices)
        .where(notices.c.key == first.scalar_subquery())
        .values(state="sending", attempt=notices.c.attempt + 1, holder=holder, lease_until=now + lease)
        .returning(notices)
    )
    return tx.connection.execute(taken).mappings().one_or_none()


def _cancel(tx: Transaction, notice: Notice, reason: str) -> None:
    gone = {"state": "cancelled", "holder": None, "lease_until": None, "finished_at": tx.at}
    tx.connection.execute(update(notices).where(notices.c.key == notice.key).values(**gone, problem=rows.clean(reason)))
    tx.audit("no_notice", "machine", {**_said(notice), "why": reason})


def _said(notice: Notice) -> dict[str, Any]:
    return {
        "notice": notice.key,
        "incident": notice.incident,
        "target": notice.target,
        "reason": notice.reason,
    }
