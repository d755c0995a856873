"""The front process: HTTP, intake and pages. It never loads River."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import resource
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import structlog
import uvicorn

from monitor.app import word
from monitor.app.home import Home, secret_key
from monitor.clock import Clock
from monitor.formats.secrets import Secrets
from monitor.runtime.books import BookRefused, Shelf
from monitor.runtime.catchup import catch_up
from monitor.runtime.desk import Desk
from monitor.settings import Settings
from monitor.settings.parts import model_options, parameters, rule_folders, spool_options
from monitor.settings.secrets import hook_keys
from monitor.settings.telling import policy
from monitor.spool import Spool, partition_of
from monitor.store import queries
from monitor.store.database import LedgerUnavailable
from monitor.store.ledger import standing
from monitor.telemetry.front import FrontMetrics
from monitor.telemetry.share import read_all
from monitor.wake import Waker
from monitor.web.api.machines import account
from monitor.web.app import create_app
from monitor.web.auth import Doorkeeper, allowed_hosts
from monitor.web.connection import Connection, Heads
from monitor.web.front import Front
from monitor.web.gate_hub import GateHub
from monitor.web.ingest import Intake
from monitor.web.intake_body import Caps
from monitor.web.problems import Problem

if TYPE_CHECKING:
    from monitor.app.child import Line

log = structlog.get_logger("front")

SOCKETS = 65_536
PULSE = 0.5  # seconds between looks at whether to stop
BEAT = 2.0  # seconds between words to the parent
FRESH = 1.0  # seconds the numbers behind /metrics may be old


class Server(uvicorn.Server):
    """Leaves signals alone: they are the process's own affair. `pulse` is called twice a second; True ends it."""

    def __init__(self, config: uvicorn.Config, pulse: Callable[[], bool]) -> None:
        super().__init__(config)
        self.pulse = pulse

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def main_loop(self) -> None:
        """As the library's, with a fifth of its wake-ups."""
        while not (self.pulse() or await self.on_tick(0)):  # 0: renews the date that answers carry
            await asyncio.sleep(PULSE)


class FrontProcess:
    """Everything the front owns. `serve` runs until `stop` is set."""

    def __init__(self, home: Home, settings: Settings, listener: socket.socket) -> None:
        self.home, self.settings, self.listener = home, settings, listener
        self.clock = Clock(home.path)
        self.database = home.database()
        for sentence in catch_up(self.database, home.spool, settings.partitions, self.clock.now()):
            log.error(sentence, action="spool_older")
        self.spool = Spool.open(home.spool, settings.partitions, spool_options(settings))
        self.shelf = Shelf(rule_folders(settings), parameters(settings), model_options(settings), settings.partitions)
        self._take_book()
        self.doorkeeper = Doorkeeper(self.database, self.clock.now)
        pumps = [Waker(home.run / f"pump-{partition}.sock") for partition in range(settings.partitions)]
        others = [Waker(home.run / name) for name in ("courier.sock", "desk.sock")]
        self._wanted, self._reloading = threading.Lock(), threading.Lock()
        self._numbers = _Fresh(self._accounting)
        numbers = [word.numbers_of(home.run, number) for number in range(settings.engines)]
        self.metrics = FrontMetrics(self._numbers, partial(read_all, numbers))
        self.intake = Intake(
            self.spool,
            self._secrets(),
            now=self.clock.now,
            authorise=self._authorise,
            wake=partial(_wake, pumps),
            partitions=settings.partitions,
            caps=Caps(body_bytes=settings.spool.max_body_mb << 20, waiting_events=settings.spool.max_waiting_events),
            observed=self._observed,
            told=self._count,
        )
        self.desk = Desk(
            self.database,
            self.clock,
            policy(settings),
            lambda: self.shelf.current,
            settings.url,
            partition_of=lambda model: partition_of(model, settings.partitions),
            told=partial(self._told, [*pumps, *others]),
            partitions=settings.partitions,
        )
        self.hub = GateHub(self.database, lambda: self.shelf.current, settings.gates_file)
        self.front = Front(
            home=home.path,
            database=self.database,
            spool=self.spool,
            intake=self.intake,
            desk=self.desk,
            shelf=self.shelf,
            doorkeeper=self.doorkeeper,
            now=self.clock.now,
            metrics=self._exposition,
            engine=self.engine,
            partitions=settings.partitions,
            public_url=settings.url,
            changed=self._book_changed,
            secrets=self._secrets,
            hub=self.hub,
            counts=self.metrics,
            link_key=secret_key(home),
            hooks=hook_keys(settings, os.environ),
        )
        self.app = create_app(self.front, allowed_hosts(settings.listen, settings.public_url))

    def _take_book(self) -> None:
        """The book the ledger says is in force; the parent has put it there before starting us."""
        with self.database.read() as connection:
            digest = queries.get_fact(connection, "book")
        if digest is not None:
            self.shelf.current = self.shelf.resolve(self.database, digest)

    def _secrets(self) -> Secrets:
        with self.database.read() as connection:
            known = queries.models(connection, retired=True)
        said = {m["model"]: {path: k for path, k in m["columns"].items() if k == "secret"} for m in known}

        def kinds(model: str) -> Mapping[str, str]:
            packs = [pack for pack in self.shelf.current.packs if pack.watches(model)]
            of_book = {path: s.kind for pack in packs for path, s in pack.columns.items() if s.kind is not None}
            return {**of_book, **said.get(model, {})}

        return Secrets(secret_key(self.home), kinds)

    def _observed(self, partition: int) -> int:
        """Up to which offset the engine has observed."""
        with self.database.read() as connection:
            taken = standing(connection, partition)
        return 0 if taken is None else taken.cursor

    def _count(self, kind: str, source: str, received: int, rejected: int) -> None:
        if kind == "events":
            self.metrics.received(source, received)
            if rejected:
                self.metrics.invalid("rejected", rejected)

    def _exposition(self, accept: str) -> tuple[bytes, str]:
        self.metrics.queue(self.intake.pending_posts, self.intake.caps.pending_posts)
        return self.metrics.exposition(accept)

    def _told(self, sleepers: list[Waker]) -> None:
        _wake(sleepers)
        self.hub.nudge()

    def _book_changed(self) -> None:
        self.intake.use(self._secrets())
        self.desk.told()  # the pumps have a mark to place

    def _authorise(self, headers: Mapping[str, str]) -> Problem | None:
        try:
            identity = self.doorkeeper.bearer(headers.get("authorization", ""))
        except LedgerUnavailable:
            return Problem(
                503, "The ledger cannot be read, so tokens cannot be checked; try again.", {"Retry-After": "2"}
            )
        if identity is None:
            return Problem(
                401, "Posting needs a token: send Authorization: Bearer with it.", {"WWW-Authenticate": "Bearer"}
            )
        if identity.role not in ("ingest", "admin"):
            return Problem(403, f"{identity.user} is {identity.role}; posting events needs the role ingest or admin.")
        return None

    def engine(self) -> dict[str, Any]:
        """What the engines last said of themselves."""
        return word.last(self.home.run, self.settings.engines)

    def _accounting(self) -> dict[str, int | float]:
        numbers = {k: v for k, v in account(self.front).items() if isinstance(v, int)}
        with self.database.read() as connection:
            size, _ = queries.head(connection)
        return {**numbers, "audit_records": size}

    # -- life ---------------------------------------------------------------------------------------------------

    async def serve(self, stop: threading.Event, told: Callable[[str], None]) -> None:
        """Serve until told to stop, saying `ready` and then `beat` as long as the event loop turns."""
        config = uvicorn.Config(
            self.app,
            log_config=None,
            access_log=False,
            loop="uvloop",
            http=cast(Any, partial(Connection, Heads(self.app.straight, self.intake))),  # makes one as a class would
            lifespan="off",
            timeout_graceful_shutdown=5,
            server_header=False,
            ssl_certfile=None if self.settings.tls_cert is None else str(self.settings.tls_cert),
            ssl_keyfile=None if self.settings.tls_key is None else str(self.settings.tls_key),
        )
        beaten = float("-inf")

        def pulse() -> bool:
            nonlocal beaten
            if time.monotonic() - beaten > BEAT:
                told("ready" if beaten == float("-inf") else "beat")
                beaten = time.monotonic()
            self.hub.turn(stop.is_set())
            return stop.is_set()

        self.intake.start()
        await Server(config, pulse).serve(sockets=[self.listener])

    def stop(self) -> None:
        """Make durable what was handed over, then close."""
        self.intake.stop()
        self.spool.close()
        self.database.close()

    def reload_soon(self) -> None:
        """For SIGHUP: in a thread of its own. However many come, one more look after the one under way is enough."""
        if self._wanted.acquire(blocking=False):
            threading.Thread(target=self._reload_wanted, name="reload").start()

    def _reload_wanted(self) -> None:
        with self._reloading:
            self._wanted.release()  # what is asked from here on may be about files that are read already
            self.reload()

    def reload(self) -> None:
        """As `POST /-/reload` does."""
        try:
            book = self.shelf.reload(self.database, self.clock.now(), "signal")
            self._book_changed()
            log.info("The rules were loaded.", action="reloaded", digest=book.digest)
        except BookRefused as refused:
            log.error(
                "The rules were not loaded and the old ones stay in force.", action="reload_refused", why=refused.lines
            )
        except LedgerUnavailable as problem:
            log.error(f"The rules were not loaded: {problem}", action="reload_refused")


def _wake(sleepers: list[Waker]) -> None:
    for waker in sleepers:
        waker.wake()


class _Fresh:
    """The last answer of a function, at most `FRESH` seconds old; when it fails, the one before."""

    def __init__(self, ask: Callable[[], dict[str, int | float]]) -> None:
        self._ask, self._at = ask, float("-inf")
        self._last: dict[str, int | float] = {}

    def __call__(self) -> dict[str, int | float]:
        if time.monotonic() - self._at > FRESH:
            with contextlib.suppress(Problem, LedgerUnavailable):
                self._last, self._at = self._ask(), time.monotonic()
        return self._last


def run(settings: Settings, instructions: dict[str, Any], line: Line, stop: threading.Event) -> int:
    """The child's main: returns its exit code."""
    listener = socket.socket(fileno=instructions["socket"])
    process = FrontProcess(Home(settings.home), settings, listener)
    serve(process, stop, line.say)
    return 0


def allow_sockets() -> None:
    """As many open connections as the system lets us have: many a shell starts programs with a thousand."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = SOCKETS if hard == resource.RLIM_INFINITY else min(hard, SOCKETS)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def serve(process: FrontProcess, stop: threading.Event, told: Callable[[str], None]) -> None:
    """Serve in this thread, the main one, until told to stop; SIGHUP loads the rules anew."""
    import uvloop

    signal.signal(signal.SIGHUP, lambda *_: process.reload_soon())
    allow_sockets()
    gc.collect()
    gc.freeze()  # what was loaded stays: looking through all of it again and again takes a tenth of intake's time
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(process.serve(stop, told))
    finally:
        process.stop()
