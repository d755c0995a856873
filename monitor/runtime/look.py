"""Looking at a bank from outside the engine: rebuilt from snapshots and steps, as a restart would, and only read."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from monitor.core.rules.model import Book
from monitor.runtime.books import BookRefused, Shelf
from monitor.runtime.restore import restore
from monitor.spool import Spool, SpoolError, partition_of
from monitor.store.database import Database, LedgerUnavailable
from monitor.store.ledger import standing
from monitor.store.queries import get_fact
from monitor.store.snapshots import Snapshots

if TYPE_CHECKING:
    from pathlib import Path


class LookError(Exception):
    """It cannot be looked at; the text says why."""


def in_force(home: Path) -> Book | None:
    """The rule book of the daemon on this home, running or not; None where none ever ran. Raises LookError."""
    if not (home / "ledger.db").exists():
        return None
    try:
        with Database.open(home / "ledger.db", home / "run") as database:
            with database.read() as connection:
                digest = get_fact(connection, "book")
            return None if digest is None else Shelf(()).resolve(database, digest)
    except (LedgerUnavailable, KeyError, ValueError, BookRefused) as problem:
        raise LookError(f"The rules in force cannot be read from {home / 'ledger.db'}: {problem}") from problem


def look(home: Path, partitions: int, model: str) -> dict[str, Any]:
    """What each rule of a model remembers, by rule key; empty for a model no event of which has come."""
    if not (home / "ledger.db").exists():
        raise LookError(f"There is no ledger in {home}: set OVERLOOP_HOME or --home.")
    partition = partition_of(model, partitions)
    try:
        with Database.open(home / "ledger.db", home / "run") as database:
            with database.read() as connection:
                taken = standing(connection, partition)
            if taken is None:
                return {}
            spool = Spool.open(home / "spool", partitions, write=False)
            books = partial(Shelf(()).resolve, database)
            bank = restore(
                database, spool, Snapshots(home / "snapshots" / str(partition)), taken, partition, books
            ).bank
    except (LedgerUnavailable, SpoolError) as problem:
        raise LookError(str(problem)) from problem
    part = bank.models.get(model)
    return {} if part is None else {key: watcher.describe() for key, watcher in part.watchers.items()}
