"""A desk on a real ledger, a clock that stands until moved, and a pump's hand to put incidents there."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from deciding import POLICY, T0, a_book, a_finding, a_level, a_rule
from sqlalchemy import select

from monitor.core.changes import Changes
from monitor.core.decide import decide
from monitor.core.findings import Finding, Level, Observation
from monitor.core.notices.model import Policy
from monitor.core.rules.model import Book
from monitor.runtime.desk import Desk
from monitor.store import schema
from monitor.store.database import Database
from monitor.store.ledger import desk_seq, load_view, take_partition, wanted_marks
from monitor.store.models import ModelSeen, see_models
from monitor.store.queries import incidents as listed
from monitor.store.tables import audit, notices

LEVEL = a_rule("LowConfidence", gate="review")
SHIFT = a_rule("ScoreShift", "shift")


class FakeClock:
    def __init__(self) -> None:
        self.at = T0

    def now(self) -> float:
        return self.at


class Office:
    """A ledger, its desk, and what a pump and a courier would do to it."""

    def __init__(self, path: Path, policy: Policy = POLICY) -> None:
        self.database = Database.open(path)
        self.clock = FakeClock()
        self.book: Book = a_book(LEVEL, SHIFT)
        self.policy = policy
        self.told = 0
        self.desk = Desk(
            self.database, self.clock, policy, lambda: self.book, "https://overloop.example/", told=self._hear
        )
        self.seq = 0
        take_partition(self.database, 0, T0)
        with self.database.write(T0) as tx:
            see_models(tx, [ModelSeen("fraud-eu", T0, T0, 10, ("3",), {"inputs.amount": "number"})])

    def _hear(self) -> None:
        self.told += 1

    def see(self, *seen: Level | Finding) -> Changes:
        """What the pump commits when it has seen this."""
        self.seq += 1
        levels = [x for x in seen if isinstance(x, Level)]
        findings = [x for x in seen if isinstance(x, Finding)]
        observation = Observation(levels=levels, findings=findings)
        with self.database.write(self.clock.at) as tx:
            view = load_view(tx.connection, 0, self.clock.at)
            changes = decide(view, self.book, self.policy, observation, 0, self.seq, self.clock.at)
            tx.apply(changes)
        return changes

    def level(self, holds: str = "y", **given: Any) -> str:
        """The level rule's condition; answers the id of the newest incident."""
        self.see(a_level(LEVEL, holds, self.clock.at, **given))
        return self.incidents()[0]["id"]

    def shift(self) -> str:
        """The detector rule fires; answers the id of the newest incident."""
        self.see(a_finding(SHIFT))
        return self.incidents()[0]["id"]

    def incidents(self) -> list[dict[str, Any]]:
        with self.database.read() as connection:
            return listed(connection)[0]

    def entries(self, *kinds: str) -> list[dict[str, Any]]:
        """Audit entries of some kinds, oldest first."""
        with self.database.read() as connection:
            found = connection.execute(select(audit.c.body).where(audit.c.kind.in_(kinds)).order_by(audit.c.seq))
            return [json.loads(body) for (body,) in found]

    def notices(self) -> list[tuple[str, str]]:
        with self.database.read() as connection:
            found = connection.execute(select(notices.c.reason, notices.c.target).order_by(notices.c.key))
            return [(reason, target) for reason, target in found]

    def wanted(self) -> list[dict[str, Any]]:
        with self.database.read() as connection:
            return [mark for _, mark in wanted_marks(connection, 0)]

    def desk_seq(self) -> int:
        with self.database.read() as connection:
            return desk_seq(connection, 0)


@pytest.fixture(scope="session")
def upgraded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("desk") / "ledger.db"
    schema.upgrade(path)
    return path


@pytest.fixture
def office(upgraded: Path, tmp_path: Path) -> Iterator[Office]:
    path = tmp_path / "ledger.db"
    shutil.copyfile(upgraded, path)
    made = Office(path)
    yield made
    made.database.close()
