"""What `overloop rules replay` does: recorded traffic through a rule book, and what would have come of it."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from monitor.cli.context import Exit, Shared, fail, say
from monitor.core.backtest import Backtest
from monitor.core.rules.model import Book
from monitor.core.times import rfc3339
from monitor.core.verdicts import Judged
from monitor.runtime import recorded
from monitor.runtime.backtest import Known, Progress, known, run
from monitor.runtime.backtest_report import Report, report
from monitor.runtime.books import BookRefused, Shelf
from monitor.settings.parts import model_options, parameters, rule_folders
from monitor.spool import Record, SpoolError
from monitor.store.database import Database, LedgerUnavailable

LATER = 60.0  # seconds after its last event in which an incident may open


@dataclass(frozen=True, slots=True)
class Asked:
    """Exactly one of `file` and `since` (seconds before now) is given. Without `folders` the rules of the settings."""

    file: Path | None
    since: float | None
    folders: list[Path] | None
    model: str | None


def replay(shared: Shared, asked: Asked) -> tuple[Book, Known, Report]:
    """Run it, and say meanwhile how far it has come. Ends the command if it cannot be done."""
    from monitor.formats.mapping import MappingError
    from monitor.formats.split import Unreadable

    book = book_of(shared, asked.folders)
    try:
        with progress() as told:
            return replayed(shared, asked, book, told)
    except (recorded.Unusable, MappingError, Unreadable) as problem:
        fail(str(problem), Exit.FAILED)
    except (SpoolError, LedgerUnavailable) as problem:
        fail(str(problem), Exit.UNREACHABLE)
    except OSError as problem:
        fail(f"{problem.filename or 'The file'} cannot be read: {problem.strerror or problem}.", Exit.FAILED)


def book_of(shared: Shared, folders: list[Path] | None) -> Book:
    """The rules on disk. Ends the command if they cannot be used."""
    settings = shared.settings()
    chosen = folders or rule_folders(settings)
    try:
        return Shelf(chosen, parameters(settings), model_options(settings), settings.partitions).load()[0]
    except BookRefused as refused:
        fail("\n".join(refused.lines), Exit.FAILED)


def replayed(shared: Shared, asked: Asked, book: Book, told: Callable[[Progress], None]) -> tuple[Book, Known, Report]:
    """Each partition by itself, as its engine sees it."""
    home, refused = shared.folder(), recorded.Refused()
    partitions = shared.settings().partitions if asked.file is None else 1
    since = float("-inf") if asked.since is None else time.time() - asked.since
    if asked.file is None and not (home / "spool").is_dir():
        fail(f"There is no spool in {home}: set OVERLOOP_HOME or --home, or give --from FILE.", Exit.UNREACHABLE)
    tests, done, facts = [], Progress(float("inf"), float("-inf")), Known()
    incidents: dict[str, Judged] = {}
    for partition in recorded.partitions_of(asked.model, partitions):
        if asked.file is None:
            records = recorded.of_spool(home, partitions, partition, since)
        else:
            from monitor.cli.events_files import Reading, Source

            lines = Source(asked.file, Reading(model=asked.model), asked.file.name, "replay-").lines()
            records = recorded.of_file(lines, asked.file.name, book, refused, asked.model)
        first = next(records, None)
        if first is None:
            continue
        start = first.recorded_at
        mine = _known(home, book, start, partition, asked.model, told_by_spool=asked.file is None)
        test = Backtest(book, mine.kinds, mine.given)
        one = run(test, _with(first, records), mine.marks, asked.model, told)
        tests.append(test)
        done.since, done.at = min(done.since, one.since), max(done.at, one.at)
        done.events, done.seconds = done.events + one.events, done.seconds + one.seconds
        facts.notes += mine.notes
        incidents |= {i.id: i for i in mine.incidents if i.at <= one.at + LATER}
    if refused.lines:
        say(f"{refused.lines:,} lines were left out; the first: {refused.first[0]}", err=True)
    if not done.events:
        what = "in the file" if asked.file is not None else f"recorded in {home} since {rfc3339(since)}"
        raise recorded.Unusable(f"There is no event{f' of {asked.model}' if asked.model else ''} {what}.")
    facts.incidents = list(incidents.values())
    return book, facts, report(book, tests, facts, done, asked.model)


def _known(home: Path, book: Book, since: float, partition: int, model: str | None, told_by_spool: bool) -> Known:
    """What the home knows, if there is one: what was done to its detectors only where its own traffic is replayed."""
    if not (home / "ledger.db").exists():
        return Known()
    with Database.open(home / "ledger.db", home / "run") as database:
        return known(database, book, since, time.time(), [partition] if told_by_spool else [], model)


def _with(first: Record, rest: Iterator[Record]) -> Iterator[Record]:
    yield first
    yield from rest


@contextmanager
def progress() -> Iterator[Callable[[Progress], None]]:
    """A line on standard error, how far it is and how fast: it moves on a terminal, else one comes a minute."""
    terminal, spoke = sys.stderr.isatty(), [0.0]

    def tell(done: Progress) -> None:
        line = (
            f"{rfc3339(float(int(done.at)))}: {done.events:,} events, {done.events / done.seconds:,.0f} a second, "
            f"{done.times_real:,.0f} times real time"
        )
        if terminal:
            print(f"\r{line}\033[K", end="", file=sys.stderr, flush=True)
        elif done.seconds >= spoke[0] + 60.0:
            spoke[0] = done.seconds
            print(line, file=sys.stderr, flush=True)

    try:
        yield tell
    finally:
        if terminal:
            print("\r\033[K", end="", file=sys.stderr, flush=True)
