"""The pump's side of the ledger: taking a partition, and one transaction a step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Connection, and_, bindparam, delete, func, insert, or_, select, update

from monitor.core.changes import Changes
from monitor.killpoints import point
from monitor.store import rows
from monitor.store.books import get_book, put_book
from monitor.store.database import Database, Transaction
from monitor.store.marks import place_marks, want_mark, wanted_marks
from monitor.store.models import ModelSeen, see_models
from monitor.store.references import keep_learned
from monitor.store.tables import partitions, quarantine, steps
from monitor.store.upsert import insert_new
from monitor.store.views import load_view

if TYPE_CHECKING:
    from monitor.core.step import Step  # brings every detector along; the front reads this module too

__all__ = [
    "Fenced",
    "ModelSeen",
    "QuarantineRow",
    "Stale",
    "Taken",
    "bump_desk",
    "commit_step",
    "desk_seq",
    "forget_steps",
    "get_book",
    "load_view",
    "newest_quarantine",
    "partitions_taken",
    "put_book",
    "standing",
    "steps_after",
    "take_partition",
    "totals",
    "want_mark",
    "wanted_marks",
]


class Fenced(RuntimeError):  # noqa: N818 (what happened, not that it is an error)
    """Another engine took the partition: this one must stop and write nothing more."""

    def __init__(self, partition: int, ours: int, theirs: int) -> None:
        super().__init__(
            f"Partition {partition} was taken by another engine (its epoch is {theirs}, ours {ours}); this engine "
            "stops, the other goes on."
        )
        self.partition, self.ours, self.theirs = partition, ours, theirs


class Stale(RuntimeError):  # noqa: N818
    """A person changed what was decided on. Decide again with a fresh view; nothing was written."""

    def __init__(self, desk_seq: int) -> None:
        super().__init__(f"The desk has moved on to {desk_seq}; decide again.")
        self.desk_seq = desk_seq


@dataclass(frozen=True, slots=True)
class Taken:
    """Where a partition stands: as this engine takes it over, or as it is looked at."""

    epoch: int
    seq: int  # of the last committed step, 0 if there is none
    cursor: int  # the next offset to observe
    at: float  # daemon time of the last committed step
    book: str  # digest of the rule book in force then, "" if there was none
    desk_seq: int
    totals: dict[str, int]


@dataclass(frozen=True, slots=True)
class QuarantineRow:
    """An event that could not be observed."""

    offset: int
    model: str
    event_id: str
    reason: str


# Built once: SQLAlchemy then finds the compiled statement at once, and a step without changes stays cheap.
_PLACE: Final = select(partitions).where(partitions.c.partition == bindparam("p"))
_STANDING: Final = select(partitions.c.epoch, partitions.c.seq, partitions.c.desk_seq).where(
    partitions.c.partition == bindparam("p")
)
_RECORD: Final = insert(steps)
_ADVANCE: Final = (
    update(partitions)
    .where(partitions.c.partition == bindparam("p"))
    .values({name: bindparam(f"new_{name}") for name in ("seq", "cursor", "at", "book", "totals")})
)


def take_partition(database: Database, partition: int, at: float) -> Taken:
    """Take a partition over: its epoch rises, whoever had it is fenced off. Writes `engine_started`."""
    with database.write(at) as tx:
        known = standing(tx.connection, partition)
        if known is None:
            taken = Taken(epoch=1, seq=0, cursor=0, at=at, book="", desk_seq=0, totals={})
            first = {"epoch": 1, "seq": 0, "cursor": 0, "at": at, "book": "", "desk_seq": 0, "totals": "{}"}
            tx.connection.execute(insert(partitions), {"partition": partition, **first})
        else:
            taken = replace(known, epoch=known.epoch + 1)
            tx.connection.execute(
                update(partitions).where(partitions.c.partition == partition).values(epoch=taken.epoch)
            )
        body = {"partition": partition, "epoch": taken.epoch, "step": taken.seq, "cursor": taken.cursor}
        tx.audit("engine_started", "machine", body)
    return taken


def standing(connection: Connection, partition: int) -> Taken | None:
    """Where a partition stands, without taking it; None if no engine ever took it."""
    known = connection.execute(_PLACE, {"p": partition}).mappings().one_or_none()
    if known is None:
        return None
    kept = {name: known[name] for name in ("epoch", "seq", "cursor", "at", "book", "desk_seq")}
    return Taken(totals=rows.from_json(known["totals"]), **kept)


def partitions_taken(connection: Connection) -> int:
    """How many partitions engines have ever taken."""
    return connection.execute(select(func.count()).select_from(partitions)).scalar() or 0


def last_step(connection: Connection) -> float:
    """When the partition that is furthest behind committed its newest step, seconds since 1970 UTC; 0 without any."""
    return connection.execute(select(func.min(partitions.c.at))).scalar() or 0.0


def commit_step(
    database: Database,
    step: Step,
    changes: Changes,
    totals: Mapping[str, int],
    desk_seq_seen: int,
    placed_marks: Sequence[int] = (),
    quarantined: Sequence[QuarantineRow] = (),
    models: Sequence[ModelSeen] = (),
) -> None:
    """Write a step and all it changed, or nothing. `placed_marks` are ids of wanted marks among `step.marks`.

    Raises Fenced if the partition has another epoch or this is not its next step, Stale if a person wrote since
    `desk_seq_seen`, LedgerUnavailable. Without changes it writes no audit entry; quarantined events get one.
    """
    with database.write(step.at) as tx:
        _check(tx.connection, step, desk_seq_seen)
        tx.connection.execute(_RECORD, _step_row(step))
        moved = {"seq": step.seq, "cursor": step.end, "at": step.at, "book": step.book}
        tx.connection.execute(
            _ADVANCE,
            {"p": step.partition, "new_totals": rows.to_json(dict(totals))}
            | {f"new_{name}": value for name, value in moved.items()},
        )
        place_marks(tx, step.partition, step.seq, placed_marks)
        see_models(tx, models)
        _quarantine(tx, step.partition, quarantined)
        if changes:
            tx.apply(changes, step.partition)
            keep_learned(tx, changes.learned)
        point("before ledger commit")
    point("after ledger commit")


def bump_desk(tx: Transaction, partition: int | None = None) -> int:
    """Say that a person changed what `decide` reads: in one partition, or (None) in all. Answers the new desk_seq.

    With all, the highest; 0 where no engine has taken a partition yet.
    """
    raised = update(partitions).values(desk_seq=partitions.c.desk_seq + 1).returning(partitions.c.desk_seq)
    if partition is not None:
        raised = raised.where(partitions.c.partition == partition)
    return max((desk_seq for (desk_seq,) in tx.connection.execute(raised)), default=0)


def desk_seq(connection: Connection, partition: int) -> int:
    """How often people have written to what this partition's `decide` reads; 0 before an engine took it."""
    found = connection.execute(select(partitions.c.desk_seq).where(partitions.c.partition == partition))
    return found.scalar() or 0


def totals(connection: Connection, partition: int) -> dict[str, int]:
    """The running totals of a partition, {} before its first step."""
    text = connection.execute(select(partitions.c.totals).where(partitions.c.partition == partition)).scalar()
    return {} if text is None else dict(rows.from_json(text))


def newest_quarantine(connection: Connection, count: int) -> float | None:
    """When the newest event of all that are in quarantine, of `count` partitions, was set aside; None for none."""
    found = []
    for partition in range(count):
        mine = select(quarantine.c.at).where(quarantine.c.partition == partition)
        found.append(connection.execute(mine.order_by(quarantine.c.offset.desc()).limit(1)).scalar())
    return max((at for at in found if at is not None), default=None)


def steps_after(connection: Connection, partition: int, seq: int, limit: int | None = None) -> list[Step]:
    """The recorded steps after `seq`, in order, at most `limit` of them."""
    wanted = select(steps).where(steps.c.partition == partition, steps.c.seq > seq).order_by(steps.c.seq).limit(limit)
    return [_step_from(row) for row in connection.execute(wanted).mappings()]


def forget_steps(
    tx: Transaction, partition: int, before_offset: int, covered: int = 0, before: float = float("-inf")
) -> int:
    """Drop steps whose records are all before `before_offset` (the spool has trimmed them); answers how many.

    Also those up to step `covered` from before the time `before`: a quiet spool trims nothing, and ticks add up.
    The last step always stays.
    """
    last = select(partitions.c.seq).where(partitions.c.partition == partition).scalar_subquery()
    trimmed = steps.c.to_offset < before_offset
    old = and_(steps.c.seq <= covered, steps.c.at < before)
    gone = tx.connection.execute(
        delete(steps).where(steps.c.partition == partition, or_(trimmed, old), steps.c.seq < last)
    )
    return gone.rowcount


def _check(connection: Connection, step: Step, desk_seq_seen: int) -> None:
    standing = connection.execute(_STANDING, {"p": step.partition}).one_or_none()
    if standing is None:
        raise Fenced(step.partition, step.epoch, 0)
    epoch, seq, desk_seq = standing
    if epoch != step.epoch or seq + 1 != step.seq:
        raise Fenced(step.partition, step.epoch, epoch)
    if desk_seq != desk_seq_seen:
        raise Stale(desk_seq)


def _step_row(step: Step) -> dict[str, Any]:
    from monitor.core.step import mark_to_json

    row = {name: getattr(step, name) for name in ("partition", "seq", "epoch", "at", "book")}
    marks = rows.to_json([mark_to_json(mark) for mark in step.marks])
    return {**row, "from_offset": step.first, "to_offset": step.end, "marks": marks}


def _step_from(row: rows.Row) -> Step:
    from monitor.core.step import Step, mark_from_json

    known = {name: row[name] for name in ("partition", "seq", "epoch", "at", "book")}
    marks = tuple(mark_from_json(mark) for mark in rows.from_json(row["marks"]))
    return Step(**known, first=row["from_offset"], end=row["to_offset"], marks=marks)


def _quarantine(tx: Transaction, partition: int, quarantined: Sequence[QuarantineRow]) -> None:
    if not quarantined:
        return
    found = [
        rows.fit(
            "quarantine",
            {
                "partition": partition,
                "offset": item.offset,
                "model": item.model,
                "event_id": item.event_id,
                "reason": item.reason,
                "at": tx.at,
            },
        )
        for item in quarantined
    ]
    insert_new(tx.connection, quarantine, found)
    offsets = sorted(item.offset for item in quarantined)
    body = {
        "partition": partition,
        "events": len(offsets),
        "first_offset": offsets[0],
        "last_offset": offsets[-1],
        "models": sorted({item.model for item in quarantined}),
        "reason": quarantined[0].reason,
    }
    tx.audit("quarantined", "machine", body)
