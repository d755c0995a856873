"""A ledger on each database, and values to put into it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from monitor.core.changes import Changes, Gate, Silence
from monitor.core.findings import Evidence
from monitor.core.incidents.model import Incident, RuleState
from monitor.core.notices.model import Notice
from monitor.store import schema
from monitor.store.database import Database
from monitor.store.engines import ledger_url as ledger_url_of
from monitor.store.engines import migrating_engine
from monitor.store.tables import metadata


@pytest.fixture(scope="session")
def empty_ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Upgraded once; tests take copies."""
    path = tmp_path_factory.mktemp("ledger") / "ledger.db"
    schema.upgrade(path)
    return path


@pytest.fixture
def sqlite_ledger(empty_ledger: Path, tmp_path: Path) -> Path:
    path = tmp_path / "home" / "ledger.db"
    path.parent.mkdir()
    shutil.copyfile(empty_ledger, path)
    return path


@pytest.fixture(scope="session")
def shared_postgres_ledger(postgres_cluster: Path) -> str:
    """One upgraded database for all tests; `postgres_ledger_url` empties it."""
    psycopg = pytest.importorskip("psycopg")
    with psycopg.connect(host=str(postgres_cluster), user="postgres", autocommit=True) as server:
        server.execute("CREATE DATABASE ledger_tests")
    url = f"postgresql+psycopg://postgres@/ledger_tests?host={postgres_cluster}"
    schema.upgrade(url)
    return url


@pytest.fixture
def postgres_ledger_url(shared_postgres_ledger: str) -> str:
    names = ", ".join(f'"{table.name}"' for table in metadata.sorted_tables)
    engine = migrating_engine(ledger_url_of(shared_postgres_ledger), 10.0)
    with engine.begin() as connection:
        connection.exec_driver_sql("SET LOCAL session_replication_role = replica")  # past the guards
        connection.exec_driver_sql(f"TRUNCATE {names} RESTART IDENTITY")
        connection.exec_driver_sql("INSERT INTO audit_frontier VALUES (1, 0, '')")
    engine.dispose()
    return shared_postgres_ledger


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def ledger_url(request: pytest.FixtureRequest) -> str:
    """An upgraded, empty ledger on each database."""
    if request.param == "sqlite":
        return str(request.getfixturevalue("sqlite_ledger"))
    url: str = request.getfixturevalue("postgres_ledger_url")
    return url


@pytest.fixture
def database(ledger_url: str) -> Iterator[Database]:
    with Database.open(ledger_url) as opened:
        yield opened


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def bare_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return str(tmp_path / "ledger.db")
    url: str = request.getfixturevalue("postgres_url")
    return url


@pytest.fixture
def postgres_ledger(postgres_ledger_url: str) -> Iterator[Database]:
    with Database.open(postgres_ledger_url) as opened:
        yield opened


class Make:
    """Values with every field filled; what a test is about is given by name."""

    def incident(self, id_: str = "i-1", **given: Any) -> Incident:
        base: dict[str, Any] = {
            "id": id_,
            "pack": "base",
            "rule": "ScoreShift",
            "model": "fraud-eu",
            "version": "3",
            "segment": "",
            "severity": "high",
            "stage": "live",
            "historical": False,
            "latches": True,
            "state": "open",
            "opened_at": 100.0,
            "changed_at": 100.0,
            "summary": "The score moved.",
            "meaning": "It is higher than it was.",
            "action": "Look at it.",
            "runbook_url": "https://example.org/run",
            "effect": 1.5,
        }
        return Incident(**{**base, **given})

    def evidence(self, **given: Any) -> Evidence:
        base: dict[str, Any] = {
            "column": "output.score",
            "segment": "context.channel=web",
            "statistic": "mean",
            "value": 0.75,
            "expected": 0.5,
            "effect": 2.0,
            "interval": (0.25, 0.5),
            "n": 400,
            "at": 99.5,
            "detail": "It rose.",
        }
        return Evidence(**{**base, **given})

    def notice(self, key: str = "n-1", incident: str = "i-1", **given: Any) -> Notice:
        base: dict[str, Any] = {
            "key": key,
            "incident": incident,
            "target": "oncall",
            "reason": "opened",
            "occurrence": 1,
            "repeat": 0,
            "created_at": 100.0,
            "due_at": 105.0,
        }
        return Notice(**{**base, **given})

    def state(self, segment: str = "", **given: Any) -> RuleState:
        base: dict[str, Any] = {
            "rule": "base/SlowAnswers",
            "model": "fraud-eu",
            "segment": segment,
            "since": 90.0,
            "firing": False,
            "last_true": 99.0,
        }
        return RuleState(**{**base, **given})

    def gate(self, scope: str = "fraud-eu", **given: Any) -> Gate:
        base: dict[str, Any] = {
            "state": "review",
            "generation": 1,
            "reason": "it drifts",
            "since": 100.0,
            "by": "machine",
        }
        return Gate(**{"scope": scope, **base, **given})

    def silence(self, id_: str = "s-1", **given: Any) -> Silence:
        base: dict[str, Any] = {
            "matchers": (("model", "=~", "fraud-.*"),),
            "starts_at": 100.0,
            "ends_at": 200.0,
            "created_by": "ann",
            "reason": "planned work",
        }
        return Silence(**{"id": id_, **base, **given})

    def opened(self, *ids: str, **given: Any) -> Changes:
        """Changes that open incidents, each with one piece of evidence and one notice."""
        return Changes(
            incidents={id_: self.incident(id_, **given) for id_ in ids},
            evidence=[(id_, self.evidence()) for id_ in ids],
            notices=[self.notice(f"n-{id_}", id_) for id_ in ids],
        )


@pytest.fixture(scope="session")
def make() -> Make:
    return Make()
