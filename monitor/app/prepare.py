"""What stands before a daemon can run: ledger, token, keys, rules. Everything that can be refused is refused here."""

from __future__ import annotations

import structlog

from monitor.app.errors import StartError
from monitor.app.home import Home, HomeError, fill
from monitor.clock import Clock, ClockError
from monitor.core.rules.model import Absent, Book, Detect
from monitor.core.rules.wording import counted
from monitor.runtime.books import BookRefused, Shelf
from monitor.runtime.catchup import catch_up
from monitor.settings import Settings
from monitor.settings.parts import model_options, parameters, remarks, rule_folders
from monitor.spool import Spool, SpoolError
from monitor.store import queries
from monitor.store.database import Database
from monitor.store.errors import LedgerUnavailable
from monitor.store.ledger import partitions_taken
from monitor.store.schema import SchemaMismatch

log = structlog.get_logger("start")


def prepare(home: Home, settings: Settings) -> None:
    """Fill the home and put the rules in force; say what can be watched. Raises StartError."""
    try:
        _new_beside_old(home)
        fill(home)
        _spool(home, settings)
        book, models = take_book(home, settings)
    except (HomeError, SchemaMismatch, ClockError, LedgerUnavailable, SpoolError) as problem:
        raise StartError(str(problem)) from problem
    except OSError as problem:
        raise StartError(
            f"{problem.filename or home.path} cannot be used ({problem.strerror}): see what it is, its owner and its "
            "permissions, and the disk."
        ) from problem
    for sentence in (*remarks(settings), can_detect(book, models)):
        log.info(sentence, action="start")
    log.info(f"The console is at {settings.url}; sign in with `overloop login`.", action="start", home=str(home.path))


def _new_beside_old(home: Home) -> None:
    """A ledger that is made anew where there was a home: somebody has lost it, and should know."""
    if not home.ledger.exists() and any(home.spool.glob("*/*.db")):
        log.error(
            f"There is no ledger in {home.path}, and the spool holds events: a new one is made, without the incidents, "
            "the audit log and the tokens of the old one, and the events are observed again. If it was lost, stop the "
            "daemon and restore a backup.",
            action="ledger_lost",
        )


def _spool(home: Home, settings: Settings) -> None:
    """Refuse a spool that cannot be read, or of another number of partitions; go on behind one that is older than the
    ledger.
    """
    now = Clock(home.path).now()
    with home.database() as database:
        _partitions_as_before(home, settings, database)
        for sentence in catch_up(database, home.spool, settings.partitions, now):
            log.error(sentence, action="spool_older")


def _partitions_as_before(home: Home, settings: Settings, database: Database) -> None:
    """Refuse more partitions than a home with events was made with: models would move away from what is known of them.

    (The spool itself refuses fewer.)
    """
    with database.read() as connection:
        before = partitions_taken(connection)
    if not 0 < before < settings.partitions:
        return
    with Spool.open(home.spool, before, write=False) as spool:
        if not any(spool.end(partition) for partition in range(before)):
            return
    wanted = f"engines = {settings.engines}" if settings.partitions == settings.engines else "the setting"
    raise StartError(
        f"The events in {home.path} are in {counted(before, 'partition')}, and {wanted} asks for "
        f"{settings.partitions}: models would move to others, away from what was learned about them and from the ids "
        f"that are known. Start with partitions = {before} and at most as many engines, or begin a new home."
    )


def take_book(home: Home, settings: Settings) -> tuple[Book, int]:
    """Load the rules into the ledger. Bad rules keep the old book; on a fresh home they refuse the start.

    Answers the book in force and how many models are known.
    """
    shelf = Shelf(rule_folders(settings), parameters(settings), model_options(settings), settings.partitions)
    now = Clock(home.path).now()
    with home.database() as database:
        with database.read() as connection:
            known, models = queries.get_fact(connection, "book"), len(queries.models(connection))
        try:
            book, source, odd = shelf.load()
        except BookRefused as refused:
            if known is None:
                raise StartError("The rules cannot be used:\n" + "\n".join(refused.lines)) from refused
            log.error("The rules cannot be used; the old ones stay in force.", action="book_refused", why=refused.lines)
            return _old_book(shelf, database, known), models
        for diagnostic in odd:
            log.warning(diagnostic.message, action="rule_remark", file=diagnostic.file, line=diagnostic.line)
        if book.digest != known:
            shelf.install(database, now, "machine", book, source)
    return book, models


def _old_book(shelf: Shelf, database: Database, digest: str) -> Book:
    try:
        return shelf.resolve(database, digest)
    except (KeyError, ValueError, BookRefused) as problem:
        raise StartError(
            f"Neither the rules in the folders nor those that were in force can be used by this program:\n{problem}\n"
            "Mend the files, or give other folders with --rules."
        ) from problem


def can_detect(book: Book, models: int) -> str:
    """In words: what is watched now, and what would let the daemon see more."""
    live = [rule for pack in book.packs for rule in pack.rules if rule.stage == "live"]
    shadow = sum(len(pack.rules) for pack in book.packs) - len(live)
    learned = sum(isinstance(rule.form, Detect) for rule in live)
    silence = sum(isinstance(rule.form, Absent) for rule in live)
    limits = len(live) - learned - silence
    known = f"{models} model{'s are' if models != 1 else ' is'} known" if models else "No model is known yet"
    return (
        f"{known}; {counted(len(live), 'live rule')} in force, each for the models that its pack matches ({limits} "
        f"with limits, {learned} with detectors, {silence} for silence), and {shadow} more in shadow. To detect more "
        "the daemon needs events (POST /v1/events), their truth (POST /v1/truth), and rules for your model (--rules)."
    )
