"""The pump: records in, one committed step out. It owns the bank of its partition; nobody else touches it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Protocol

import structlog

from monitor.core.bank import Owns
from monitor.core.changes import Changes
from monitor.core.decide import decide
from monitor.core.notices.model import Policy
from monitor.core.rules.model import Book
from monitor.core.step import Step, mark_from_json, observe
from monitor.core.view import View
from monitor.core.watcher import Mark
from monitor.formats.typed import Shapes
from monitor.killpoints import point
from monitor.runtime.holes import crossing, refuse_older, until_hole
from monitor.runtime.marks import NAMED, behind, gap, losses_of, room_left
from monitor.runtime.pace import AGAIN, RESTARTED, UNWATCHED, Appetite, Done, Holding, Pace, Ticks, boottime
from monitor.runtime.poison import decode, find_poison, quarantining
from monitor.runtime.restore import Restored, restore
from monitor.runtime.rotation import Rotation
from monitor.runtime.seats import Seats
from monitor.runtime.seen import Seen
from monitor.spool import Record, Spool, SpoolError
from monitor.store.database import Database, LedgerUnavailable
from monitor.store.ledger import (
    Stale,
    Taken,
    commit_step,
    load_view,
    standing,
    take_partition,
    wanted_marks,
)
from monitor.store.ledger import desk_seq as read_desk_seq
from monitor.store.queries import get_fact
from monitor.store.snapshots import Snapshots

log = structlog.get_logger("pump")

WINDOW = 0.05  # seconds events gather before the next step, unless it is behind; the setting `batch_window`
POLL = 2.0  # seconds between looks at the spool when nobody wakes the pump
ROOM = 1 << 30  # bytes the bank may hold before it takes no more models
RECENT = 86_400.0  # closed incidents the machine may still reopen are kept in view this long

WEIGH = 5.0  # seconds between two looks at the memory of the bank


class Clock(Protocol):
    def now(self) -> float: ...


class Sleeper(Protocol):
    def wait(self, timeout: float) -> bool: ...


class Stopped(Exception):  # noqa: N818 (what happened, not that it is an error)
    """The pump was told to stop while it waited for the ledger: the step at hand is not committed."""


class Pump:
    """Observe, decide, commit, for one partition. `turn` does one step; `run` does them until `stop` is set.

    Made as the one who has the partition: whoever had it is fenced off, and the bank is brought back. Raises
    LedgerUnavailable or SpoolError if it cannot be. `progress` is called while that goes on; `told` after every
    commit, `saved` after every turn of writing snapshots, with the seconds it took.
    """

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
        *,
        owns: Owns = lambda model: True,
        stop: threading.Event | None = None,
        room: int = ROOM,
        window: float = WINDOW,
        progress: Callable[[], None] = lambda: None,
        saved: Callable[[float], None] = lambda seconds: None,
    ) -> None:
        self._weighed = float("-inf")  # when the bank's memory was last added up
        self.database, self.spool, self.snapshots = database, spool, snapshots
        self.clock, self.books, self.policy, self.partition = clock, books, policy, partition
        self.told, self.owns, self.progress, self.saved = told, owns, progress, saved
        self.stop, self.room, self.window = stop or threading.Event(), room, window
        self.pace, self.ticks, self.appetite = Pace(), Ticks(), Appetite()
        self._broken = False  # a failed `observe` left the bank half changed
        self._seats = Seats()
        self._shapes = Shapes()  # what lines looked like
        self._wary = False  # the step at hand failed before: its events are tried first
        self._take()

    # -- start --------------------------------------------------------------------------------------------------

    def _take(self) -> None:
        with self.database.read() as connection:
            known = standing(connection, self.partition)
        refuse_older(self.spool, self.partition, 0 if known is None else known.cursor)
        taken = take_partition(self.database, self.partition, self.clock.now())
        self.epoch, self.seq, self.cursor, self.book = taken.epoch, taken.seq, taken.cursor, taken.book
        self.totals = dict(taken.totals)
        self.snapshots.forget_after(taken.seq)
        restored = self._restore(taken)
        now = self.clock.now()
        self._pending: list[Mark] = []
        if taken.seq and (now - taken.at > RESTARTED or restored.losses):
            self._pending.append(gap(taken.at, now, restored.losses))
        self._marks_as_of: int | None = None  # the desk's writes up to which wanted marks were read; None: read again
        self._reload_view()
        if (book := self._unasked(taken.book)) is not None:
            self._pending.append(Mark("book", now, body={"digest": book}))
        self.losses = tuple(restored.losses[:NAMED])
        log.info(
            "The engine continues where it stopped.",
            action="restored",
            partition=self.partition,
            seq=taken.seq,
            cursor=taken.cursor,
            replayed=restored.replayed,
            seconds=round(restored.seconds, 3),
        )

    def _unasked(self, known: str) -> str | None:
        """The book in force, where nobody asked this partition to change over: it was added later than the book."""
        with self.database.read() as connection:
            book = get_fact(connection, "book")
            asked = any(mark["kind"] == "book" for _, mark in wanted_marks(connection, self.partition))
        return None if asked or book == known else book

    def _restore(self, taken: Taken) -> Restored:
        """The bank as of the last commit."""
        restored = restore(
            self.database, self.spool, self.snapshots, taken, self.partition, self.books, self.owns, self._works
        )
        for sentence in (*restored.remarks, *restored.losses):
            log.warning(sentence, action="restore_loss", partition=self.partition)
        self.bank = restored.bank
        self.rotation = Rotation(self.snapshots, self.bank, restored.seconds, self.saved)
        return restored

    def _works(self) -> None:
        """Something long goes on, and gets on."""
        self.pace.waits("replay")
        self.progress()

    def _reload_view(self) -> None:
        with self.database.read() as connection:
            self.view: View = load_view(connection, self.partition, self.clock.now(), self.owns)
        self.ticks.learn(self.view.rule_states, self.bank.book)

    # -- one step -----------------------------------------------------------------------------------------------

    def turn(self, limit: int | None = None) -> bool:
        """Do one step, of about `limit` events at most, if there is anything to do.

        Raises Fenced when another engine took the partition, Stopped, SpoolError and LedgerUnavailable. After the
        first two the bank is ahead of the ledger for good; the others may be tried again.
        """
        if self._broken:
            self._restore(self._standing())
            self._broken = False
        with self.database.read() as connection:
            desk_seq = read_desk_seq(connection, self.partition)
            wanted = wanted_marks(connection, self.partition) if desk_seq != self._marks_as_of else []
        if desk_seq != self.view.desk_seq:
            self._reload_view()
        records = until_hole(self.cursor, self.spool.read(self.partition, self.cursor, limit or self.appetite.events))
        now = max(self.clock.now(), self.bank.at)  # read after the records: none of them is younger
        marks = [*self._pending, *(replace(mark_from_json(mark), at=now) for _, mark in wanted)]
        marks += self._timely(now, records, limit or self.appetite.events)
        self._marks_as_of = desk_seq
        if not records and not marks:
            return False
        began = time.monotonic()
        seen = self._observe(now, marks, records)
        if seen is None:
            return self.turn(limit)
        self._commit(seen, [id_ for id_, _ in wanted], began)
        return True

    def _timely(self, now: float, records: list[Record], limit: int) -> list[Mark]:
        """Marks that the pump places by itself."""
        counted = self.totals.get("observed", 0) + self.totals.get("quarantined", 0)
        lost = crossing(self.spool, self.partition, self.cursor, records, counted, now)
        marks = [] if lost is None else [lost]
        marks += behind(now, records, limit, partial(self.spool.end, self.partition))
        if self.seq and now - self.bank.at > UNWATCHED and not self._pending:
            marks.append(gap(self.bank.at, now))
        if self.ticks.due(self.bank.at, now):
            marks += [Mark("tick", now), *room_left(now, self.bank, self.room), *self._seats.change(now, self.bank)]
        return marks

    def _observe(self, now: float, marks: list[Mark], records: list[Record]) -> Seen | None:
        """What the step brings; None if it failed and is to be tried again, warily. Fails for good the second time."""
        holes = [mark.body["lost"]["end"] for mark in marks if mark.body and "lost" in mark.body]
        end = records[-1].end if records else max(holes, default=self.cursor)
        book = next((m.body["digest"] for m in reversed(marks) if m.kind == "book" and m.body), self.book)
        step = Step(self.partition, self.seq + 1, self.epoch, self.cursor, end, now, book, tuple(marks))
        lines = sum(record.count for record in records if record.kind == "events")
        began = time.monotonic()
        batches, poisoned = decode(records, shapes=self._shapes)
        if self._wary:
            poisoned += find_poison(self.bank, step, batches, self.books, self._works)
        step = quarantining(step, poisoned)
        try:
            point("before observe")
            observation = observe(self.bank, step, batches, self.books)
            point("after observe")
        except MemoryError:
            raise
        except Exception:
            log.exception("A step failed; the bank is brought back and the step tried again.", action="observe_failed")
            if self._wary:
                raise
            self._broken = self._wary = True
            self._marks_as_of = None
            return None
        self._wary = False
        seconds = time.monotonic() - began
        self.rotation.worked(seconds)
        self.appetite.learn(end - step.first, seconds)
        return Seen(step, batches, observation, poisoned, lines)

    def _standing(self) -> Taken:
        return Taken(self.epoch, self.seq, self.cursor, self.bank.at, self.book, self.view.desk_seq, self.totals)

    # -- commit -------------------------------------------------------------------------------------------------

    def _commit(self, seen: Seen, placed: list[int], began: float) -> None:
        step, totals, deciding = seen.step, seen.totals(self.totals), time.monotonic()
        changes = self._write(seen, totals, placed)
        ended = time.monotonic()
        self.seq, self.cursor, self.book, self.totals, self._pending = step.seq, step.end, step.book, totals, []
        self._tell_losses(step)
        self.view.absorb(changes)
        self.view.forget_closed(step.at - RECENT)
        if changes.wanted:
            self._marks_as_of = None  # they are for the next step
        kinds = {mark.kind for mark in step.marks}
        if changes.rule_states or "book" in kinds:
            self.ticks.learn(self.view.rule_states, self.bank.book)
        for mark in step.marks:
            if mark.kind == "retire" and mark.model is not None and mark.model not in self.bank.models:
                self.rotation.forget(mark.model)
        self.told(
            Done(
                step,
                seen.observation,
                changes,
                seen.events,
                len(seen.poisoned),
                ended - began,
                ended - deciding,
                seen.last_events(),
                self._holding(ended),
            )
        )

    def _tell_losses(self, step: Step) -> None:
        """What was found to be lost since the start; the log had the rest while the bank was brought back."""
        new = [sentence for sentence in losses_of(step.marks) if sentence not in self.losses]
        self.losses = (*self.losses, *new)[-NAMED:]
        for sentence in new:
            log.error(sentence, action="events_lost", partition=self.partition, seq=step.seq)

    def _write(self, seen: Seen, totals: dict[str, int], placed: list[int]) -> Changes:
        """Decide and write. A person's change in between makes `decide` run again; detectors are not touched."""
        step, rows, models, noted = seen.step, seen.quarantine(), seen.models(self.bank), seen.entries(self.bank)
        stale = False
        while True:
            try:
                if stale:
                    self._reload_view()
                stale = False
                changes = decide(
                    self.view, self.bank.book, self.policy, seen.observation, self.partition, step.seq, step.at
                )
                changes.entries += noted
                changes.learned += seen.observation.learned
                commit_step(self.database, step, changes, totals, self.view.desk_seq, placed, rows, models)
            except Stale:
                stale = True
            except LedgerUnavailable as problem:
                self._wait("ledger", problem)
            else:
                return changes

    def _holding(self, at: float) -> Holding | None:
        """What the bank holds; adding it up is not for every step."""
        if at - self._weighed < WEIGH:
            return None
        bank, self._weighed = self.bank, at
        return Holding(bank.memory(), self.room, len(bank.models), bank.failures(), bank.unwatched)

    def _wait(self, for_: str, problem: Exception) -> None:
        """A moment of a named wait. Raises Stopped."""
        if self.pace.waits(for_):
            log.warning(str(problem), action=f"waiting_{for_}", partition=self.partition)
        if self.stop.wait(AGAIN):
            raise Stopped

    # -- the loop -----------------------------------------------------------------------------------------------

    def run(self, sleeper: Sleeper) -> None:
        """Turn until told to stop; then write snapshots, so that the next start replays little."""
        try:
            while not self.stop.is_set():
                self._cycle(sleeper)
        except Stopped:
            return  # the bank may be ahead of the ledger: nothing of it is kept
        self.rotation.all()

    def _cycle(self, sleeper: Sleeper) -> None:
        began, boot = time.monotonic(), boottime()
        try:
            busy = self.turn()
        except LedgerUnavailable as problem:
            return self._wait("ledger", problem)
        except SpoolError as problem:
            return self._wait("spool", problem)
        self.pace.turned(boot, "" if busy else "events")
        self.rotation.turn()
        if busy and self.appetite.behind:
            return None  # what is waiting has waited long enough
        if busy:
            self.stop.wait(max(0.0, self.window - (time.monotonic() - began)))
        else:
            sleeper.wait(min(POLL, max(0.01, self.ticks.next(self.bank.at) - self.clock.now())))
        return None
