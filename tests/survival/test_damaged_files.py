"""Files that do not hold what was put in them: snapshots, the spool, a ledger whose making was cut short."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from daemon_process import ROOT, Daemon, until

Make = Callable[..., Daemon]


def events(first: int, count: int, size: int = 0) -> list[dict[str, Any]]:
    filler = {"inputs": {"text": os.urandom(size // 2).hex()}} if size else {}
    return [{"id": f"e{i}", "model": "m", "output": {"confidence": 0.9}, **filler} for i in range(first, first + count)]


def overloop(daemon: Daemon, *words: str) -> tuple[int, str]:
    """Exit code and output of the command, for the daemon's home."""
    command = [sys.executable, "-m", "monitor.cli", "--home", str(daemon.home), *words]
    done = subprocess.run(command, capture_output=True, text=True, env=daemon.environ, cwd=ROOT, check=False)
    return done.returncode, done.stdout + done.stderr


def flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 0x55
    path.write_bytes(data)


@pytest.mark.parametrize("which", ["the newest", "all"])
def test_a_damaged_snapshot_is_left_out_by_name_and_its_model_made_again_without_loss(
    daemon: Daemon, which: str
) -> None:
    daemon.start()
    daemon.accept(*events(0, 50))
    daemon.observed(50)
    assert daemon.stop() == 0
    daemon.start()
    daemon.accept(*events(50, 30))
    daemon.observed(80)
    assert daemon.stop() == 0
    kept = sorted((daemon.home / "snapshots").rglob("*.snap"), key=lambda path: path.name.split(".")[1])
    broken = (
        kept if which == "all" else [path for path in kept if path.name.split(".")[1] == kept[-1].name.split(".")[1]]
    )
    for path in broken:
        flip(path, path.stat().st_size // 2)
    daemon.log.unlink()
    daemon.start()
    daemon.observed(80)
    said = " ".join(line["event"] for line in daemon.said("restore_loss") + daemon.said("restored"))
    assert any(path.name in daemon.log.read_text() for path in broken) and "lost" not in said
    assert daemon.said("restored")[0]["replayed"] >= (80 if which == "all" else 1)
    status, answer = daemon.ask("/-/ready")
    assert (status, answer) == (200, {"status": "ready"})
    daemon.accept(*({"id": f"low{i}", "model": "m", "output": {"confidence": 0.1}} for i in range(5)))
    daemon.incident()
    assert daemon.stop() == 0


@pytest.mark.slow
def test_a_damaged_page_of_the_spool_stops_the_engine_in_words_and_the_named_command_mends_it(daemon: Daemon) -> None:
    daemon.start()
    daemon.accept(*events(0, 20))
    daemon.observed(20)
    engine = daemon.child("engine")
    os.kill(engine, signal.SIGSTOP)
    for i in range(10):
        daemon.accept(*events(20 + 40 * i, 40, size=3000))
    daemon.kill()
    segment = max((daemon.home / "spool" / "0").glob("*.db"))
    with sqlite3.connect(segment) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    size = segment.stat().st_size
    with segment.open("r+b") as file:
        file.seek(size // 2 // 4096 * 4096)
        file.write(os.urandom(4096))
    daemon.launch()
    until(lambda: "set-aside" in daemon.log.read_text(), "nobody says what to do")
    assert str(segment) in daemon.log.read_text()
    assert not daemon.is_ready()
    code, said = overloop(daemon, "doctor")
    assert code == 1 and "set-aside" in said, said
    daemon.end()
    until(lambda: daemon.process is not None and daemon.process.poll() is not None, "it does not end")
    code, said = overloop(daemon, "events", "set-aside", str(segment))
    assert code == 0 and "Lost: " in said, said
    daemon.start()
    until(lambda: daemon.ask("/v1/accounting")[1].get("waiting") == 0, "events wait")
    found = daemon.accounting()
    assert found["accepted"] == 420 == found["observed"] + found["quarantined"]
    assert 0 < found["lost"] == found["quarantined"] < 420
    assert "lost" in daemon.ask("/-/ready")[1]["remark"]
    assert daemon.incident("EventsLost")["model"] == "overloop"
    daemon.accept(*events(420, 5))
    until(lambda: daemon.ask("/v1/accounting")[1].get("waiting") == 0, "what comes after it waits")
    assert daemon.stop() == 0


@pytest.mark.slow
def test_a_ledger_whose_making_was_cut_short_anywhere_is_made_whole_at_the_next_start(make_daemon: Make) -> None:
    draw = random.Random(7)
    daemon = make_daemon()
    for _ in range(6):
        daemon.launch()
        assert daemon.process is not None
        begun = until(lambda: daemon.home.exists(), "nothing happens")
        assert begun
        time.sleep(draw.uniform(0.0, 2.0))  # wherever that is: the next start must not care
        daemon.kill()
    daemon.start()
    daemon.accept(*events(0, 10))
    daemon.observed(10)
    assert daemon.stop() == 0
    code, said = overloop(daemon, "audit", "verify")
    assert code == 0, said
    code, said = overloop(daemon, "db", "check")
    assert code == 0 and "0001" in said, said


HALF_A_MIGRATION = """
import os, signal, sqlite3, sys
ledger = sqlite3.connect(sys.argv[1], isolation_level=None)
ledger.execute("PRAGMA cache_size = 5")  # so that its pages reach the disk long before they are committed
ledger.execute("BEGIN IMMEDIATE")
ledger.execute("CREATE TABLE half (id INTEGER PRIMARY KEY, body TEXT)")
ledger.executemany("INSERT INTO half (body) VALUES (?)", [("x" * 1000,) for _ in range(3000)])
ledger.execute("DROP TABLE incidents")
ledger.execute("UPDATE alembic_version SET version_num = '0002'")
print(os.path.getsize(sys.argv[1] + "-wal"), flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_migration_that_was_killed_half_way_leaves_no_trace(daemon: Daemon) -> None:
    daemon.start()
    daemon.accept(*({"id": f"low{i}", "model": "m", "output": {"confidence": 0.1}} for i in range(5)))
    incident = daemon.incident()
    assert daemon.stop() == 0
    done = subprocess.run(
        [sys.executable, "-c", HALF_A_MIGRATION, daemon.home / "ledger.db"], capture_output=True, check=False
    )
    assert done.returncode == -signal.SIGKILL and int(done.stdout) > 1 << 20, done  # it had written over a megabyte
    daemon.start()
    assert daemon.incident()["id"] == incident["id"]
    daemon.observed(5)
    assert daemon.stop() == 0
    assert overloop(daemon, "audit", "verify")[0] == 0
