"""Starting: prepare the home, say what can be watched, bind the address, then run the children or one process."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import threading
from collections.abc import Callable
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

if TYPE_CHECKING:
    from monitor.app.engine import Engine

log = structlog.get_logger("start")


class StartError(Exception):
    """The daemon cannot start; the text is for the person who started it."""


def run(settings: Settings) -> int:
    """`overloop run`: returns its exit code. Raises StartError, HomeError, SchemaMismatch, SettingsError."""
    os.umask(0o077)  # events, tokens and the ledger are nobody else's, however the folder was made
    addresses(settings, os.environ)  # a receiver without an address is told now, not when it is needed
    home = make(settings.home)
    held = lock(home)
    os.set_inheritable(held, True)
    fill(home)
    book = take_book(home, settings)
    listener = bind(settings)
    (home.run / "url").write_text(_local_url(settings, listener) + "\n")
    (home.run / "engine.json").unlink(missing_ok=True)
    for sentence in (*remarks(settings), can_detect(book, home)):
        log.info(sentence, action="start")
    log.info(f"The console is at {settings.url}; sign in with `overloop login`.", action="start", home=str(home.path))
    if settings.single:
        return single(home, settings, listener)
    from monitor.app.parent import Parent

    return Parent(settings.to_json(), listener, held).run()


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


def take_book(home: Home, settings: Settings) -> Book:
    """Load the rules into the ledger. Bad rules keep the old book; on a fresh home they refuse the start."""
    shelf = Shelf(rule_folders(settings), parameters(settings), model_options(settings), settings.partitions)
    now = Clock(home.path).now()
    with home.database() as database:
        with database.read() as connection:
            known = queries.get_fact(connection, "book")
        try:
            book, source, odd = shelf.load()
        except BookRefused as refused:
            if known is None:
                raise StartError("The rules cannot be used:\n" + "\n".join(refused.lines)) from refused
            log.error("The rules cannot be used; the old ones stay in force.", action="book_refused", why=refused.lines)
            return shelf.resolve(database, known)
        for diagnostic in odd:
            log.warning(diagnostic.message, action="rule_remark", file=diagnostic.file, line=diagnostic.line)
        if book.digest != known:
            shelf.install(database, now, "machine", book, source)
    return book


def can_detect(book: Book, home: Home) -> str:
    """One sentence: what is watched now, and what would let the daemon see more."""
    live = [rule for pack in book.packs for rule in pack.rules if rule.stage == "live"]
    shadow = sum(len(pack.rules) for pack in book.packs) - len(live)
    learned = sum(isinstance(rule.form, Detect) for rule in live)
    silence = sum(isinstance(rule.form, Absent) for rule in live)
    limits = len(live) - learned - silence
    with home.database() as database, database.read() as connection:
        models = len(queries.models(connection))
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
    from monitor.app.front import FrontProcess

    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    front = FrontProcess(home, settings, listener)
    signal.signal(signal.SIGHUP, lambda *_: threading.Thread(target=front.reload).start())
    engine = Engine(home, settings)
    starting = threading.Thread(target=_start_engine, args=(engine, stop), name="engine")
    starting.start()
    try:
        asyncio.run(front.serve(stop, _beating()))
    finally:
        stop.set()
        starting.join()
        engine.stop()
        front.stop()
    return 0 if engine.failure is None else 1


def _start_engine(engine: Engine, stop: threading.Event) -> None:
    try:
        engine.start()
        engine.say(ready=True)
    except Exception as problem:
        engine.failure = f"{type(problem).__name__}: {problem}"
        log.exception("The engine did not start.", action="engine_failed")
        stop.set()
    while not stop.wait(1.0):
        engine.beat()
        if engine.failure is not None:
            stop.set()


def _beating() -> Callable[[str], None]:
    notifier = Notifier()

    def tell(word: str) -> None:
        if word == "ready":
            notifier.ready("watching")
        elif notifier.watchdog_interval is not None:
            notifier.watchdog()

    return tell
