"""References: what was taken for normal, with every version that came before.

Versions count from 1 per model, whatever rule they are for. A version that a person gave has its body at once; one
that takes the present for normal, and one that a rule learned by itself, get theirs when the detectors have armed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from sqlalchemy import Connection, delete, func, insert, or_, select, update

from monitor.store import rows
from monitor.store.database import Transaction
from monitor.store.errors import Unknown
from monitor.store.tables import reference_bodies as bodies
from monitor.store.tables import references as table
from monitor.store.upsert import upsert

if TYPE_CHECKING:
    from monitor.core.references import Learned

MACHINE: Final = "machine"
BY_ITSELF: Final = "learned from its first events"
ROLLED: Final = "refitted to its last days, as its rule says"
ROLLED_KEPT = 8  # refits of a rule whose body is kept: a week to go back to
DAY = 86_400.0


def add_reference(
    tx: Transaction,
    id_: str,
    model: str,
    rule: str | None,
    source: Mapping[str, Any],
    author: str,
    reason: str,
    packed: Mapping[str, bytes] | None = None,
    expires_at: float | None = None,
    kind: str = "reference_accepted",
) -> int:
    """Keep a reference for one rule ("pack/Rule") or all (None), with its audit entry. Answers its version.

    `packed`: what was fitted, by rule. `kind` is that of the audit entry.
    """
    version = _next(tx, model)
    said = {"model": model, "rule": rule, "version": version, "reason": reason}
    row = {**said, "id": id_, "author": author, "source": rows.to_json(dict(source)), "expires_at": expires_at}
    tx.connection.execute(insert(table), rows.fit("references", {**row, "created_at": tx.at, "ended_at": None}))
    for name, body in sorted((packed or {}).items()):
        _put_body(tx, id_, name, body, tx.at)
    until = {} if expires_at is None else {"expires_at": rows.shown_time(expires_at)}
    tx.audit(kind, author, {**said, **until, "reference": id_, "source": dict(source)})
    return version


def keep_learned(tx: Transaction, learned: Sequence[Learned]) -> None:
    """Keep what a step armed, with the version that it is of: a rollback needs it."""
    from monitor.core.references import unpack  # brings detectors along; the front reads this module too

    for item in learned:
        if item.rolled:
            _keep_rolled(tx, item)
            continue
        fitted = item.fitted
        id_ = _row_of(tx.connection, item.model, fitted.rule, item.version)
        known = None if id_ is None else _body(tx.connection, id_, fitted.rule)
        if known is not None:
            older = unpack(known[0], trusted=True)
            if older.form == fitted.form:
                fitted = older.merged(fitted)
            elif item.version == 0:
                id_, known = None, None  # the rule is another one: what it learned is another version
        if id_ is None:
            id_ = str(uuid4())
            source, kind = {"learned": "first"}, "reference_learned"
            add_reference(tx, id_, item.model, fitted.rule, source, MACHINE, BY_ITSELF, kind=kind)
        _put_body(tx, id_, fitted.rule, fitted.pack(), tx.at if known is None else known[1])


def _keep_rolled(tx: Transaction, item: Learned) -> None:
    """Keep a refit as a version of its own; of those long before only that they were."""
    rule, source = item.fitted.rule, {"rolled": item.rolled, "days": item.span / DAY, "after": item.version}
    packed = {rule: item.fitted.pack()}
    add_reference(tx, str(uuid4()), item.model, rule, source, MACHINE, ROLLED, packed, kind="reference_rolled")
    mine = (table.c.model == rows.clean(item.model, 200), table.c.rule == rule, table.c.reason == ROLLED)
    joined = select(table.c.id).join(bodies, table.c.id == bodies.c.reference).where(*mine, table.c.author == MACHINE)
    old = tx.connection.execute(joined.order_by(table.c.version.desc()).offset(ROLLED_KEPT)).scalars().all()
    if old:
        tx.connection.execute(delete(bodies).where(bodies.c.reference.in_(old)))


def references(connection: Connection, model: str | None = None) -> list[dict[str, Any]]:
    """References without their bodies, by model, the newest first. `rules`: those for which something was fitted."""
    wanted = select(table).order_by(table.c.model, table.c.version.desc())
    if model is not None:
        wanted = wanted.where(table.c.model == model)
    fitted: dict[str, list[str]] = {}
    for id_, rule in connection.execute(select(bodies.c.reference, bodies.c.rule).order_by(bodies.c.rule)):
        fitted.setdefault(id_, []).append(rule)
    return [_shown(row, fitted.get(row["id"], [])) for row in connection.execute(wanted).mappings()]


def reference(connection: Connection, id_: str) -> dict[str, Any]:
    """One reference, as `references` lists it. Raises Unknown."""
    row = connection.execute(select(table).where(table.c.id == id_)).mappings().one_or_none()
    if row is None:
        raise Unknown("reference", id_)
    fitted = connection.execute(select(bodies.c.rule).where(bodies.c.reference == id_).order_by(bodies.c.rule))
    return _shown(row, [rule for (rule,) in fitted])


def reference_bodies(connection: Connection, id_: str) -> dict[str, bytes]:
    """What was fitted, by rule; empty while nothing is."""
    found = connection.execute(select(bodies.c.rule, bodies.c.body).where(bodies.c.reference == id_))
    return {rule: bytes(body) for rule, body in found}


def armed_since(connection: Connection, model: str, rule: str) -> float | None:
    """When a rule first had a reference on a model; None if it never had one."""
    joined = select(func.min(bodies.c.armed_at)).join(table, table.c.id == bodies.c.reference)
    found = connection.execute(joined.where(table.c.model == model, bodies.c.rule == rule)).scalar()
    return None if found is None else float(found)


def in_force(connection: Connection, model: str, rule: str, before: int | None = None) -> str | None:
    """The id of the newest version that holds a reference for a rule, of those before a version; None if none does."""
    wanted = (
        select(table.c.id)
        .join(bodies, table.c.id == bodies.c.reference)
        .where(table.c.model == model, bodies.c.rule == rule, table.c.ended_at.is_(None))
        .order_by(table.c.version.desc())
    )
    if before is not None:
        wanted = wanted.where(table.c.version < before)
    return connection.execute(wanted.limit(1)).scalar()


def newest(connection: Connection, model: str, rule: str) -> int | None:
    """The newest version for a rule that has not run out, whether or not anything is fitted; None if there is none."""
    mine = or_(table.c.rule.is_(None), table.c.rule == rule)
    wanted = select(func.max(table.c.version)).where(table.c.model == model, mine, table.c.ended_at.is_(None))
    return connection.execute(wanted).scalar()


def rules_of(connection: Connection, model: str, rule: str | None) -> list[str]:
    """The rules that a reference for `rule` (None: all) is for, as far as anything was ever fitted for them."""
    wanted = select(bodies.c.rule).distinct().join(table, table.c.id == bodies.c.reference)
    wanted = wanted.where(table.c.model == model).order_by(bodies.c.rule)
    return [name for (name,) in connection.execute(wanted) if rule in (None, name)]


def expiring(connection: Connection) -> list[dict[str, Any]]:
    """References that end at a time and have not ended, with that time (seconds), the first to end first."""
    wanted = select(table).where(table.c.expires_at.is_not(None), table.c.ended_at.is_(None))
    found = connection.execute(wanted.order_by(table.c.expires_at, table.c.id)).mappings()
    return [{name: row[name] for name in ("id", "model", "rule", "version", "expires_at")} for row in found]


def end_reference(tx: Transaction, id_: str) -> None:
    """Note that one has run out."""
    tx.connection.execute(update(table).where(table.c.id == id_).values(ended_at=tx.at))


def _next(tx: Transaction, model: str) -> int:
    highest = select(func.max(table.c.version)).where(table.c.model == rows.clean(model, 200))
    return int(tx.connection.execute(highest).scalar() or 0) + 1


def _row_of(connection: Connection, model: str, rule: str, version: int) -> str | None:
    """The reference of that version; of version 0, what the machine learned last for the rule."""
    wanted = select(table.c.id).where(table.c.model == model)
    if version:
        wanted = wanted.where(table.c.version == version, or_(table.c.rule.is_(None), table.c.rule == rule))
    else:
        wanted = wanted.where(table.c.rule == rule, table.c.author == MACHINE, table.c.reason == BY_ITSELF)
    return connection.execute(wanted.order_by(table.c.version.desc()).limit(1)).scalar()


def _body(connection: Connection, id_: str, rule: str) -> tuple[bytes, float] | None:
    wanted = select(bodies.c.body, bodies.c.armed_at).where(bodies.c.reference == id_, bodies.c.rule == rule)
    row = connection.execute(wanted).one_or_none()
    return None if row is None else (bytes(row[0]), float(row[1]))


def _put_body(tx: Transaction, id_: str, rule: str, body: bytes, armed_at: float) -> None:
    row = {"reference": id_, "rule": rule, "body": body, "armed_at": armed_at, "changed_at": tx.at}
    upsert(tx.connection, bodies, [row])


def _shown(row: rows.Row, fitted: list[str]) -> dict[str, Any]:
    shown = {name: row[name] for name in ("id", "model", "rule", "version", "author", "reason")}
    times = {name: rows.shown_time(row[name]) for name in ("created_at", "expires_at", "ended_at")}
    return {**shown, "source": rows.from_json(row["source"]), **times, "rules": fitted}
