"""An engine process: the pumps of its partitions, and in the first one what there is once. Only engines load River."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import structlog

from monitor.app import word
from monitor.app.home import Home
from monitor.app.housekeeping import jobs
from monitor.app.keeper import Keeper
from monitor.app.telling import Telling
from monitor.clock import Clock
from monitor.core.rules.model import Book
from monitor.runtime.books import EMPTY, Shelf
from monitor.runtime.pace import AGAIN, Pace
from monitor.runtime.pump import Pump, Stopped
from monitor.runtime.timers import Timers
from monitor.settings import Settings
from monitor.settings.parts import model_options, parameters, rule_folders, spool_options
from monitor.settings.telling import policy
from monitor.spool import Spool, SpoolError, partition_of
from monitor.store import queries
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
FENCED = 3  # exit code when another engine took over
AT_END = 15.0  # seconds the loops may take to end


class Engine:
    """Everything an engine process owns. `start`, then `beat` about once a second, then `stop`.

    Of `settings.engines` engines, number k has the partitions k, k + engines, k + 2 engines, …; a partition knows
    nothing of this, so their number may change from one start to the next. Each partition is brought back by its
    pump's own thread: people's deadlines and messages wait for none of it.
    """

    def __init__(self, home: Home, settings: Settings, number: int = 0) -> None:
        self.home, self.settings, self.number = home, settings, number
        self.partitions = range(number, settings.partitions, settings.engines)
        self.clock = Clock(home.path)
        self.database = home.database()
        self.spool = Spool.open(home.spool, settings.partitions, spool_options(settings), write=False)
        self.shelf = Shelf(rule_folders(settings), parameters(settings), model_options(settings), settings.partitions)
        self.policy = policy(settings)
        kinds = {receiver.name: receiver.kind for receiver in self.policy.receivers}
        self.metrics = EngineMetrics(kinds, first=number == 0)
        self.shared = SharedExposition(word.numbers_of(home.run, number))
        self.stopping = threading.Event()
        self.failure: str | None = None
        self.fenced = False
        self.all_pumps = [pump_name(partition) for partition in range(settings.partitions)]  # of all engines
        self._pumps: dict[int, Pump] = {}
        self._paces = {partition: Pace() for partition in self.partitions}  # while they are brought back
        self._threads: list[threading.Thread] = []
        self._beaten: dict[str, int] = {}
        names = ("desk", "courier", *self.all_pumps)
        self._wakers = {name: Waker(home.run / f"{name}.sock") for name in names}
        self.telling = Telling(self.metrics, partial(self.wake, "desk", "courier"), self.clock, kinds)
        self.keeper = None if number else Keeper(self)
        self._loops = dict[str, Callable[[], None]]() if self.keeper is None else self.keeper.loops
        self._loops |= {pump_name(partition): partial(self._pumping, partition) for partition in self.partitions}
        self.sleepers = {name: Sleeper(home.run / f"{name}.sock") for name in self._loops}
        self.timers = Timers(jobs(self), self.metrics.house.job)
        self.say()

    @property
    def pumps(self) -> list[Pump]:
        """Those whose partition has been brought back."""
        return list(self._pumps.values())

    @property
    def ready(self) -> bool:
        return len(self._pumps) == len(self._paces) and not self.stopping.is_set()

    def partition_of(self, model: str) -> int:
        return partition_of(model, self.settings.partitions)

    def book(self) -> Book:
        """The rule book that is in force."""
        with self.database.read() as connection:
            digest = queries.get_fact(connection, "book")
        return EMPTY if digest is None else self.shelf.resolve(self.database, digest)

    def wake(self, *names: str) -> None:
        """Whoever sleeps by these names, in whatever process."""
        for name in names:
            self._wakers[name].wake()

    # -- life ---------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Let the loops run."""
        for name, loop in self._loops.items():
            self._run(name, loop)
        self.timers.start()

    def stop(self) -> None:
        """End the loops: the pumps write snapshots, the courier gives back what it has not sent."""
        self.stopping.set()
        self.say()
        self.timers.stop()
        self.wake(*self._loops)
        until = time.monotonic() + AT_END
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))
        if self.keeper is not None:
            self.keeper.close()
        for sleeper in self.sleepers.values():
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
        beats = {pump_name(p): self._pace(p).beats for p in self._paces}
        if self.keeper is not None:
            beats |= self.keeper.beats
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
            "detectors_disabled": self.telling.failed,
            "snapshots_failing": any(pump.rotation.failing for pump in self.pumps),
            "partitions": list(self.partitions),
        }
        if self.keeper is not None and self.keeper.rounded is not None:
            said["roundtrip"], said["rounded_at"] = self.keeper.rounded
        word.leave(self.home.run, said, self.number)

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
        pump.run(self.sleepers[pump_name(partition)])

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
            owns=lambda model: self.partition_of(model) == partition,
            stop=self.stopping,
            window=self.settings.batch_window,
            progress=partial(self._progress, self._paces[partition]),
            saved=self.telling.saved,
        )

    def _progress(self, pace: Pace) -> None:
        """One more step is run again."""
        if self.stopping.is_set():
            raise Stopped
        pace.waits("replay")


def pump_name(partition: int) -> str:
    """What the pump of a partition is called: its thread, and the socket it is woken by."""
    return f"pump-{partition}"


def run(settings: Settings, instructions: dict[str, Any], line: Line, stop: threading.Event) -> int:
    """The child's main: returns its exit code."""
    engine = Engine(Home(settings.home), settings, instructions["number"])
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
