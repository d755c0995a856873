"""What works on the home folder itself: audit, schema, clock, backup and restore, and a daemon that cannot start."""

from __future__ import annotations

import json
import shutil
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from live_daemon import ROOT, LiveDaemon, free_port
from typer.testing import Result

Overloop = Callable[..., Result]
PACK = Path(__file__).with_name("pack") / "shop"


@pytest.fixture
def copy(daemon: LiveDaemon, overloop: Overloop, tmp_path: Path) -> Path:
    """The daemon's home as a backup: nobody runs in it."""
    folder = tmp_path / "copy"
    assert overloop("--home", daemon.home, "backup", folder).exit_code == 0
    return folder


# -- audit --------------------------------------------------------------------------------------------------------


def test_an_intact_log_is_told_beside_the_running_daemon_and_without_one(
    at: Overloop, overloop: Overloop, copy: Path
) -> None:
    for done in (at("audit", "verify"), overloop("--home", copy, "audit", "verify")):
        assert done.exit_code == 0 and done.stdout.startswith("The audit log is intact: ")
    head = at("audit", "head").stdout.strip()
    assert at("audit", "verify", "--against", head).exit_code == 0
    found = json.loads(at("audit", "verify", "--against", head, "-o", "json").stdout)
    assert found["code"] == 0 and f"{found['size']}:{found['root']}" == head
    assert json.loads(at("audit", "head", "-o", "json").stdout)["against"] == head


def test_a_log_that_was_changed_ends_with_1_and_says_where(overloop: Overloop, copy: Path) -> None:
    with sqlite3.connect(copy / "ledger.db") as ledger:
        for (name,) in ledger.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            ledger.execute(f"DROP TRIGGER {name}")
        ledger.execute("UPDATE audit SET actor = 'somebody' WHERE seq = 2")
    ledger.close()
    done = overloop("--home", copy, "audit", "verify")
    assert done.exit_code == 1 and done.stdout.startswith("Entry 2 of the audit log was changed: actor is not ")


def test_a_log_that_is_shorter_than_a_head_seen_earlier_ends_with_2(at: Overloop) -> None:
    done = at("audit", "verify", "--against", f"100000:{'ab' * 4}")
    assert done.exit_code == 2 and "but the head given had 100000" in done.stdout


@pytest.mark.parametrize("words", [("--agianst", "1:00"), ("--against", "1"), ("--against",), ("-o", "xml")])
def test_a_mistyped_command_has_checked_nothing_and_ends_with_3(at: Overloop, words: tuple[str, ...]) -> None:
    done = at("audit", "verify", *words)
    assert (done.exit_code, done.stdout) == (3, "") and done.stderr


def test_a_log_that_cannot_be_read_ends_with_3(overloop: Overloop, tmp_path: Path, copy: Path) -> None:
    assert overloop("--home", tmp_path / "none", "audit", "verify").exit_code == 3
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd" / "ledger.db").write_text("hello")
    assert "is no SQLite database" in overloop("--home", tmp_path / "odd", "audit", "verify").stderr
    with sqlite3.connect(copy / "ledger.db") as ledger:
        ledger.execute("ALTER TABLE audit RENAME TO other")
    ledger.close()
    done = overloop("--home", copy, "audit", "verify")
    assert done.exit_code == 3 and "cannot be read" in done.stderr


def test_entries_are_listed_by_kind(at: Overloop) -> None:
    done = at("audit", "list", "--kind", "book_loaded", "--limit", "5")
    assert done.exit_code == 0 and 'packs: ["shop"]' in done.stdout
    assert (
        "There is no kind 'book_load'. Did you mean `book_loaded`?" in at("audit", "list", "--kind", "book_load").stderr
    )
    assert json.loads(at("audit", "list", "--limit", "1", "-o", "json").stdout)["entries"]


# -- schema and clock ---------------------------------------------------------------------------------------------


def test_the_schema_is_checked_and_upgraded(overloop: Overloop, tmp_path: Path, at: Overloop) -> None:
    assert at("db", "check").stdout.endswith("has the schema 0001, the newest.\n")
    none = overloop("--home", tmp_path, "db", "check")
    assert none.exit_code == 3 and "`overloop run` makes one" in none.stderr
    assert overloop("--home", tmp_path, "db", "upgrade").exit_code == 0
    assert json.loads(overloop("--home", tmp_path, "db", "check", "-o", "json").stdout)["revision"] == "0001"
    with sqlite3.connect(tmp_path / "ledger.db") as ledger:
        ledger.execute("UPDATE alembic_version SET version_num = '9999'")
    ledger.close()
    done = overloop("--home", tmp_path, "db", "check")
    assert done.exit_code == 1 and "was written by a newer program" in done.stderr


def test_the_clock_agrees_until_the_wall_clock_jumps_and_is_accepted(overloop: Overloop, copy: Path) -> None:
    assert overloop("--home", copy, "clock", "show").stdout == "Daemon time and the wall clock agree.\n"
    file = copy / "clock.json"
    anchor = json.loads(file.read_text())
    hour_ago = {**anchor, "time": anchor["time"] - 3600.0, "ceiling": anchor["ceiling"] - 3600.0}
    file.write_text(json.dumps(hour_ago))  # daemon time stayed behind: the wall clock was put forward by an hour
    done = overloop("--home", copy, "clock", "show")
    assert done.exit_code == 1 and "The wall clock is 3600 s ahead of daemon time" in done.stdout
    assert overloop("--home", copy, "clock", "accept").stdout == "Daemon time has followed the wall clock.\n"
    with sqlite3.connect(copy / "ledger.db") as ledger:
        (entry,) = ledger.execute("SELECT actor, body FROM audit WHERE kind = 'clock_accepted'").fetchall()
    ledger.close()
    assert entry[0] == "admin" and b'"wall_minus_daemon_seconds":3600' in entry[1]
    assert overloop("--home", copy, "audit", "verify").exit_code == 0
    assert overloop("--home", copy, "clock", "show").exit_code == 0
    file.write_text(json.dumps({**anchor, "time": anchor["time"] + 3600.0, "ceiling": anchor["ceiling"] + 3600.0}))
    done = overloop("--home", copy, "clock", "accept")
    assert "it runs at half speed and meets it in 7" in done.stdout
    found = json.loads(overloop("--home", copy, "clock", "show", "-o", "json").stdout)
    assert found["jumped"] is False and found["wall_minus_daemon_seconds"] < -3500


def test_a_clock_is_not_made_where_no_daemon_ran(overloop: Overloop, tmp_path: Path) -> None:
    for verb in ("show", "accept"):
        done = overloop("--home", tmp_path, "clock", verb)
        assert (done.exit_code, list(tmp_path.iterdir())) == (3, []) and "No daemon has ever run in" in done.stderr


# -- backup and restore -------------------------------------------------------------------------------------------


def test_a_daemon_goes_on_from_a_backup_taken_while_another_ran(
    daemon: LiveDaemon, overloop: Overloop, copy: Path, fresh: str, tmp_path: Path
) -> None:
    """Tokens, incidents, what was learned, what waits and the audit log are those of the first."""
    before = json.loads(overloop("--home", copy, "audit", "verify", "-o", "json").stdout)
    home = tmp_path / "home"
    done = overloop("--home", home, "restore", copy)
    assert done.stdout == f"Restored {copy} to {home}; start the daemon with `overloop run --home {home}`.\n"
    second = LiveDaemon(home, [PACK])
    second.command.append("--single")
    try:
        second.start()
        assert second.token == daemon.token
        old = {i["id"]: i["state"] for i in second.incidents(model="shop-eu")}
        assert daemon.incident("NegativeAmounts", "shop-eu")["id"] in old
        accounts = second.settled()
        assert accounts["accepted"] >= 400 and accounts["accepted"] == accounts["observed"]
        # the detector of AmountShift had learned from 400 amounts around 22: it does not start anew
        second.send({"id": f"moved-{k}", "model": "shop-eu", "inputs": {"amount": 80.0 + k % 5}} for k in range(100))
        assert second.incident("AmountShift", "shop-eu")["state"] == "open"
        again = second.send([{"id": "a-0", "model": "shop-eu", "inputs": {"amount": 20.0}}])
        assert again == {"accepted": 0, "rejected": [], "duplicates": 1}
        head = f"{before['size']}:{before['root']}"
        assert overloop("--home", home, "audit", "verify", "--against", head).exit_code == 0
        assert '"restored"' in overloop("--home", home, "audit", "list", "--kind", "restored", "-o", "json").stdout
        assert second.stop() == 0
    finally:
        second.stop()


@pytest.mark.parametrize("words", ["audit verify", "db check", "db upgrade", "clock show", "backup b", "incident list"])
def test_a_home_that_the_system_refuses_is_told_in_a_sentence(overloop: Overloop, tmp_path: Path, words: str) -> None:
    """A name too long for the system stands for every refusal: it holds for root as well."""
    done = overloop("--home", tmp_path / ("x" * 300), *words.split())
    assert done.exit_code in (1, 3) and done.stdout == ""
    assert "File name too long" in done.stderr and done.stderr.endswith(".\n") and "Errno" not in done.stderr


def test_what_is_no_backup_or_no_empty_home_is_refused(overloop: Overloop, copy: Path, tmp_path: Path) -> None:
    done = overloop("--home", tmp_path / "new", "restore", tmp_path / "none")
    assert done.exit_code == 1 and "is no finished backup" in done.stderr
    done = overloop("--home", copy, "restore", copy)
    assert done.exit_code == 1 and "is restored into a new or empty home folder" in done.stderr
    (copy / "ledger.db").write_bytes(b"changed")
    done = overloop("--home", tmp_path / "new", "restore", copy)
    assert done.exit_code == 1 and "ledger.db is not what the manifest says" in done.stderr
    (tmp_path / "nobody's").mkdir()
    done = overloop("--home", tmp_path / "nobody's", "backup", tmp_path / "b")
    assert done.exit_code == 3 and "so nothing to back up" in done.stderr and not (tmp_path / "b").exists()
    assert "There is no home folder" in overloop("--home", tmp_path / "no", "backup", tmp_path / "b").stderr


# -- a daemon that cannot start -----------------------------------------------------------------------------------


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield other.getsockname()[1]


def run(home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "monitor.cli", "run", "--home", str(home), "--single", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=ROOT)


def test_a_port_in_use_is_told(tmp_path: Path, taken: int) -> None:
    done = run(tmp_path / "h", "--rules", str(PACK), "--listen", f"127.0.0.1:{taken}")
    assert done.returncode == 3
    assert done.stderr.splitlines()[-1].startswith(
        f"The daemon cannot listen on 127.0.0.1:{taken} (Address already in use)"
    )


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("--listen", "nonsense"), 2, "--listen: listen must be HOST:PORT"),
        (("--config", "/nowhere.toml"), 2, "/nowhere.toml cannot be read"),
        (("--rules", "/nowhere"), 2, "rules names /nowhere, which is not a folder."),
    ],
)
def test_settings_that_cannot_be_used_end_with_2(
    overloop: Overloop, tmp_path: Path, words: tuple[str, ...], code: int, says: str
) -> None:
    done = overloop("run", "--home", tmp_path / "h", *words)
    assert (done.exit_code, done.stdout) == (code, "") and says in done.stderr


def test_a_ledger_that_is_none_keeps_the_daemon_from_starting(overloop: Overloop, tmp_path: Path) -> None:
    (tmp_path / "ledger.db").write_text("hello")
    done = run(tmp_path, "--rules", str(PACK), "--listen", f"127.0.0.1:{free_port()}")
    assert done.returncode == 3 and "is no SQLite database; restore it from a backup" in done.stderr
    shutil.rmtree(tmp_path)
