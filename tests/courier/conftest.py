"""An outbox on a real ledger, a clock that stands until moved, senders that do as they are told."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from queue import Queue
from typing import Any

import pytest
from sqlalchemy import select, update

from monitor.core.changes import Changes, Silence
from monitor.core.findings import Evidence
from monitor.core.incidents.model import Incident
from monitor.core.notices.keys import notice_key
from monitor.core.notices.model import Notice
from monitor.core.notices.render import Links
from monitor.delivery.protocol import Outgoing, Result
from monitor.runtime.courier import Courier, Delivery, Terms
from monitor.store import schema
from monitor.store.database import Database
from monitor.store.silences import add_silence, expire_silence
from monitor.store.tables import audit, notices

START = 1_000_000.0
PATIENCE = 15  # seconds a test waits for what must happen

INCIDENT = Incident(
    id="00000000-0000-5000-8000-000000000001",
    pack="base",
    rule="ScoreShift",
    model="fraud-eu",
    version="3",
    segment="",
    severity="high",
    stage="live",
    historical=False,
    latches=True,
    state="open",
    opened_at=START,
    changed_at=START,
    summary="The score moved.",
    meaning="It is higher than it was.",
    action="Look at the last deploy.",
)


class FakeClock:
    def __init__(self, at: float = START) -> None:
        self.at = at

    def now(self) -> float:
        return self.at


class FakeSender:
    """Answers what `results` says, the last one for ever. While `gate` is closed a send stays under way."""

    label = "fake://target"

    def __init__(self, *results: Result) -> None:
        self.results = list(results) or [Result("delivered")]
        self.sent: list[Outgoing] = []
        self.deadlines: list[float] = []
        self.gate = threading.Event()
        self.gate.set()
        self.started = threading.Event()
        self.at_once = self.most_at_once = 0
        self._lock = threading.Lock()

    def send(self, message: Outgoing, deadline: float) -> Result:
        with self._lock:
            self.sent.append(message)
            self.deadlines.append(deadline)
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
            result = self.results.pop(0) if len(self.results) > 1 else self.results[0]
        self.started.set()
        self.gate.wait(4 * PATIENCE)  # longer than any test waits: a send that nobody ends is seen
        with self._lock:
            self.at_once -= 1
        return result


class Sleeper(threading.Event):
    """Sleeps until woken: a test moves the clock and wakes it."""

    def __init__(self) -> None:
        super().__init__()
        self.slept = threading.Event()

    def wait(self, timeout: float | None = None) -> bool:
        self.slept.set()
        woken = super().wait(PATIENCE)
        self.clear()
        return woken


class Office:
    """One ledger with incidents and notices, and couriers that work on it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.database = Database.open(path, patience=0.3)
        self.clock = FakeClock()
        self.told: Queue[Delivery] = Queue()
        self.held: Queue[str] = Queue()
        self.sleepers: list[Sleeper] = []

    def owe(
        self, *targets: str, reason: str = "opened", incident: Incident = INCIDENT, repeats: int = 1, at: float = START
    ) -> list[str]:
        """Records one notice a target (or `repeats` of them); answers their keys."""
        made = [
            Notice(notice_key(incident.id, reason, 1, repeat, target), incident.id, target, reason, 1, repeat, at, at)
            for target in targets
            for repeat in range(repeats)
        ]
        evidence = [(incident.id, Evidence("output.score", "", "mean", 0.9, 0.5, 1.8, None, 500, START))]
        with self.database.write(at) as tx:
            tx.apply(Changes(incidents={incident.id: incident}, notices=made, evidence=evidence))
        return [notice.key for notice in made]

    def called(self, *targets: str) -> None:
        """A call about the incident reached these targets some time ago."""
        keys = self.owe(*targets)
        with self.database.write(START) as tx:
            tx.connection.execute(update(notices).where(notices.c.key.in_(keys)).values(state="delivered"))

    def owe_news(self, reason: str, target: str = "oncall") -> list[str]:
        """A notice about the incident as it stands: acknowledged, closed."""
        key = notice_key(INCIDENT.id, reason, 1, 0, target)
        with self.database.write(START) as tx:
            tx.apply(Changes(notices=[Notice(key, INCIDENT.id, target, reason, 1, 0, START, START)]))
        return [key]

    def change(self, **fields: Any) -> None:
        with self.database.write(self.clock.now()) as tx:
            tx.apply(Changes(incidents={INCIDENT.id: replace(INCIDENT, **fields)}))

    def silence(self, ends_at: float, model: tuple[str, str] = ("=", "fraud-eu")) -> None:
        made = Silence("s-1", (("model", *model),), START - 1, ends_at, "ada", "a drill")
        with self.database.write(self.clock.now()) as tx:
            add_silence(tx, made)

    def end_silence(self) -> None:
        with self.database.write(self.clock.now()) as tx:
            expire_silence(tx, "s-1", "ada")

    def row(self, key: str) -> Any:
        with self.database.read() as connection:
            return connection.execute(select(notices).where(notices.c.key == key)).one()

    def entries(self, kind: str) -> list[str]:
        with self.database.read() as connection:
            found = connection.execute(select(audit.c.body).where(audit.c.kind == kind).order_by(audit.c.seq))
            return [body.decode() for (body,) in found]

    def move(self, seconds: float) -> None:
        self.clock.at += seconds
        self.wake()

    def wake(self) -> None:
        for sleeper in self.sleepers:
            sleeper.set()

    def courier(self, senders: dict[str, Any], terms: Terms | None = None, **given: Any) -> Courier:
        links = Links("https://overloop.example")
        waking: Callable[[], None] = self.wake
        return Courier(
            Database.open(self.path, patience=0.3),
            senders,
            self.clock,
            links,
            terms or Terms(workers=4, drain=PATIENCE),
            wake=waking,
            told=self.told.put,
            held=self.held.put,
            **given,
        )

    @contextmanager
    def at_work(self, courier: Courier) -> Iterator[Courier]:
        stop, sleeper = threading.Event(), Sleeper()
        self.sleepers.append(sleeper)
        thread = threading.Thread(target=courier.run, args=(stop, sleeper))
        thread.start()
        try:
            yield courier
        finally:
            stop.set()
            sleeper.set()
            thread.join(2 * PATIENCE)
            assert not thread.is_alive(), "the courier did not stop"
            self.sleepers.remove(sleeper)
            courier._database.close()

    def looked(self) -> None:
        """Waits until the newest courier has looked at the outbox once and sleeps."""
        assert self.sleepers[-1].slept.wait(PATIENCE), "the courier did not look"

    def next(self) -> Delivery:
        return self.told.get(timeout=PATIENCE)


@pytest.fixture
def fake() -> type[FakeSender]:
    return FakeSender


@pytest.fixture(scope="session")
def empty_outbox(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("outbox") / "ledger.db"
    schema.upgrade(path)
    return path


@pytest.fixture
def office(empty_outbox: Path, tmp_path: Path) -> Iterator[Office]:
    path = tmp_path / "ledger.db"
    shutil.copyfile(empty_outbox, path)
    made = Office(path)
    yield made
    made.database.close()
