"""Starting: prepare the home, say what can be watched, bind the address, then run the children or one process."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from monitor.app.home import Home, fill, lock, make
from monitor.clock import Clock
from monitor.core.rules.model import Absent, Book, Detect
from monitor.notify_socket import Notifier
from monitor.runtime.books import BookRefused, Shelf
from monitor.settings import Settings
from monitor.settings.parts import model_options, parameters, remarks, rule_folders
from monitor.settings.secrets import addresses
from monitor.store import queries
from monitor.store.database import Database

if TYPE_CHECKING:
    from monitor.app.engine import Engine

log = structlog.get_logger("start")

BEAT = 1.0  # seconds between looks at the engine, in one process
SILENT = 30.0  # seconds without a turn of the front's loop after which nobody says that all is well
EXTEND = 60.0  # seconds more that systemd is asked for while the start goes on


class StartError(Exception):
    """The daemon cannot start; the text is for the person who started it."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A home that is locked, filled and has its rules, and a socket that listens."""

    home: Home
    lock: int
    listener: socket.socket


def run(settings: Settings) -> int:
    """`overloop run`: returns its exit code. Raises StartError, HomeError, SchemaMismatch, SettingsError."""
    ready = prepare(settings)
    if settings.single:
        return single(ready.home, settings, ready.listener)
    from monitor.app.parent import Parent

    return Parent(settings.to_json(), ready.listener, ready.lock).run()


def prepare(settings: Settings) -> Prepared:
    """Everything that can be refused is refused here. Raises as `run` does."""
    addresses(settings, os.environ)  # a receiver without an address is told now, not when it is needed
    home = make(settings.home)
    held = lock(home)
    os.set_inheritable(held, True)
    listener = bind(settings)
    try:
        fill(home)
        book, models = take_book(home, settings)
    except BaseException:
        listener.close()
        os.close(held)
        raise
    (home.run / "url").write_text(_local_url(settings, listener) + "\n")
    (home.run / "engine.json").unlink(missing_ok=True)
    for sentence in (*remarks(settings), can_detect(book, models)):
        log.info(sentence, action="start")
    log.info(f"The console is at {settings.url}; sign in with `overloop login`.", action="start", home=str(home.path))
    return Prepared(home, held, listener)


def bind(settings: Settings) -> socket.socket:
    """The listening socket. Bound before anything else starts, and kept while a front is replaced."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
        listener.listen(4096)
    except OSError as problem:
        listener.close()
        raise StartError(
            f"The daemon cannot listen on {settings.listen} ({problem.strerror}): stop what listens there, "
            "or give another address with --listen."
        ) from problem
    listener.set_inheritable(True)
    return listener


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
    except (KeyError, BookRefused) as problem:
        raise StartError(
            f"Neither the rules in the folders nor those that were in force can be used by this program:\n{problem}\n"
            "Mend the files, or give other folders with --rules."
        ) from problem


def can_detect(book: Book, models: int) -> str:
    """One sentence: what is watched now, and what would let the daemon see more."""
    live = [rule for pack in book.packs for rule in pack.rules if rule.stage == "live"]
    shadow = sum(len(pack.rules) for pack in book.packs) - len(live)
    learned = sum(isinstance(rule.form, Detect) for rule in live)
    silence = sum(isinstance(rule.form, Absent) for rule in live)
    limits = len(live) - learned - silence
    known = f"{models} model{'s are' if models != 1 else ' is'} known" if models else "No model is known yet"
    return (
        f"{known}; {len(live)} live rules watch each model that their pack matches ({limits} limits, {learned} learned "
        f"normals, {silence} for silence) and {shadow} more take notes in shadow, and to detect more the daemon needs "
        "events (POST /v1/events), their truth (POST /v1/truth), and rules for your model (--rules)."
    )


def _local_url(settings: Settings, listener: socket.socket) -> str:
    """Where commands on this machine find the daemon."""
    host = "127.0.0.1" if settings.host in ("0.0.0.0", "") else settings.host  # noqa: S104
    shown = f"[{host}]" if ":" in host else host
    return f"{'https' if settings.tls_cert else 'http'}://{shown}:{listener.getsockname()[1]}"


def single(home: Home, settings: Settings, listener: socket.socket) -> int:
    """Everything in one process: for tests, small machines and embedding."""
    from monitor.app.engine import Engine
    from monitor.app.front import FrontProcess, serve

    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    front = FrontProcess(home, settings, listener)
    engine = Engine(home, settings)
    supervisor = Supervisor(engine, stop)
    watching = threading.Thread(target=supervisor.run, name="engine")
    watching.start()
    try:
        serve(front, stop, supervisor.front_says)
    finally:
        stop.set()
        watching.join()
    if engine.failure is not None:
        log.error(engine.failure, action="engine_stops")
    return 0 if engine.failure is None else 1


class Supervisor:
    """What the parent is to two processes: speaks for front and engine when both are well."""

    def __init__(self, engine: Engine, stop: threading.Event) -> None:
        self.engine, self.stop, self.notifier = engine, stop, Notifier()
        self.front_ready = threading.Event()
        self._announced = False
        self._front_at = float("-inf")  # when the front last turned its loop

    def front_says(self, word: str) -> None:
        """Called in the front's event loop."""
        self._front_at = time.monotonic()
        if word == "ready":
            self.front_ready.set()

    def run(self) -> None:
        """In a thread of its own: start the engine, and stop everything when it fails."""
        try:
            self.engine.start()
            while not self.stop.wait(BEAT) and self.engine.failure is None:
                self._speak(self.engine.beat())
        except Exception as problem:
            self.engine.failure = f"The engine failed with {type(problem).__name__}."
            log.exception("The engine failed.", action="engine_failed")
        self.stop.set()
        self.notifier.stopping()
        self.engine.stop()

    def _speak(self, moved: bool) -> None:
        if self.engine.ready and self.front_ready.is_set() and not self._announced:
            self._announced = True
            self.notifier.ready("watching")
        if moved and self._announced and time.monotonic() - self._front_at < SILENT:
            self.notifier.watchdog()
        elif moved and not self._announced:
            self.notifier.extend_timeout(EXTEND)
