"""The engine process: pumps, desk's deadlines, courier and timers. The only one that may load River."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import structlog

from monitor.app import word
from monitor.app.calls import Calls
from monitor.app.home import Home, secret_key
from monitor.app.housekeeping import jobs, sign_head
from monitor.app.telling import Telling, tell_receivers
from monitor.clock import Clock
from monitor.core.notices.render import Links
from monitor.core.rules.model import Book
from monitor.delivery.apprise_pool import HelperPool
from monitor.delivery.apprise_sender import Senders
from monitor.delivery.senders import make_senders
from monitor.runtime.books import EMPTY, Shelf
from monitor.runtime.canary import Canary
from monitor.runtime.courier import Courier
from monitor.runtime.desk import Desk
from monitor.runtime.pace import AGAIN, Pace
from monitor.runtime.pump import Pump, Stopped
from monitor.runtime.timers import Timers
from monitor.settings import Settings
from monitor.settings.parts import model_options, parameters, rule_folders, spool_options
from monitor.settings.secrets import addresses
from monitor.settings.telling import policy
from monitor.signing import KeyFileError
from monitor.spool import Spool, SpoolError, partition_of
from monitor.store import outbox, queries
from monitor.store.errors import LedgerUnavailable
from monitor.store.ledger import Fenced
from monitor.store.snapshots import Snapshots
from monitor.telemetry.engine import EngineMetrics
from monitor.telemetry.share import SharedExposition
from monitor.wake import Sleeper, Waker

if TYPE_CHECKING:
    from monitor.app.child import Line

log = structlog.get_logger("engine")

BEAT = 1.0  # seconds between looks at whether the loops make progress
GAUGE = 15.0  # seconds between looks at what the ledger holds while nothing happens
FENCED = 3  # exit code when another engine took over
AT_END = 15.0  # seconds the loops may take to end


class Engine:
    """Everything the engine process owns. `start`, then `beat` about once a second, then `stop`.

    Each partition is brought back by its pump's own thread: people's deadlines and messages wait for none of it.
    """

    def __init__(self, home: Home, settings: Settings) -> None:
        self.home, self.settings = home, settings
        self.clock = Clock(home.path)
        self.database = home.database()
        self.spool = Spool.open(home.spool, settings.partitions, spool_options(settings), write=False)
        self.shelf = Shelf(rule_folders(settings), parameters(settings), model_options(settings), settings.partitions)
        self.policy = policy(settings)
        kinds = {receiver.name: receiver.kind for receiver in self.policy.receivers}
        self.metrics = EngineMetrics(kinds)
        self.shared = SharedExposition(home.run / "engine.prom")
        self.helpers = HelperPool()
        self.senders = Senders()
        self.stopping = threading.Event()
        self.failure: str | None = None
        self.fenced = False
        self._pumps: dict[int, Pump] = {}
        self._paces = {partition: Pace() for partition in range(settings.partitions)}  # while they are brought back
        self._threads: list[threading.Thread] = []
        self._beaten: dict[str, int] = {}
        self._desk_turns = 0
        self._sleepers = {name: Sleeper(home.run / f"{name}.sock") for name in self._loops()}
        self._wakers = {name: Waker(home.run / f"{name}.sock") for name in self._loops()}
        self.desk = Desk(
            self.database,
            self.clock,
            self.policy,
            self._book,
            settings.url,
            partition_of=self._partition_of,
            told=partial(self._wake, "courier", *map(pump_name, self._paces)),
            partitions=settings.partitions,
        )
        self.telling = Telling(self.metrics, partial(self._wake, "desk", "courier"), self.clock, kinds)
        self.calls = Calls(self.desk, self.clock, secret_key(home), settings.url, partial(self._wake, "desk"))
        self.canary = Canary(
            home.path, self.database, self.clock, settings.partitions, partial(self._wake, "courier"), self._came_round
        )
        self.rounded: tuple[float, float] | None = None  # the last event that came round: seconds it took, and when
        self.courier: Courier | None = None  # once its receivers' addresses are checked
        self.timers = Timers(jobs(self), self.metrics.house.job)
        self.say()

    @property
    def pumps(self) -> list[Pump]:
        """Those whose partition has been brought back."""
        return list(self._pumps.values())

    @property
    def ready(self) -> bool:
        return len(self._pumps) == len(self._paces) and not self.stopping.is_set()

    def _loops(self) -> list[str]:
        return ["desk", "courier", *(pump_name(partition) for partition in self._paces)]

    def _partition_of(self, model: str) -> int:
        return partition_of(model, self.settings.partitions)

    def _book(self) -> Book:
        """The rule book that is in force."""
        with self.database.read() as connection:
            digest = queries.get_fact(connection, "book")
        return EMPTY if digest is None else self.shelf.resolve(self.database, digest)

    def _came_round(self, seconds: float, at: float) -> None:
        self.rounded = seconds, at
        self.metrics.house.roundtrip(seconds)

    def _wake(self, *names: str) -> None:
        for name in names:
            self._wakers[name].wake()

    # -- life ---------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Let the loops run."""
        self._run("desk", self._deadlines)
        self._run("courier", self._couriering)
        for partition in self._paces:
            self._run(pump_name(partition), partial(self._pumping, partition))
        self.timers.start()

    def stop(self) -> None:
        """End the loops: the pumps write snapshots, the courier gives back what it has not sent."""
        self.stopping.set()
        self.say()
        self.timers.stop()
        self._wake(*self._loops())
        until = time.monotonic() + AT_END
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))
        with suppress(LedgerUnavailable, KeyFileError):
            sign_head(self)
        self.helpers.close()
        for sleeper in self._sleepers.values():
            sleeper.close()
        self.database.close()

    def _run(self, name: str, work: Callable[[], None]) -> None:
        def guarded() -> None:
            try:
                work()
            except Stopped:
                pass
            except Fenced as fenced:
                self.fenced, self.failure = True, str(fenced)
            except Exception as problem:
                log.exception(f"The loop {name} failed; the engine is started again.", action="loop_failed", loop=name)
                self.failure = f"The loop {name} failed with {type(problem).__name__}."

        thread = threading.Thread(target=guarded, name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def beat(self) -> bool:
        """Whether every loop has made progress since the last call that said so, or waits for something named."""
        beats = {pump_name(p): self._pace(p).beats for p in self._paces} | {"desk": self._desk_turns}
        if self.courier is not None:
            beats["courier"] = self.courier.turns
        moved = all(count != self._beaten.get(name) for name, count in beats.items())
        if moved:
            self._beaten = beats
        self.say()
        self.metrics.publish(self.shared.write)
        return moved

    def _pace(self, partition: int) -> Pace:
        pump = self._pumps.get(partition)
        return self._paces[partition] if pump is None else pump.pace

    def say(self) -> None:
        """Leave word for the front: how far we are. `began` is when the last completed turn began, of all pumps."""
        paces = [self._pace(partition) for partition in self._paces]
        said = {
            "ready": self.ready,
            "pid": os.getpid(),
            "turns": min(pace.turns for pace in paces),
            "began": min(pace.began for pace in paces),
            "seq": max((p.seq for p in self.pumps), default=0),
            "at": max((p.bank.at for p in self.pumps), default=0.0),
            "waiting": ", ".join(sorted({pace.waiting for pace in paces if pace.waiting})),
            "losses": [sentence for pump in self.pumps for sentence in pump.losses],
            "unwatched": sum(pump.bank.unwatched for pump in self.pumps),
            "unplaced": sum(pump.bank.unplaced for pump in self.pumps),
        }
        if self.rounded is not None:
            said["roundtrip"], said["rounded_at"] = self.rounded
        word.leave(self.home.run, said)

    # -- loops --------------------------------------------------------------------------------------------------

    def _pumping(self, partition: int) -> None:
        """Bring a partition back, however long that takes, then pump."""
        pace = self._paces[partition]
        pump = None
        while pump is None:
            try:
                pump = self._pump(partition)
            except (LedgerUnavailable, SpoolError) as problem:
                if pace.waits("ledger" if isinstance(problem, LedgerUnavailable) else "spool"):
                    log.error(str(problem), action=f"waiting_{pace.waiting}", partition=partition)
                if self.stopping.wait(AGAIN):
                    raise Stopped from None
        self._pumps[partition] = pump
        self.say()
        pump.run(self._sleepers[pump_name(partition)])

    def _pump(self, partition: int) -> Pump:
        return Pump(
            self.database,
            self.spool,
            Snapshots(self.home.snapshots / str(partition), report=log.warning),
            self.clock,
            partial(self.shelf.resolve, self.database),
            self.policy,
            partition,
            self.telling.done,
            owns=lambda model: self._partition_of(model) == partition,
            stop=self.stopping,
            progress=partial(self._progress, self._paces[partition]),
            saved=self.telling.saved,
        )

    def _progress(self, pace: Pace) -> None:
        """One more step is run again."""
        if self.stopping.is_set():
            raise Stopped
        pace.waits("replay")

    def _deadlines(self) -> None:
        gauged = float("-inf")
        while not self.stopping.is_set():
            try:
                due = self.desk.deadlines(self.clock.now())
                if time.monotonic() - gauged > GAUGE:
                    self._gauge()
                    gauged = time.monotonic()
            except LedgerUnavailable as problem:
                self.metrics.house.audit_write_failed()
                log.warning(str(problem), action="waiting_ledger")
                due = None
            self._desk_turns += 1
            pause = 5.0 if due is None else min(5.0, max(0.05, due - self.clock.now()))
            if self._sleepers["desk"].wait(pause):
                gauged = float("-inf")  # something has changed

    def _couriering(self) -> None:
        found = addresses(self.settings, os.environ)
        if found:
            self.senders = make_senders(found, self.helpers)
        tell_receivers(self.senders)
        self.courier = Courier(
            self.database,
            self.senders.all,
            self.clock,
            links=Links(self.settings.url),
            wake=self._wakers["courier"].wake,
            told=self.telling.delivered,
            held=self.metrics.notices.suppressed,
            cut=self.helpers.close,
            labels=self.calls.labels,
            grouping=self.calls.group,
            holding=self.calls.held,
            broke=self.calls.broke,
            works=self.calls.works,
            ack=self.calls.link,
            errand=self.canary.errand,
        )
        self.courier.run(self.stopping, self._sleepers["courier"])

    def _gauge(self) -> None:
        """Numbers that the ledger holds, refreshed with the desk's turns and never with a step."""
        with self.database.read() as connection:
            counts = outbox.counts(connection)
            oldest = outbox.oldest_pending(connection)
            by_state = queries.incident_counts(connection)
            unhandled = sum(n for (state, _), n in by_state.items() if state in ("open", "acknowledged"))
            shown = queries.incidents(connection, ["open", "acknowledged"], limit=200)[0] if unhandled else []
            silences = queries.silences(connection)
        self.telling.ledger(counts, oldest, by_state)
        self.telling.alerts(shown, silences)


def pump_name(partition: int) -> str:
    """What the pump of a partition is called: its thread, and the socket it is woken by."""
    return f"pump-{partition}"


def run(settings: Settings, instructions: dict[str, Any], line: Line, stop: threading.Event) -> int:
    """The child's main: returns its exit code."""
    engine = Engine(Home(settings.home), settings)
    engine.start()
    told = False
    while not stop.wait(BEAT if told else BEAT / 10) and engine.failure is None:
        if engine.beat():
            line.say("beat")
        if engine.ready and not told:
            told = True
            line.say("ready")
    engine.stop()
    if engine.failure is not None:
        log.error(engine.failure, action="engine_stops")
        return FENCED if engine.fenced else 1
    return 0
