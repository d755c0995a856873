"""The audit log as it is read: pages for people, ranges for export, its head for everybody."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator
from itertools import islice
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, LargeBinary, func, literal, select

from monitor.core.audit.entry import decode
from monitor.core.audit.merkle import Frontier
from monitor.store import rows
from monitor.store.database import Transaction
from monitor.store.tables import audit, audit_frontier, checkpoints
from monitor.store.upsert import insert_new, upsert

_DEPLOY: Final = "model_version"
_SEARCHED: Final = 50_000  # entries looked through for one question: some 20 ms
AT_ONCE: Final = frozenset(
    {"override", "gate_set", "break_glass", "drill", "decided", "erasure", "export", "restored", "verdict"}
)  # heads signed at once
_MANY: Final = 1000  # entries after which a head is signed
_LONG: Final = 60.0  # seconds after which one is
_SLACK: Final = 60.0  # seconds by which an entry may be dated before the one that precedes it


def head(connection: Connection) -> tuple[int, bytes]:
    """Size and root of the log: what every outgoing message carries."""
    size, peaks = connection.execute(select(audit_frontier.c.size, audit_frontier.c.peaks)).one()
    return size, Frontier.unpack(size, peaks).root


def audit_page(
    connection: Connection, before: int | None = None, limit: int = 100, kind: str | None = None
) -> tuple[list[dict[str, Any]], int | None]:
    """Entries, the newest first, and what to pass as `before` for the next page (None on the last)."""
    wanted = select(audit).order_by(audit.c.seq.desc()).limit(limit + 1)
    if before is not None:
        wanted = wanted.where(audit.c.seq < before)
    if kind is not None:
        wanted = wanted.where(audit.c.kind == kind)
    found = connection.execute(wanted).mappings().all()
    page = [_shown(row) for row in found[:limit]]
    return page, page[-1]["seq"] if len(found) > limit else None


def incident_trail(
    connection: Connection, incident: str, since: float, kinds: Collection[str], limit: int = 200
) -> list[dict[str, Any]]:
    """The newest entries of some kinds about one incident, oldest first.

    Looked for among the 50,000 entries from `since` (seconds since 1970 UTC) on: people read of what is going on,
    and the whole log is there for the rest.
    """
    start = _first_since(connection, since - _SLACK)
    found = _about(connection, "incident", incident, kinds, start, start + _SEARCHED)
    return list(islice(found, limit))[::-1]


def add_deploy(tx: Transaction, actor: str, model: str, version: str, at: float, note: str | None) -> None:
    """Keep that a version of a model was put in service at `at`, as somebody said. The log is all that keeps it."""
    said = {"model": model, "version": version, "deployed_at": rows.shown_time(at), "note": note}
    tx.audit(_DEPLOY, actor, {name: value for name, value in said.items() if value is not None})


def deploys(connection: Connection, model: str, limit: int = 20) -> list[dict[str, Any]]:
    """What was told of deploys of a model, the newest first, from the last 50,000 entries of the log."""
    size, _ = head(connection)
    entries = _about(connection, "model", model, (_DEPLOY,), max(0, size - _SEARCHED), size)
    told = (entry for entry in entries if "deployed_at" in entry["body"])
    return [
        {
            "version": entry["body"]["version"],
            "at": entry["body"]["deployed_at"],
            "note": entry["body"].get("note"),
            "by": entry["actor"],
        }
        for entry in islice(told, limit)
    ]


def drills(connection: Connection, model: str, limit: int = 5) -> list[dict[str, Any]]:
    """What came of rehearsals of a model's stop button, the newest first, from the last 50,000 entries of the log."""
    size, _ = head(connection)
    entries = _about(connection, "model", model, ("drill",), max(0, size - _SEARCHED), size)
    return [{**entry["body"], "at": entry["at"], "by": entry["actor"]} for entry in islice(entries, limit)]


def audit_bytes(connection: Connection, start: int = 0, stop: int | None = None) -> Iterator[tuple[int, bytes]]:
    """The entries [start, stop) as (seq, canonical bytes), in order, for an export."""
    wanted = select(audit.c.seq, audit.c.body).where(audit.c.seq >= start).order_by(audit.c.seq)
    if stop is not None:
        wanted = wanted.where(audit.c.seq < stop)
    with connection.execute(wanted.execution_options(yield_per=1000)) as result:
        for seq, body in result:
            if body is not None:
                yield seq, bytes(body)


def entries_between(connection: Connection, start: float, stop: float) -> Iterator[dict[str, Any]]:
    """All entries written in [start, stop), seconds since 1970 UTC, oldest first, without those whose body is gone."""
    first = _first_since(connection, start - _SLACK)
    wanted = select(audit).where(audit.c.seq >= first, audit.c.at >= start, audit.c.at < stop).order_by(audit.c.seq)
    with connection.execute(wanted.execution_options(yield_per=1000)) as result:
        yield from (_shown(row) for row in result.mappings() if row["body"] is not None)


def notes_signed(connection: Connection, start: float, stop: float) -> int:
    """How many heads were signed in [start, stop]."""
    kept = checkpoints.c
    wanted = select(func.count()).where(kept.note.is_not(None), kept.at >= start, kept.at <= stop)
    return connection.execute(wanted).scalar() or 0


def audit_leaves(connection: Connection, size: int) -> list[bytes]:
    """The leaf hashes of the first `size` entries, for proofs."""
    wanted = select(audit.c.leaf).where(audit.c.seq < size).order_by(audit.c.seq)
    return [bytes(leaf) for leaf in connection.execute(wanted).scalars()]


def keep_checkpoint(tx: Transaction, sign: Callable[[int, bytes], str] | None = None) -> tuple[int, bytes]:
    """Write the present head beside the log, signed if `sign` is given.

    Later `verify` can say more closely where a change was made, and the signed one can be given to others.
    """
    size, root = tx.head
    if size:
        note = None if sign is None else sign(size, root)
        row = {"size": size, "root": root, "at": tx.at, "note": note}
        if note is None:
            insert_new(tx.connection, checkpoints, [row])
        else:
            upsert(tx.connection, checkpoints, [row])
    return size, root


def wants_checkpoint(connection: Connection, now: float) -> bool:
    """Whether the log has grown enough since the last signed head, or by something that is to be signed at once."""
    size, _ = head(connection)
    newest = select(checkpoints.c.size, checkpoints.c.at).where(checkpoints.c.note.is_not(None))
    last = connection.execute(newest.order_by(checkpoints.c.size.desc()).limit(1)).one_or_none()
    since, at = (0, -float("inf")) if last is None else (last.size, last.at)
    if size <= since:
        return False
    if size - since >= _MANY or now - at >= _LONG:
        return True
    urgent = select(audit.c.seq).where(audit.c.seq >= since, audit.c.kind.in_(AT_ONCE)).limit(1)
    return connection.execute(urgent).first() is not None


def newest_note(connection: Connection, least: int = 0) -> tuple[int, str] | None:
    """Size and signed note of the newest checkpoint that was signed, of at least so many entries."""
    wanted = select(checkpoints.c.size, checkpoints.c.note).where(
        checkpoints.c.note.is_not(None), checkpoints.c.size >= least
    )
    found = connection.execute(wanted.order_by(checkpoints.c.size.desc()).limit(1)).one_or_none()
    return None if found is None else (found.size, found.note)


def _about(
    connection: Connection, name: str, value: str, kinds: Collection[str], start: int, stop: int
) -> Iterator[dict[str, Any]]:
    """Entries [start, stop) whose body says `name: value`, the newest first."""
    spelt = f'"{name}":{json.dumps(value, ensure_ascii=False)}'.encode()  # as canonical JSON spells it
    wanted = select(audit).where(audit.c.seq >= start, audit.c.seq < stop, audit.c.kind.in_(list(kinds)))
    for row in connection.execute(wanted.where(_holds(connection, spelt)).order_by(audit.c.seq.desc())).mappings():
        entry = _shown(row)
        if entry["body"].get(name) == value:
            yield entry


def _holds(connection: Connection, spelt: bytes) -> ColumnElement[bool]:
    needle = literal(spelt, LargeBinary)
    if connection.dialect.name == "sqlite":
        return func.instr(audit.c.body, needle) > 0
    return func.position(needle.op("IN")(audit.c.body)) > 0


def _first_since(connection: Connection, at: float) -> int:
    """The first entry that was written at `at` or later, by bisection."""
    low, (high, _) = 0, head(connection)
    while low < high:
        middle = (low + high) // 2
        written = connection.execute(select(audit.c.at).where(audit.c.seq == middle)).scalar()
        if written is None or written >= at:
            high = middle
        else:
            low = middle + 1
    return low


def _shown(row: rows.Row) -> dict[str, Any]:
    body = None if row["body"] is None else decode(row["body"])["body"]
    return {
        "seq": row["seq"],
        "at": rows.shown_time(row["at"]),
        "kind": row["kind"],
        "actor": row["actor"],
        "body": body,
        "leaf": bytes(row["leaf"]).hex(),
    }
