"""What `overloop reference fit` does: read, fit here, show what came of it, and hand it to the daemon."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monitor.cli.context import Exit, Shared, fail, say
from monitor.core.rules.model import Book
from monitor.core.times import rfc3339
from monitor.runtime import recorded
from monitor.runtime.books import BookRefused, Shelf
from monitor.runtime.fitting import Outcome, fit
from monitor.settings.parts import model_options, parameters, rule_folders
from monitor.spool import Record, SpoolError
from monitor.store.database import Database, LedgerUnavailable
from monitor.store.queries import get_fact, models


@dataclass(frozen=True, slots=True)
class Asked:
    """What to fit, of what. Exactly one of `file` and `since` (seconds before now) is given."""

    model: str
    rule: str | None
    version: str | None
    file: Path | None
    since: float | None
    columns: Mapping[str, str]
    per_day: float | None


def fitted(shared: Shared, asked: Asked, folders: list[Path] | None) -> tuple[Book, Outcome, dict[str, Any]]:
    """The rules, what came of them, and for the record what it was made of. Ends the command if it cannot be done."""
    from monitor.formats.mapping import MappingError
    from monitor.formats.split import Unreadable

    book, kinds = _in_force(shared, folders, asked.model)
    refused = recorded.Refused()
    try:
        with progress() as told:
            records = _records(shared, asked, book, refused)
            outcome = fit(book, asked.model, records, kinds, asked.rule, asked.version, told)
    except (recorded.Unusable, MappingError, Unreadable) as problem:
        said = f" {refused.lines:,} lines were left out; the first: {refused.first[0]}" if refused.lines else ""
        fail(f"{problem}{said}", Exit.FAILED)
    except SpoolError as problem:
        fail(str(problem), Exit.UNREACHABLE)
    except OSError as problem:
        fail(f"{problem.filename or 'The file'} cannot be read: {problem.strerror or problem}.", Exit.FAILED)
    if refused.lines:
        say(f"{refused.lines:,} lines were left out; the first: {refused.first[0]}", err=True)
    source: dict[str, Any] = {"fitted": "file" if asked.file else "recorded traffic", "events": outcome.events}
    if asked.file is not None:
        source["file"] = asked.file.name
    if asked.per_day is None:
        source |= {"from": rfc3339(outcome.first), "to": rfc3339(outcome.last)}
    else:
        source["per_day"] = asked.per_day
    return book, outcome, source


def _records(shared: Shared, asked: Asked, book: Book, refused: recorded.Refused) -> Iterator[Record]:
    if asked.file is None:
        settings = shared.settings()
        since = time.time() - (asked.since or 0.0)
        (partition,) = recorded.partitions_of(asked.model, settings.partitions)
        return recorded.of_spool(shared.folder(), settings.partitions, partition, since)
    from monitor.cli.events_files import Reading, Source

    name = asked.file.name
    source = Source(asked.file, Reading(False, asked.model, asked.columns), name, f"{name}-")
    spacing = None if asked.per_day is None else 86_400.0 / asked.per_day
    records = recorded.of_file(source.lines(), name, book, refused, asked.model, spacing)
    return records if spacing is not None else recorded.sorted_by_time(records)


def _in_force(shared: Shared, folders: list[Path] | None, model: str) -> tuple[Book, dict[str, str]]:
    """The rules: those named, else those the daemon watches by, else those of the settings; and what columns are."""
    kinds: dict[str, str] = {}
    ledger = shared.folder() / "ledger.db"
    try:
        if ledger.exists():
            with Database.open(ledger, shared.folder() / "run") as database:
                with database.read() as connection:
                    kinds = next((m["columns"] for m in models(connection) if m["model"] == model), {})
                    digest = get_fact(connection, "book")
                if digest and not folders:
                    return Shelf(()).resolve(database, digest), kinds
        settings = shared.settings()
        chosen = folders or rule_folders(settings)
        return Shelf(chosen, parameters(settings), model_options(settings), settings.partitions).load()[0], kinds
    except BookRefused as refused:
        fail("\n".join(refused.lines), Exit.FAILED)
    except (LedgerUnavailable, OSError, KeyError) as problem:
        fail(f"The rules in force cannot be read: {problem}", Exit.UNREACHABLE)


@contextmanager
def progress() -> Iterator[Callable[[int], None]]:
    """A counter on a terminal, nothing elsewhere."""
    if not sys.stderr.isatty():
        yield lambda events: None
        return
    try:
        yield lambda events: print(f"\r{events:,} events", end="", file=sys.stderr, flush=True)
    finally:
        print("\r\033[K", end="", file=sys.stderr, flush=True)
