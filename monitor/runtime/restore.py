"""Bringing a bank back: newest snapshots at or before the cursor, then the recorded steps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from monitor.core.bank import Bank
from monitor.core.rules.model import Book
from monitor.core.state import StateError
from monitor.core.step import Step, observe
from monitor.formats.decode import to_batches
from monitor.spool import Spool
from monitor.store.database import Database
from monitor.store.ledger import Taken, steps_after
from monitor.store.snapshots import Snapshots

INDEX = ""  # the name under which the bank's own part is kept among the snapshots of its models
CHUNK = 200  # steps read from the ledger at a time


@dataclass(slots=True)
class Restored:
    """The bank as of the last committed step, and in sentences what could not be brought back."""

    bank: Bank
    replayed: int = 0
    losses: list[str] = field(default_factory=list)


def restore(
    database: Database, spool: Spool, snapshots: Snapshots, taken: Taken, partition: int, books: Callable[[str], Book]
) -> Restored:
    """The bank of a partition as it was when the step `taken.seq` was committed."""
    result = Restored(Bank(partition, books(taken.book) if taken.book else Book((), "")))
    since = _load(result, snapshots, taken.seq, books)
    while True:
        with database.read() as connection:
            steps = steps_after(connection, partition, since, CHUNK)
        for step in steps:
            _replay(result, spool, step, books)
        if len(steps) < CHUNK:
            return result
        since = steps[-1].seq


def _load(result: Restored, snapshots: Snapshots, seq: int, books: Callable[[str], Book]) -> int:
    """Load the newest snapshots; answers the sequence number after which steps must be replayed."""
    bank = result.bank
    index = snapshots.newest(INDEX, seq)
    if index is None:
        bank.book = Book((), "")
        return 0
    names = bank.restore_index(index.state, books)
    oldest = index.seq
    for name in names:
        snapshot = snapshots.newest(name, seq)
        try:
            if snapshot is None:
                raise StateError("no readable snapshot is left")
            _, afresh = bank.restore(snapshot.state, books)
            oldest = min(oldest, snapshot.seq)
            result.losses += [f"Rule {key} on model {name} starts learning afresh." for key in afresh]
        except StateError as problem:
            oldest = 0
            result.losses.append(
                f"The snapshot of model {name} cannot be used ({problem}); it is rebuilt from the spool."
            )
    return oldest


def _replay(result: Restored, spool: Spool, step: Step, books: Callable[[str], Book]) -> None:
    records = spool.read_range(step.partition, step.first, step.end)
    if sum(record.count for record in records) < step.end - step.first:
        result.losses.append(
            f"Events {step.first} to {step.end - 1} are no longer in the spool, so what was learned from them is lost."
        )
    bank = result.bank
    seq, at = bank.seq, bank.at
    observe(bank, step, to_batches(records), books)
    bank.seq, bank.at = max(seq, step.seq), max(at, step.at)
    result.replayed += step.end - step.first
