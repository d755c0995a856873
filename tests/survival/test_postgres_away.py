"""A ledger on PostgreSQL that is stopped and started again: intake goes on, and what waited is done afterwards.

Settings know no such ledger yet, so the daemon is started by a script that gives its home one; everything else is as
`overloop run --single` does it.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator

import pytest
from daemon_process import Daemon, alive
from postgres_server import Server

Make = Callable[..., Daemon]

ON_POSTGRES = """
import sys
from pathlib import Path
from monitor.app.home import Home, make
from monitor.app.prepare import prepare
from monitor.app.start import bind, single
from monitor.settings import load
from monitor.store.database import Database
from monitor.telemetry.logs import configure_logging

class Address(str):
    def exists(self):
        return True  # a server's address is no path

class OnPostgres(Home):
    @property
    def ledger(self):
        return Address(sys.argv[4])

    def database(self):
        return Database.open(sys.argv[4], self.run, None, patience=2.0)

home, listen, rules, _ = sys.argv[1:]
settings = load({"home": Path(home), "listen": listen, "rules": (Path(rules),), "single": True})
configure_logging("json", "info")
made = OnPostgres(make(settings.home).path)
listener = bind(settings)
prepare(made, settings)
sys.exit(single(made, settings, listener))
"""


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as made:
        yield made


@pytest.mark.slow
@pytest.mark.postgres
@pytest.mark.parametrize(
    "away", [pytest.param(8.0, id="seconds"), pytest.param(600.0, id="ten minutes", marks=pytest.mark.survival)]
)
def test_while_postgresql_is_away_events_are_taken_and_afterwards_they_are_observed(
    make_daemon: Make, server: Server, away: float
) -> None:
    daemon = make_daemon()
    command = [sys.executable, "-c", ON_POSTGRES, daemon.home, f"127.0.0.1:{daemon.port}", daemon.rules, server.url]
    daemon.launch(command=[str(part) for part in command])
    daemon.ready()
    good = {"model": "m", "output": {"confidence": 0.9}}
    daemon.accept(*({"id": f"before{i}", **good} for i in range(10)))
    daemon.observed(10)

    server.stop()
    since, sent = time.monotonic(), 0
    while sent < 5 or time.monotonic() - since < away:
        daemon.accept({"id": f"during{sent}", "model": "m", "output": {"confidence": 0.1}})
        sent += 1
        time.sleep(min(1.0, away / 10))
    assert daemon.said("waiting_ledger")
    assert daemon.ask("/-/healthy")[0] == 200
    assert daemon.ask("/v1/incidents")[0] == 503  # people are told that it cannot be read

    server.start()
    daemon.observed(10 + sent)
    assert daemon.incident()["model"] == "m"
    daemon.accept({"id": "after", **good})
    daemon.observed(11 + sent)
    assert alive(daemon.pid) and not daemon.said("loop_failed")
    daemon.end()
