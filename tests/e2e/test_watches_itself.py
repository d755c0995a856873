"""A whole daemon that something is wrong with says so itself: through the receivers that still work."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from live_daemon import LiveDaemon, Target, free_port, wait_until

PACK = Path(__file__).parents[1] / "cli" / "pack" / "shop"
SETTINGS = """
[receivers.dead]
url_env = "DEAD_URL"
[receivers.well]
url_env = "WELL_URL"
[[routes]]
receivers = ["dead"]
[notices]
group_wait = "0s"
"""


@pytest.fixture
def target() -> Iterator[Target]:
    found = Target()
    yield found
    found.stop()


@pytest.mark.slow
def test_a_receiver_that_fails_and_an_audit_log_that_was_changed_are_told_through_what_works(
    tmp_path: Path, target: Target
) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    (home / "overloop.toml").write_text(SETTINGS)
    environ = {"DEAD_URL": f"json://127.0.0.1:{free_port()}/", "WELL_URL": target.url}
    daemon = LiveDaemon(home, [PACK], environ)
    daemon.command.append("--single")
    try:
        daemon.start()
        assert daemon.stop() == 0
        with sqlite3.connect(home / "ledger.db") as ledger:
            for (name,) in ledger.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
                ledger.execute(f"DROP TRIGGER {name}")
            ledger.execute("UPDATE audit SET actor = 'somebody' WHERE seq = 1")
        ledger.close()
        daemon.start()
        broken = daemon.incident("AuditBroken", "overloop", 40.0)
        assert (broken["pack"], broken["severity"], broken["state"]) == ("overloop", "critical", "open")
        assert daemon.get(f"/incidents/{broken['id']}").status in (200, 303)
        failing = daemon.incident("ReceiverFailing", "receiver:dead", 150.0)  # what could not be told of the first
        assert "The receiver dead has taken no message since" in failing["summary"]
        (message,) = wait_until(lambda: target.about(failing["id"]), "the other receiver is told")
        assert "has taken no message" in message["message"] + message["title"]
        assert target.about(broken["id"]) == []  # its route leads to the one that fails
        done = daemon.cli("doctor")
        assert done.returncode == 1 and "problem  receiver dead" in done.stdout and "problem  audit" in done.stdout
        assert [one["rule"] for one in daemon.incidents(model="overloop")] == ["AuditBroken"]
    finally:
        daemon.stop()
