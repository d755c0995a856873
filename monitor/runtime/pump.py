"""The pump: records in, one committed step out. It owns the bank of its partition; nobody else touches it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

import structlog

from monitor.core.bank import Bank
from monitor.core.changes import Changes
from monitor.core.decide import decide
from monitor.core.events import Batch
from monitor.core.findings import Observation
from monitor.core.notices.model import Policy
from monitor.core.rules.model import Book
from monitor.core.step import Step, mark_from_json, observe
from monitor.core.view import View
from monitor.core.watcher import Mark
from monitor.formats.decode import to_batches
from monitor.runtime.poison import Poisoned, find_poison
from monitor.runtime.restore import restore
from monitor.runtime.rotation import Rotation
from monitor.spool import Record, Spool
from monitor.store.database import Database, LedgerUnavailable
from monitor.store.ledger import (
    ModelSeen,
    QuarantineRow,
    Stale,
    Taken,
    commit_step,
    load_view,
    steps_after,
    take_partition,
    wanted_marks,
)
from monitor.store.ledger import desk_seq as read_desk_seq
from monitor.store.snapshots import Snapshots

log = structlog.get_logger("pump")

TICK = 15.0  # seconds between looks at rules when nothing arrives
WINDOW = 0.05  # seconds events gather before the next step: bounds steps to twenty a second
LIMIT = 20_000  # events in one step
RECENT = 86_400.0  # closed incidents the machine may still reopen are kept in view this long


class Clock(Protocol):
    def now(self) -> float: ...


class Sleeper(Protocol):
    def wait(self, timeout: float) -> bool: ...


@dataclass(slots=True)
class Pace:
    """What the pump last did, for the watchdog, `/-/engine` and `doctor`."""

    turns: int = 0
    seq: int = 0
    at: float = 0.0
    waiting: str = ""  # a named wait beats the watchdog as a completed step does


@dataclass(frozen=True, slots=True)
class Done:
    """One committed step, for those who count and log: durations in seconds, `last_events` model -> recorded_at."""

    step: Step
    observation: Observation
    changes: Changes
    events: int
    quarantined: int
    seconds: float
    deciding: float
    last_events: dict[str, float]


class Pump:
    """Observe, decide, commit, for one partition. `turn` does one step; `run` does them until told to stop."""

    def __init__(
        self,
        database: Database,
        spool: Spool,
        snapshots: Snapshots,
        clock: Clock,
        books: Callable[[str], Book],
        policy: Policy,
        partition: int = 0,
        told: Callable[[Done], None] = lambda _: None,
    ) -> None:
        self.database, self.spool, self.snapshots = database, spool, snapshots
        self.clock, self.books, self.policy, self.partition = clock, books, policy, partition
        self.told = told  # called after every commit: metrics, waking the courier
        self.pace = Pace()
        self._start()

    # -- start --------------------------------------------------------------------------------------------------

    def _start(self) -> None:
        now = self.clock.now()
        taken = take_partition(self.database, self.partition, now)
        self.epoch, self.seq, self.cursor, self.book = taken.epoch, taken.seq, taken.cursor, taken.book
        self.totals = dict(taken.totals)
        restored = restore(self.database, self.spool, self.snapshots, taken, self.partition, self.books)
        self.bank = restored.bank
        self.rotation = Rotation(self.snapshots, self.bank)
        for sentence in restored.losses:
            log.warning(sentence, action="restore_loss", partition=self.partition)
        log.info(
            "The engine continues where it stopped.",
            action="restored",
            partition=self.partition,
            seq=taken.seq,
            cursor=taken.cursor,
            replayed=restored.replayed,
        )
        self._pending = [] if taken.seq == 0 else [Mark("gap", now, body={"from": taken.at, "to": now})]
        self._last_tick = now
        self._marks_as_of = -1  # the desk's writes up to which wanted marks were placed
        self._reload_view()

    def _reload_view(self) -> None:
        with self.database.read() as connection:
            self.view: View = load_view(connection, self.partition, self.clock.now())

    # -- one step -----------------------------------------------------------------------------------------------

    def turn(self, limit: int = LIMIT) -> bool:
        """Do one step if there is anything to do. Raises Fenced when another engine took the partition."""
        with self.database.read() as connection:
            desk_seq = read_desk_seq(connection, self.partition)
            wanted = wanted_marks(connection, self.partition) if desk_seq != self._marks_as_of else []
        if desk_seq != self.view.desk_seq:
            self._reload_view()
        now = max(self.clock.now(), self.bank.at)
        marks = [*self._pending, *(replace(mark_from_json(mark), at=now) for _, mark in wanted)]
        if now >= self._next_tick():
            marks.append(Mark("tick", now))
        records = self.spool.read(self.partition, self.cursor, limit)
        if not records and not marks:
            self._marks_as_of = desk_seq
            return False
        self._step(now, marks, [id_ for id_, _ in wanted], records)
        self._marks_as_of = desk_seq
        return True

    def _step(self, now: float, marks: list[Mark], placed: list[int], records: list[Record]) -> None:
        started = time.monotonic()
        end = records[-1].first + records[-1].count if records else self.cursor
        book = next((m.body["digest"] for m in reversed(marks) if m.kind == "book" and m.body), self.book)
        step = Step(self.partition, self.seq + 1, self.epoch, self.cursor, end, now, book, tuple(marks))
        batches = to_batches(records)
        step, observation, quarantined = self._observe(step, batches)
        lines = sum(record.count for record in records if record.kind == "events")
        totals = self._totals(lines, len(quarantined), observation)
        deciding = time.monotonic()
        changes = self._commit(step, observation, totals, placed, quarantined, batches)
        self.seq, self.cursor, self.book, self.totals = step.seq, step.end, step.book, totals
        self._pending = []
        if any(mark.kind == "tick" for mark in marks):
            self._last_tick = now
        self.view.forget_closed(now - RECENT)
        ended = time.monotonic()
        self.rotation.worked({batch.model for batch in batches}, ended - started)
        self.pace = Pace(self.pace.turns + 1, step.seq, now)
        last = {batch.model: float(batch.recorded_at[-1]) for batch in batches if batch.n}
        self.told(Done(step, observation, changes, lines, len(quarantined), ended - started, ended - deciding, last))

    def _observe(self, step: Step, batches: list[Batch]) -> tuple[Step, Observation, list[QuarantineRow]]:
        try:
            return step, observe(self.bank, step, batches, self.books), []
        except Exception:
            log.exception("A step failed; the bank is rebuilt and the step tried again.", action="observe_failed")
        self._rebuild()
        poisoned = find_poison(self.bank, step, batches, self.books)
        offsets = sorted(p.offset for p in poisoned)
        if offsets:
            step = replace(step, marks=(*step.marks, Mark("quarantine", step.at, body={"offsets": offsets})))
        rows = [_quarantine_row(p) for p in poisoned]
        return step, observe(self.bank, step, batches, self.books), rows

    def offset_at(self, seq: int) -> int:
        """The offset up to which events were observed when step `seq` was committed; 0 if it is not recorded."""
        with self.database.read() as connection:
            found = steps_after(connection, self.partition, seq - 1, 1)
        return found[0].end if found and found[0].seq == seq else 0

    def _rebuild(self) -> None:
        """The bank as of the last commit: a failed `observe` may have left it half changed."""
        taken = Taken(self.epoch, self.seq, self.cursor, self.bank.at, self.book, self.view.desk_seq, self.totals)
        self.bank = restore(self.database, self.spool, self.snapshots, taken, self.partition, self.books).bank
        self.rotation = Rotation(self.snapshots, self.bank)

    def _commit(
        self,
        step: Step,
        observation: Observation,
        totals: dict[str, int],
        placed: list[int],
        quarantined: list[QuarantineRow],
        batches: list[Batch],
    ) -> Changes:
        """Decide and write. A person's change in between makes `decide` run again; detectors are not touched."""
        seen = _models_seen(self.bank, batches)
        while True:
            book = self.bank.book
            changes = decide(self.view, book, self.policy, observation, self.partition, step.seq, step.at)
            try:
                commit_step(self.database, step, changes, totals, self.view.desk_seq, placed, quarantined, seen)
            except Stale:
                self._reload_view()
            except LedgerUnavailable as problem:
                self.pace.waiting = "ledger"
                log.warning(str(problem), action="waiting_ledger")
                time.sleep(0.5)
            else:
                self.view.absorb(changes)
                return changes

    def _totals(self, events: int, quarantined: int, observation: Observation) -> dict[str, int]:
        add = {"observed": events - quarantined, "quarantined": quarantined, "findings": len(observation.findings)}
        return {**self.totals, **{name: self.totals.get(name, 0) + n for name, n in add.items()}}

    # -- the loop -----------------------------------------------------------------------------------------------

    def _next_tick(self) -> float:
        due = self._last_tick + TICK
        for (rule, model, _), state in self.view.rule_states.items():
            found = None if state.firing else self.bank.book.find(rule, model)
            if found is not None:
                ends = state.since + state.paused + found[1].for_
                due = min(due, ends) if ends > self._last_tick else due
        return due

    def run(self, stop: threading.Event, sleeper: Sleeper) -> None:
        """Turn until told to stop; then write snapshots, so that the next start replays little."""
        while not stop.is_set():
            began = time.monotonic()
            try:
                busy = self.turn()
            except LedgerUnavailable as problem:
                busy, self.pace.waiting = False, "ledger"
                log.warning(str(problem), action="waiting_ledger")
            self.rotation.turn()
            if busy:
                stop.wait(max(0.0, WINDOW - (time.monotonic() - began)))
            else:
                self.pace.turns += 1
                self.pace.waiting = self.pace.waiting or "events"
                sleeper.wait(min(1.0, max(0.01, self._next_tick() - self.clock.now())))
        self.rotation.all()


def _models_seen(bank: Bank, batches: list[Batch]) -> list[ModelSeen]:
    names = dict.fromkeys(batch.model for batch in batches)
    parts = [bank.models[name] for name in names if name in bank.models]
    return [
        ModelSeen(part.name, part.since, part.last_seen, part.events, tuple(part.versions), dict(part.columns.kinds))
        for part in parts
    ]


def _quarantine_row(poisoned: Poisoned) -> QuarantineRow:
    return QuarantineRow(poisoned.offset, poisoned.model, poisoned.event_id, poisoned.reason)
