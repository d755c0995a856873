"""The engine process: pump, desk's deadlines, courier and timers. The only one that may load River."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog

from monitor.app.home import Home
from monitor.app.housekeeping import jobs
from monitor.clock import Clock
from monitor.core.incidents.model import Incident
from monitor.core.notices.render import Links
from monitor.core.rules.model import Book
from monitor.delivery.apprise_pool import HelperPool
from monitor.delivery.apprise_sender import Senders, apprise_senders
from monitor.runtime.books import Shelf
from monitor.runtime.courier import Courier, Delivery
from monitor.runtime.desk import Desk
from monitor.runtime.pump import Done, Pump
from monitor.runtime.timers import Timers
from monitor.settings import Settings
from monitor.settings.parts import model_options, parameters, policy, rule_folders, spool_options
from monitor.settings.secrets import addresses
from monitor.spool import Spool
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
FENCED = 3  # exit code when another engine took over


class Engine:
    """Everything the engine process owns. `start`, then `beat` about once a second, then `stop`."""

    def __init__(self, home: Home, settings: Settings) -> None:
        self.home, self.settings = home, settings
        self.clock = Clock(home.path)
        self.database = home.database()
        self.spool = Spool.open(home.spool, settings.partitions, spool_options(settings), write=False)
        self.shelf = Shelf(rule_folders(settings), parameters(settings), model_options(settings), settings.partitions)
        self.policy = policy(settings)
        self.metrics = EngineMetrics([receiver.name for receiver in self.policy.receivers])
        self.shared = SharedExposition(home.run / "engine.prom")
        self.helpers = HelperPool()
        self.stopping = threading.Event()
        self.failure: str | None = None
        self.fenced = False
        self.pumps: list[Pump] = []
        self._threads: list[threading.Thread] = []
        self._seen: dict[str, int] = {}
        self._desk_turns = 0
        self._courier_sleeper = Sleeper(home.run / "courier.sock")
        self._desk_sleeper = Sleeper(home.run / "desk.sock")
        self._pump_sleepers = [Sleeper(pump_socket(home, p)) for p in range(settings.partitions)]
        self._wake_courier = Waker(home.run / "courier.sock").wake
        self._wake_desk = Waker(home.run / "desk.sock").wake
        self.desk = Desk(self.database, self.clock, self.policy, self._book, settings.url, told=self._desk_told)
        self.courier: Courier | None = None  # once its receivers' addresses are checked
        self.timers = Timers(jobs(self), self.metrics.house.job)

    def _book(self) -> Book:
        return self.pumps[0].bank.book if self.pumps else self.shelf.current

    # -- life ---------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Restore every partition, then let the loops run."""
        for partition in range(self.settings.partitions):
            books = partial(self.shelf.resolve, self.database)
            snapshots = Snapshots(self.home.snapshots / str(partition), report=log.warning)
            self.pumps.append(
                Pump(self.database, self.spool, snapshots, self.clock, books, self.policy, partition, self._told)
            )
        for pump, sleeper in zip(self.pumps, self._pump_sleepers, strict=True):
            self._run(f"pump-{pump.partition}", partial(pump.run, self.stopping, sleeper))
        self._run("desk", self._deadlines)
        self._run("courier", self._couriering)
        self.timers.start()

    def stop(self) -> None:
        """End the loops: the pumps write snapshots, the courier gives back what it has not sent."""
        self.stopping.set()
        self.timers.stop()
        for wake in (
            self._wake_courier,
            self._wake_desk,
            *(Waker(pump_socket(self.home, p.partition)).wake for p in self.pumps),
        ):
            wake()
        for thread in self._threads:
            thread.join(15.0)
        self.helpers.close()
        self.say(ready=False)
        self.database.close()

    def _run(self, name: str, work: Callable[[], None]) -> None:
        def guarded() -> None:
            try:
                work()
            except Fenced as fenced:
                self.fenced, self.failure = True, str(fenced)
            except Exception as problem:
                log.exception(f"The loop {name} failed; the engine is started again.", action="loop_failed", loop=name)
                self.failure = f"{name}: {type(problem).__name__}"

        thread = threading.Thread(target=guarded, name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def beat(self) -> bool:
        """Whether every loop has made progress since the last call, or waits for something with a name."""
        turns = {f"pump-{p.partition}": p.pace.turns for p in self.pumps}
        turns |= {"desk": self._desk_turns}
        if self.courier is not None:
            turns["courier"] = self.courier.turns
        moved = all(turns[name] != self._seen.get(name) for name in turns)
        if moved:
            self._seen = turns
        self.say(ready=True)
        self.metrics.publish(self.shared.write)
        return moved

    def say(self, ready: bool) -> None:
        """Leave word for the front: how far we are."""
        word = {
            "ready": ready,
            "pid": os.getpid(),
            "turns": min((p.pace.turns for p in self.pumps), default=0),
            "seq": max((p.seq for p in self.pumps), default=0),
            "at": max((p.bank.at for p in self.pumps), default=0.0),
            "waiting": ", ".join(p.pace.waiting for p in self.pumps if p.pace.waiting),
            "boottime": time.clock_gettime(time.CLOCK_BOOTTIME),
        }
        path = self.home.run / "engine.json"
        draft = path.with_suffix(".tmp")
        draft.write_text(json.dumps(word))
        draft.replace(path)

    # -- loops --------------------------------------------------------------------------------------------------

    def _deadlines(self) -> None:
        while not self.stopping.is_set():
            try:
                now = self.clock.now()
                due = self.desk.deadlines(now)
                self._gauge(now)
            except LedgerUnavailable as problem:
                log.warning(str(problem), action="waiting_ledger")
                due = None
            self._desk_turns += 1
            pause = 5.0 if due is None else min(5.0, max(0.05, due - self.clock.now()))
            self._desk_sleeper.wait(pause)

    def _couriering(self) -> None:
        found = {name: secret.reveal() for name, secret in addresses(self.settings, os.environ).items()}
        senders = apprise_senders(found, self.helpers) if found else Senders()
        for name, sentence in senders.problems.items():
            log.error(sentence, action="receiver_unusable", receiver=name)
        self.courier = Courier(
            self.database,
            senders.all,
            self.clock,
            links=Links(self.settings.url),
            wake=self._wake_courier,
            told=self._delivered,
            held=self.metrics.notices.suppressed,
            cut=self.helpers.close,
        )
        self.courier.run(self.stopping, self._courier_sleeper)

    # -- telling ------------------------------------------------------------------------------------------------

    def _told(self, done: Done) -> None:
        step, observation, changes = done.step, done.observation, done.changes
        if changes:
            self._wake_desk()
            self._wake_courier()
        count = self.metrics.pump
        count.step(done.seconds, done.events, step.at, done.last_events)
        count.evaluated(len(observation.levels), done.deciding, step.at)
        count.quarantined(done.quarantined)
        for finding in observation.findings:
            count.finding(finding.rule)
        for id_, incident in changes.incidents.items():
            self._log_incident(id_, incident)

    def _log_incident(self, id_: str, incident: Incident) -> None:
        if incident.state == "open" and incident.changed_at == incident.opened_at:
            self.metrics.alerts.fired(incident.key)
        log.info(
            incident.summary,
            action=f"incident_{incident.state}",
            incident=id_,
            rule=incident.key,
            model=incident.model,
            severity=incident.severity,
            stage=incident.stage,
        )

    def _desk_told(self) -> None:
        self._wake_courier()
        for pump in self.pumps:
            Waker(pump_socket(self.home, pump.partition)).wake()

    def _delivered(self, delivery: Delivery) -> None:
        self.metrics.notices.attempt("apprise", delivery.target, delivery.outcome, delivery.seconds, delivery.reason)

    def _gauge(self, now: float) -> None:
        """Numbers that the ledger holds, refreshed with the desk's turns and never with a step."""
        with self.database.read() as connection:
            counts = outbox.counts(connection)
            oldest = outbox.oldest_pending(connection)
            by_state = queries.incident_counts(connection)
        unfinished = sum(n for state, n in counts.items() if state in ("pending", "sending", "retry", "unknown"))
        self.metrics.notices.outbox(unfinished, oldest)
        states = {s: sum(n for (state, _), n in by_state.items() if state == s) for s in ("open", "acknowledged")}
        self.metrics.alerts.now({"firing": states["open"], "acknowledged": states["acknowledged"]}, states["open"])


def pump_socket(home: Home, partition: int) -> Path:
    """Where the pump of a partition listens for being woken."""
    return home.run / f"pump-{partition}.sock"


def run(instructions: dict[str, Any], line: Line, stop: threading.Event) -> int:
    """The child's main: returns its exit code."""
    from monitor.telemetry.logs import configure_logging

    settings = Settings.from_json(instructions["settings"])
    configure_logging(settings.log.format, settings.log.level)
    engine = Engine(Home(settings.home), settings)
    engine.start()
    engine.say(ready=True)
    line.say("ready")
    while not stop.wait(BEAT) and engine.failure is None:
        if engine.beat():
            line.say("beat")
    engine.stop()
    if engine.failure is not None:
        log.error(engine.failure, action="engine_stops")
        return FENCED if engine.fenced else 1
    return 0
