"""The front as the daemon composes it, on real files, with a clock that stands until it is moved; no server."""

from __future__ import annotations

import json
import shutil
import socket
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from monitor.app.front import FrontProcess
from monitor.app.home import Home, fill, make
from monitor.app.prepare import take_book
from monitor.clock import Clock
from monitor.core.changes import Changes
from monitor.core.findings import Evidence
from monitor.core.incidents.model import Incident
from monitor.core.incidents.words import meaning
from monitor.core.notices.keys import notice_key
from monitor.core.notices.model import Notice
from monitor.core.rules.defaults import texts_of
from monitor.settings import Settings, load
from monitor.store import outbox
from monitor.store.ledger import take_partition
from monitor.store.models import ModelSeen, see_models

RULES = Path(__file__).with_name("pack")
PUBLIC = "https://overloop.example"
ROLES = ("viewer", "operator", "supervisor", "admin", "ingest")
BASE = "http://127.0.0.1:8420"


class FakeClock:
    def __init__(self, at: float) -> None:
        self.at = at

    def now(self) -> float:
        return self.at


class Site:
    """A front, its client, and what an engine and a courier would have done to its ledger."""

    def __init__(self, home: Path, settings: Settings) -> None:
        self.listener = socket.socket()
        self.process = FrontProcess(Home(home), settings, self.listener)
        self.front, self.app = self.process.front, self.process.app
        self.clock = FakeClock(self.process.clock.now())
        self.front.now = self.front.doorkeeper.now = self.clock.now
        self.front.desk.clock = self.clock
        self.front.intake.start()
        self.database, self.desk = self.front.database, self.front.desk
        self.admin = (home / "token").read_text().strip()
        self.tokens = {"admin": self.admin}
        self.client = TestClient(self.app, base_url=BASE, follow_redirects=False)
        self._made = 0

    def close(self) -> None:
        self.client.close()
        self.process.stop()
        self.listener.close()

    # -- asking -------------------------------------------------------------------------------------------------

    def token(self, role: str) -> str:
        """A token of that role, of a user of that name."""
        if role not in self.tokens:
            made = self.post("/v1/tokens", {"user": f"a-{role}", "role": role})
            self.tokens[role] = made.json()["token"]
        return self.tokens[role]

    def ask(self, method: str, path: str, body: Any = None, role: str | None = "admin", **headers: str) -> Any:
        """One request with a token; `body` goes as JSON, bytes as they are."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if role is not None:
            sent["Authorization"] = f"Bearer {self.token(role)}"
        if body is not None and not isinstance(body, bytes):
            body, sent = json.dumps(body).encode(), {"Content-Type": "application/json", **sent}
        return self.client.request(method, path, content=body, headers=sent)

    def get(self, path: str, role: str | None = "admin", **headers: str) -> Any:
        return self.ask("GET", path, None, role, **headers)

    def post(self, path: str, body: Any = None, role: str | None = "admin", **headers: str) -> Any:
        return self.ask("POST", path, body, role, **headers)

    def browse(self, path: str, role: str | None = "admin") -> Any:
        """As a browser asks for a page, but with a token."""
        return self.get(path, role, Accept="text/html,application/xhtml+xml,*/*;q=0.8")

    # -- a browser that is signed in -----------------------------------------------------------------------------

    def sign_in(self, role: str = "admin") -> dict[str, str]:
        """Exchange a login link for a session; the headers that a browser sends with it."""
        url = self.post("/v1/login-links", {}, role).json()["url"]
        secret = url.split("t=")[1].split("&")[0]
        answer = self.client.post("/login", data={"t": secret, "next": "/"}, headers={"Origin": BASE})
        cookie = answer.headers["set-cookie"].split(";")[0]
        self.client.cookies.clear()  # each request names its own
        return {"Cookie": cookie, "Origin": BASE, "Accept": "text/html"}

    # -- what an engine and a courier do --------------------------------------------------------------------------

    def incident(self, rule: str = "ScoreShift", evidence: Iterable[Evidence] = (), **given: Any) -> str:
        """An incident that an engine opened; answers its id."""
        self._made += 1
        known = self.front.book.find(f"shop/{rule}")
        assert known is not None
        found, texts = known[1], texts_of(known[1])
        rows = list(evidence) or [self.evidence()]
        base: dict[str, Any] = {
            "id": f"00000000-0000-5000-8000-{self._made:012d}",
            "pack": "shop",
            "rule": rule,
            "model": "shop-eu",
            "version": "3",
            "segment": "",
            "severity": found.severity,
            "stage": found.stage,
            "historical": False,
            "latches": found.latches,
            "state": "open",
            "opened_at": self.clock.at,
            "changed_at": self.clock.at,
            "summary": f"{rule} tripped.",
            "meaning": meaning(known[0], found, "shop-eu", rows[0]),
            "action": texts.action,
            "effect": 1.5,
            "acknowledged_effect": 1.5,
        }
        incident = Incident(**{**base, **given})
        changes = Changes(incidents={incident.id: incident}, evidence=[(incident.id, row) for row in rows])
        with self.database.write(self.clock.at) as tx:
            tx.apply(changes)
            opened = {"incident": incident.id, "rule": incident.key, "severity": incident.severity, "revision": 1}
            tx.audit("incident_opened", "machine", opened)
        return incident.id

    def evidence(self, column: str = "output.score", **given: Any) -> Evidence:
        base: dict[str, Any] = {
            "segment": "",
            "statistic": "mean",
            "value": 0.75,
            "expected": 0.5,
            "effect": 2.0,
            "interval": (0.2, 0.3),
            "n": 400,
            "at": self.clock.at,
            "detail": "",
        }
        return Evidence(column, **{**base, **given})

    def told(self, incident: str, target: str, reason: Any = "opened", outcome: Any = "delivered") -> None:
        """A message that a courier sent, or tried to."""
        key = notice_key(incident, reason, 1, 0, target)
        notice = Notice(key, incident, target, reason, 1, 0, self.clock.at, self.clock.at)
        with self.database.write(self.clock.at) as tx:
            tx.apply(Changes(notices=[notice]))
        claimed = outbox.claim(self.database, self.clock.at, "courier", 30.0)
        assert claimed is not None
        outbox.finish(self.database, claimed, outcome, self.clock.at)

    def model(self, name: str = "shop-eu", **given: Any) -> None:
        base: dict[str, Any] = {
            "versions": ("2", "3"),
            "columns": {"inputs.amount": "number", "output.label": "category"},
        }
        with self.database.write(self.clock.at) as tx:
            see_models(tx, [ModelSeen(name, self.clock.at - 3600, self.clock.at, 1234, **{**base, **given})])

    def events(self, rows: Iterable[Mapping[str, Any]], model: str = "shop-eu") -> None:
        """Post events; what a row leaves out is ordinary."""
        ordinary = {
            "inputs": {"amount": 20.0, "group": "a"},
            "output": {"score": 0.5, "label": "yes", "confidence": 0.9},
        }
        lines = []
        for row in rows:
            self._made += 1
            event = {"id": f"e-{self._made}", "model": model, **ordinary, "context": {"latency_ms": 100}}
            lines.append(json.dumps({**event, **row}).encode())
        answer = self.post("/v1/events", b"\n".join(lines))
        assert answer.status_code == 202 and answer.json()["accepted"] == len(lines), answer.text


@pytest.fixture(scope="session")
def filled_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a ledger, a token and the rules of these tests, made once and copied."""
    path = tmp_path_factory.mktemp("web") / "home"
    home = make(path)
    fill(home)
    take_book(home, settings_of(path))
    with home.database() as database:
        take_partition(database, 0, Clock(path).now())
    with sqlite3.connect(home.ledger) as ledger:
        ledger.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    ledger.close()
    return path


def settings_of(home: Path, **more: Any) -> Settings:
    return load({"home": home, "rules": [RULES], "listen": "127.0.0.1:8420", **more}, {})


@pytest.fixture
def make_site(filled_home: Path, tmp_path: Path) -> Iterator[Callable[..., Site]]:
    opened: list[Site] = []

    def make_one(text: str = "", name: str = "home") -> Site:
        """`text` is that of overloop.toml."""
        home = tmp_path / name
        shutil.copytree(filled_home, home)
        (home / "overloop.toml").write_text(text)
        opened.append(Site(home, settings_of(home)))
        return opened[-1]

    yield make_one
    for site in opened:
        site.close()


@pytest.fixture
def site(make_site: Callable[..., Site]) -> Site:
    return make_site()
