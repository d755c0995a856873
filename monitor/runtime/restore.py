"""Bringing a bank back: newest snapshots at or before the cursor, then the recorded steps."""

from __future__ import annotations

import contextlib
import gc
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from monitor.core.bank import Bank, Owns
from monitor.core.rules.model import Book
from monitor.core.state import StateError
from monitor.core.step import Step, observe
from monitor.formats.typed import Shapes
from monitor.runtime.books import EMPTY, BookRefused
from monitor.runtime.holes import lost_lines
from monitor.runtime.marks import losses_of
from monitor.runtime.poison import decode, find_poison, left_out, quarantining
from monitor.spool import Spool
from monitor.store.database import Database
from monitor.store.ledger import Taken, steps_after
from monitor.store.snapshots import Snapshots

INDEX = ""  # the name under which the bank's own part is kept among the snapshots of its models
CHUNK = 200  # steps read from the ledger at a time
Books = Callable[[str], Book]


@dataclass(slots=True)
class Restored:
    """The bank as of the last committed step, and in sentences what could not be brought back.

    `replayed` counts lines observed again, which took `seconds`; `remarks` say what was rebuilt without loss.
    """

    bank: Bank
    replayed: int = 0
    seconds: float = 0.0
    losses: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


def restore(
    database: Database,
    spool: Spool,
    snapshots: Snapshots,
    taken: Taken,
    partition: int,
    books: Books,
    owns: Owns = lambda model: True,
    progress: Callable[[], None] = lambda: None,
) -> Restored:
    """The bank of a partition as it was when the step `taken.seq` was committed.

    `progress` is called after each step that is run again. Raises SpoolError, LedgerUnavailable. A step that cannot
    be run again although it once could (by an older program) is tried without the events that make it fail.
    """
    suspects: set[int] = set()
    while True:
        replay = _Replay(database, spool, snapshots, taken, partition, books, owns, progress, suspects)
        try:
            return replay.run()
        except _StepFailed as failed:
            if failed.seq in suspects:
                raise
            suspects.add(failed.seq)


class _StepFailed(RuntimeError):  # noqa: N818
    def __init__(self, seq: int) -> None:
        super().__init__(f"Step {seq} cannot be run again.")
        self.seq = seq


class _Replay:
    def __init__(
        self,
        database: Database,
        spool: Spool,
        snapshots: Snapshots,
        taken: Taken,
        partition: int,
        books: Books,
        owns: Owns,
        progress: Callable[[], None],
        suspects: set[int],
    ) -> None:
        self.database, self.spool, self.snapshots, self.taken = database, spool, snapshots, taken
        self.partition, self.progress, self.suspects = partition, progress, suspects
        self.result = Restored(Bank(partition, EMPTY, owns=owns))
        self.books = self._tolerant(books)
        self._told: set[str] = set()  # losses that earlier starts have found and recorded
        self._shapes = Shapes()
        self._gone: list[tuple[int, int]] = []  # ranges of offsets that the spool no longer has

    def run(self) -> Restored:
        began, result = time.monotonic(), self.result
        with self.snapshots.listed(), _uncollected():
            since = self._load()
        while True:
            with self.database.read() as connection:
                steps = [s for s in steps_after(connection, self.partition, since, CHUNK) if s.seq <= self.taken.seq]
            if steps and steps[0].seq > since + 1:
                result.losses.append(
                    f"Steps {since + 1} to {steps[0].seq - 1} are no longer recorded, so what was learned in them is "
                    "lost."
                )
            for step in steps:
                self._step(step)
                self.progress()
            if len(steps) < CHUNK:
                break
            since = steps[-1].seq
        if self._gone:
            lines = sum(end - first for first, end in self._gone)
            result.losses.append(
                f"{lines:,} events from offset {self._gone[0][0]} to {self._gone[-1][1] - 1} are no longer in the "
                "spool, so what was learned from them is lost."
            )
        told = [sentence for sentence in result.losses if sentence in self._told]
        result.losses = [sentence for sentence in result.losses if sentence not in self._told]
        result.remarks += told  # an earlier start has said so, and a step has recorded it
        result.seconds = time.monotonic() - began
        return result

    # -- snapshots ----------------------------------------------------------------------------------------------

    def _load(self) -> int:
        """Load the newest snapshots; answers the step after which steps must be run again."""
        bank, seq = self.result.bank, self.taken.seq
        index = self.snapshots.newest(INDEX, seq)
        try:
            models = {} if index is None else bank.restore_index(index.state, self.books)
        except StateError as problem:
            self.result.remarks.append(f"The index of snapshots cannot be used ({problem}).")
            index, models = None, {}
        if index is None:
            bank.book, bank.at, bank.seq = EMPTY, 0.0, 0
            return 0
        return min([index.seq, *(self._load_model(name, born) for name, born in models.items())])

    def _load_model(self, name: str, born: int) -> int:
        """The step as of which the model's part is there; before its first one if it must be made again."""
        snapshot = self.snapshots.newest(name, self.taken.seq)
        why = "there is none that can be read"
        if snapshot is not None and snapshot.seq >= born:  # else it is of a model of that name that was retired
            try:
                afresh = self.result.bank.restore(snapshot.state, snapshot.seq, born, self.books)
            except StateError as problem:
                why = str(problem)
            else:
                self.result.losses += [f"Rule {key} on model {name} starts learning afresh." for key in afresh]
                return snapshot.seq
        self.result.bank.lost[name] = born
        self.result.remarks.append(f"No snapshot of model {name} can be used ({why}); it is rebuilt from the spool.")
        return born - 1

    # -- steps --------------------------------------------------------------------------------------------------

    def _step(self, step: Step) -> None:
        records = self.spool.read_range(step.partition, step.first, step.end)
        here = sum(record.count for record in records)
        self._told.update(losses_of(step.marks))
        if here < step.end - step.first - lost_lines(step.marks):
            self._gone.append((step.first, step.end))
        batches, unreadable = decode(records, left_out(step), self._shapes)
        bad = unreadable
        if step.seq in self.suspects:
            bad = [*unreadable, *find_poison(self.result.bank, step, batches, self.books, self.progress)]
        if bad:
            step = quarantining(step, bad)
            self.result.losses.append(
                f"{len(bad):,} events of step {step.seq} that were observed once cannot be observed by this program "
                f"({bad[0].reason}), so what was learned from them is lost."
            )
        try:
            observe(self.result.bank, step, batches, self.books)
        except MemoryError:
            raise
        except Exception as problem:
            raise _StepFailed(step.seq) from problem
        self.result.replayed += here

    def _tolerant(self, books: Books) -> Books:
        """Old books may be beyond this program: the one in force stands in for them, or at worst the empty one."""
        found: dict[str, Book] = {"": EMPTY}

        def resolve(digest: str) -> Book:
            if digest in found:
                return found[digest]
            try:
                found[digest] = books(digest)
            except (KeyError, ValueError, BookRefused) as problem:
                self.result.losses.append(
                    f"The rule book {digest[:12]} can no longer be read ({_first_line(problem)}); the one in force "
                    "stands in for it, and rules that differ start learning afresh."
                )
                found[digest] = resolve(self.taken.book) if digest != self.taken.book else EMPTY
            return found[digest]

        return resolve


@contextlib.contextmanager
def _uncollected() -> Iterator[None]:
    """Much is made and nothing thrown away: looking for garbage meanwhile takes a third of the time."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def _first_line(problem: Exception) -> str:
    return next(iter(str(problem).splitlines()), type(problem).__name__)
