"""Running a rule book over recorded traffic: cuts and ticks as the pump makes them, and what the home knows besides."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from monitor.core.backtest import Backtest
from monitor.core.references import Fitted, to_text, unpack
from monitor.core.rules.model import Book
from monitor.core.state import StateError
from monitor.core.times import parse_time
from monitor.core.verdicts import Judged
from monitor.core.watcher import Mark
from monitor.runtime.fitting import fittable
from monitor.runtime.pace import Ticks
from monitor.runtime.recorded import batches_of
from monitor.spool import Record
from monitor.store import queries
from monitor.store.database import Database
from monitor.store.ledger import steps_after

Row = dict[str, Any]
Connection = Any  # of the ledger: only `store` knows its type
EACH = 2.0  # seconds between two words on how far it has come
KEPT = ("gap", "freeze", "unfreeze", "reference", "kinds")  # what people and outages did, and is done again
AT_ONCE = 500  # steps read from the ledger together
PAGE = 500


@dataclass(slots=True)
class Known:
    """What a home knows of the time that is run again. `marks` are in the order of time; `marked` says in sentences
    what the references are that it starts with."""

    kinds: dict[str, dict[str, str]] = field(default_factory=dict)
    given: dict[str, list[Mark]] = field(default_factory=dict)
    marks: list[Mark] = field(default_factory=list)
    incidents: list[Judged] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Progress:
    """How far a run has come: recorded time from `since` to `at`, events, and seconds it took."""

    since: float = 0.0
    at: float = 0.0
    events: int = 0
    seconds: float = 0.0

    @property
    def times_real(self) -> float:
        return (self.at - self.since) / self.seconds if self.seconds > 0 else 0.0


def run(
    test: Backtest,
    records: Iterable[Record],
    marks: Sequence[Mark] = (),
    model: str | None = None,
    told: Callable[[Progress], None] = lambda progress: None,
) -> Progress:
    """Feed recorded traffic to a backtest, in the order in which it came. Answers what it came to."""
    began, spoke, done, ticks = time.monotonic(), 0.0, Progress(), Ticks()
    due, pending, boundary = list(marks), list[Record](), None
    for record in records:
        if boundary is None:
            done.since = record.recorded_at
            boundary = _after(ticks, record.recorded_at, due)
        while record.recorded_at > boundary:
            done.events += _step(test, ticks, boundary, pending, due, model)
            pending, boundary = [], _after(ticks, boundary, due)
        pending.append(record)
        done.at, done.seconds = record.recorded_at, time.monotonic() - began
        if done.seconds > spoke + EACH:
            spoke = done.seconds
            told(done)
    if pending:
        done.events += _step(test, ticks, done.at, pending, due, model)
    done.seconds = time.monotonic() - began
    return done


def _after(ticks: Ticks, last: float, due: Sequence[Mark]) -> float:
    """When the next step ends: at the next tick; nothing is looked at while nobody watched."""
    boundary = ticks.next(last)
    for mark in due:
        if mark.kind == "gap" and mark.body is not None and mark.body["from"] < boundary < mark.body["to"]:
            return float(mark.body["to"])
    return boundary


def _step(
    test: Backtest, ticks: Ticks, at: float, records: Sequence[Record], due: list[Mark], model: str | None
) -> int:
    """One step. Answers how many events were in it."""
    now = [mark for mark in due if mark.at <= at]
    if now:
        due[:] = due[len(now) :]
    batches = batches_of(records, model)
    before = len(test.firings)
    test.step(at, batches, now)
    if test.rehearsal.view.rule_states or ticks.deadlines or len(test.firings) > before:
        ticks.learn(test.rehearsal.view.rule_states, test.book)
    return sum(batch.n for batch in batches if not batch.truth)


# -- what the home knows ----------------------------------------------------------------------------------------------


def known(
    database: Database, book: Book, since: float, until: float, partitions: Iterable[int], model: str | None = None
) -> Known:
    """Of the models (or of one): kinds of columns, references, what was done to detectors, and incidents."""
    found = Known()
    with database.read() as connection:
        for row in queries.models(connection, retired=True):
            if model in (None, row["model"]):
                found.kinds[row["model"]] = row["columns"]
        for name in found.kinds:
            _references(found, queries.references(connection, name), connection, book, name, since)
        for partition in partitions:
            found.marks += _marks(_steps(connection, partition), since, until, model)
        found.marks.sort(key=lambda mark: mark.at)
        found.incidents = _incidents(connection, since, until, model)
    return found


def _references(
    found: Known, listed: Sequence[Row], connection: Connection, book: Book, model: str, since: float
) -> None:
    """The references that a model starts with: those of then, or where a rule had none yet, its first."""
    for rule in fittable(book, model):
        mine = [r for r in reversed(listed) if rule.key in r["rules"]]
        early = [r for r in mine if parse_time(r["created_at"]) <= since]
        chosen = (early or mine[:1])[-1:]
        for row in chosen:
            body = queries.reference_bodies(connection, row["id"])[rule.key]
            fitted = _fits(body)
            if fitted is None:
                continue
            told = {"fitted": to_text(replace(fitted, rule=rule.key).pack()), "version": row["version"]}
            found.given.setdefault(model, []).append(Mark("reference", since, model, rule.key, body=told))
            hindsight = "" if early else ", which was fitted later: what it says of the time before is hindsight"
            found.notes.append(f"{rule.key} starts with version {row['version']} of {model}{hindsight}.")
        if not chosen:
            found.notes.append(f"{rule.key} starts without a reference for {model}, and learns one first.")


def _fits(body: bytes) -> Fitted | None:
    try:
        return unpack(body, trusted=True)
    except StateError:
        return None


def _steps(connection: Connection, partition: int) -> Iterator[Mark]:
    seq = 0
    while steps := steps_after(connection, partition, seq, AT_ONCE):
        for step in steps:
            yield from step.marks
        seq = steps[-1].seq


def _marks(marks: Iterable[Mark], since: float, until: float, model: str | None) -> list[Mark]:
    return [
        mark
        for mark in marks
        if mark.kind in KEPT and since <= mark.at <= until and (model is None or mark.model in (None, model))
    ]


def _incidents(connection: Connection, since: float, until: float, model: str | None) -> list[Judged]:
    found: list[Judged] = []
    after = None
    while True:
        page, after = queries.incidents(connection, model=model, since=since, limit=PAGE, after=after)
        for row in page:
            if row["verdict"] is not None and since <= parse_time(row["opened_at"]) <= until:
                whole = queries.incident(connection, row["id"])
                if whole is not None:
                    found.append(judged(whole))
        if after is None:
            return found


def judged(shown: Row) -> Judged:
    """An incident as it is shown, for the comparison."""
    ended = shown["cleared_at"] or shown["closed_at"]
    evidence = shown["evidence"]
    effects = [piece["effect"] for piece in evidence if piece["effect"] is not None]
    return Judged(
        shown["id"],
        f"{shown['pack']}/{shown['rule']}",
        shown["model"],
        shown["verdict"],
        parse_time(shown["opened_at"]),
        None if ended is None else parse_time(ended),
        tuple(dict.fromkeys(piece["column"] for piece in evidence if piece["column"])),
        tuple(dict.fromkeys(piece["statistic"] for piece in evidence)),
        max(effects, key=abs, default=None),
        shown["summary"],
    )
