"""The courier's side of the ledger: notices are claimed, sent, and their outcome written, at least once."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, and_, bindparam, func, or_, select, update
from sqlalchemy.sql.dml import ReturningUpdate

from monitor.core.findings import Evidence
from monitor.core.incidents.model import Incident
from monitor.core.notices.keys import PAGES
from monitor.core.notices.last_look import Withheld
from monitor.core.notices.model import Kept, Notice, Outcome
from monitor.store import rows
from monitor.store.database import Database, Transaction
from monitor.store.facts import get_fact, set_fact
from monitor.store.incidents import load_evidence, load_incident
from monitor.store.ledger import bump_desk
from monitor.store.tables import incidents, notices

StillOwed = Callable[[Notice, Incident, Sequence[Kept]], Withheld | None]
# Of a call that was claimed and another that is due: whether one message speaks of both.
Fellows = Callable[[Incident, Notice, Incident, Sequence[Kept]], bool]

_AUDITED: Final = {"delivered": "notice_delivered", "dead": "notice_dead", "unknown": "notice_unknown"}
_EVIDENCE: Final = 50  # newest pieces a message may show
ADDRESSES: Final = "receivers"  # the fact that holds each receiver's masked address as it was last


@dataclass(frozen=True, slots=True)
class Claimed:
    """A notice that `holder` may send until `lease_until`. `audit` is size and root of the log, for the message.

    `others` are the notices of the same incident to the same target, oldest first.
    """

    notice: Notice
    attempt: int  # 1 for the first
    holder: str
    lease_until: float
    incident: Incident
    evidence: list[Evidence]
    audit: tuple[int, bytes]
    others: Sequence[Kept] = ()
    along: Sequence[Claimed] = ()  # claimed with it, to be sent in one message


# Built once: it is asked every two seconds, whether anything is owed or not.
_OTHERS: Final = notices.c.target.not_in(bindparam("skip", expanding=True))
_WAITING: Final = select(func.min(notices.c.due_at)).where(notices.c.state.in_(("pending", "retry")), _OTHERS)
_LEASES: Final = select(func.min(notices.c.lease_until)).where(notices.c.state == "sending", _OTHERS)


def claim(
    database: Database,
    now: float,
    holder: str,
    lease_seconds: float,
    still_owed: StillOwed | None = None,
    skip: Collection[str] = (),
    fellows: Fellows | None = None,
    most: int = 1,
) -> Claimed | None:
    """Claim the notice that is due longest: waiting, to be retried, or left by a holder whose lease ran out.

    `still_owed` is told of the incident and its other notices to the same target, and answers None if the notice is to
    be sent. One that is not is cancelled with the reason on record, or postponed, and the next is tried. `skip` names
    targets that must wait. None if nothing is due. A call takes up to `most` - 1 others along that are due to the same
    target now, of other incidents that are its `fellows`.
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
            others = _others(tx.connection, notice)
            withheld = None if still_owed is None else still_owed(notice, incident, others)
            if withheld is None:
                claimed = _claimed(tx, row, incident, others)
                if fellows is None or notice.reason not in PAGES:
                    return claimed
                return replace(claimed, along=_along(tx, claimed, now, fellows, most - 1))
            if withheld.until is None:
                _cancel(tx, notice, withheld.reason)
            else:
                _postpone(tx, notice, row["attempt"], max(withheld.until, now + 1.0), withheld.reason)


def _claimed(tx: Transaction, row: rows.Row, incident: Incident, others: Sequence[Kept]) -> Claimed:
    evidence = load_evidence(tx.connection, incident.id, _EVIDENCE)
    notice, attempt, until = rows.notice_from(row), row["attempt"], row["lease_until"]
    return Claimed(notice, attempt, row["holder"], until, incident, evidence, tx.head, others)


def _along(tx: Transaction, first: Claimed, now: float, fellows: Fellows, most: int) -> tuple[Claimed, ...]:
    """Calls that are due as well, each claimed as if alone; what is not to be sent now is left to its own turn."""
    ready = and_(notices.c.state.in_(("pending", "retry")), notices.c.due_at <= now, notices.c.reason.in_(PAGES))
    wanted = select(notices).where(ready, notices.c.target == first.notice.target)
    found: dict[str, Claimed] = {}
    due = tx.connection.execute(wanted.order_by(notices.c.due_at, notices.c.key).limit(5 * most)).mappings().all()
    for row in due:
        notice = rows.notice_from(row)
        incident = load_incident(tx.connection, notice.incident)
        if len(found) == most or incident is None or incident.id in (first.incident.id, *found):
            continue
        others = _others(tx.connection, notice)
        if fellows(first.incident, notice, incident, others):
            taken = _take_key(tx, notice.key, first.holder, first.lease_until)
            found[incident.id] = _claimed(tx, taken, incident, others)
    return tuple(found.values())


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
        if outcome == "dead":
            bump_desk(tx)
    return True


def hasten(database: Database, now: float, addresses: Mapping[str, str], within: float) -> frozenset[str]:
    """A courier begins, with these (masked) addresses by target; answers the targets whose address is another now.

    What is to be tried again at such a target is due at once, and nothing else waits longer than `within` seconds:
    whoever starts the daemon again has most likely mended what made it wait.
    """
    with database.write(now) as tx:
        before = rows.from_json(get_fact(tx.connection, ADDRESSES) or "{}")
        changed = frozenset(name for name, address in addresses.items() if before.get(name) != address)
        _due_by(tx, now + within)
        if changed:
            _due_by(tx, now, changed)
            set_fact(tx, ADDRESSES, rows.to_json(dict(addresses)))
    return changed


def next_due(connection: Connection, now: float, skip: Collection[str] = ()) -> float | None:
    """When the courier has to look again: the earliest due time or end of a lease, never before `now`."""
    found = [connection.execute(each, {"skip": list(skip)}).scalar() for each in (_WAITING, _LEASES)]
    return max((now, min(at for at in found if at is not None))) if any(at is not None for at in found) else None


def called(connection: Connection, targets: Sequence[str]) -> list[tuple[str, Incident]]:
    """Incidents that are open or in hand, each with a target that a call about it has reached (or may have)."""
    reached = select(notices.c.target, incidents).join(incidents, incidents.c.id == notices.c.incident).distinct()
    wanted = reached.where(
        incidents.c.state.in_(("open", "acknowledged")),
        notices.c.target.in_(list(targets)),
        notices.c.reason.in_(PAGES),
        notices.c.state.in_(("delivered", "unknown")),
    )
    found = connection.execute(wanted.order_by(incidents.c.id)).mappings()
    return [(row["target"], rows.incident_from(row)) for row in found]


def told_lately(connection: Connection, since: float, most: int = 1_000) -> list[tuple[str, Incident, float]]:
    """Target, incident and time of the last calls that went out (or may have) after `since`, the newest first."""
    columns = (notices.c.target, notices.c.finished_at.label("told_at"), incidents)
    wanted = select(*columns).join(incidents, incidents.c.id == notices.c.incident)
    wanted = wanted.where(
        notices.c.state.in_(("delivered", "unknown")), notices.c.finished_at > since, notices.c.reason.in_(PAGES)
    )
    found = connection.execute(wanted.order_by(notices.c.finished_at.desc(), notices.c.key).limit(most)).mappings()
    return [(row["target"], rows.incident_from(row), row["told_at"]) for row in found]


def fate(connection: Connection, incident: str, target: str) -> dict[str, Any] | None:
    """What became of the last message about an incident to a target: state, attempts, problem. None: there is none."""
    wanted = select(notices).where(notices.c.incident == incident, notices.c.target == target)
    row = connection.execute(wanted.order_by(notices.c.created_at.desc(), notices.c.key).limit(1)).mappings().first()
    return None if row is None else {"state": row["state"], "attempts": row["attempt"], "problem": row["problem"]}


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
    return tx.connection.execute(_taking(first.scalar_subquery(), holder, now + lease)).mappings().one_or_none()


def _take_key(tx: Transaction, key: str, holder: str, until: float) -> rows.Row:
    return tx.connection.execute(_taking(key, holder, until)).mappings().one()


def _taking(key: Any, holder: str, until: float) -> ReturningUpdate[Any]:
    values = {"state": "sending", "attempt": notices.c.attempt + 1, "holder": holder, "lease_until": until}
    return update(notices).where(notices.c.key == key).values(values).returning(notices)


def _others(connection: Connection, notice: Notice) -> list[Kept]:
    same = and_(notices.c.incident == notice.incident, notices.c.target == notice.target)
    wanted = select(notices).where(same, notices.c.key != notice.key).order_by(notices.c.created_at, notices.c.key)
    return [Kept(rows.notice_from(row), row["state"]) for row in connection.execute(wanted).mappings()]


def _cancel(tx: Transaction, notice: Notice, reason: str) -> None:
    """It becomes void, which is one of the things that decisions are made on."""
    gone = {"state": "cancelled", "holder": None, "lease_until": None, "finished_at": tx.at}
    tx.connection.execute(update(notices).where(notices.c.key == notice.key).values(**gone, problem=rows.clean(reason)))
    tx.audit("no_notice", "machine", {**_said(notice), "why": reason})
    bump_desk(tx)


def _postpone(tx: Transaction, notice: Notice, attempt: int, until: float, reason: str) -> None:
    """Give a claim back: nothing was attempted."""
    back = {"state": "retry" if attempt > 1 else "pending", "attempt": attempt - 1, "due_at": until}
    values = {**back, "holder": None, "lease_until": None, "problem": rows.clean(reason)}
    tx.connection.execute(update(notices).where(notices.c.key == notice.key).values(values))


def _due_by(tx: Transaction, at: float, targets: Collection[str] | None = None) -> None:
    late = and_(notices.c.state == "retry", notices.c.due_at > at)
    late = late if targets is None else and_(late, notices.c.target.in_(list(targets)))
    tx.connection.execute(update(notices).where(late).values(due_at=at))


def _said(notice: Notice) -> dict[str, Any]:
    return {
        "notice": notice.key,
        "incident": notice.incident,
        "target": notice.target,
        "reason": notice.reason,
    }
