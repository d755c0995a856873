"""`overloop doctor`: a line for each thing, with the daemon up and down, and its exit code."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from live_daemon import LiveDaemon, wait_until
from typer.testing import Result

from monitor.app.checkup_unit import look_at_unit

Overloop = Callable[..., Result]


def looks(done: Result) -> dict[str, Any]:
    return {look["what"]: look for look in json.loads(done.stdout)["looks"]}


@pytest.fixture
def copy(daemon: LiveDaemon, overloop: Overloop, tmp_path: Path) -> Path:
    folder = tmp_path / "copy"
    assert overloop("--home", daemon.home, "backup", folder).exit_code == 0
    return folder


def test_all_is_well_beside_a_running_daemon(at: Overloop) -> None:
    wait_until(lambda: looks(at("doctor", "-o", "json"))["audit"]["health"] == "ok", "the audit log is checked")
    done = at("doctor", "-o", "json")
    found = looks(done)
    assert done.exit_code == 0 and json.loads(done.stdout)["well"] is True
    assert {name for name, look in found.items() if look["health"] == "problem"} == set()
    wanted = {"home", "disk", "daemon", "schema", "clock", "spool", "step", "receivers", "delivery", "audit", "rules"}
    assert wanted <= set(found)
    assert found["daemon"]["sentence"].endswith("its engine has finished a turn lately.")
    assert found["spool"]["sentence"] == "No event waits: all that was accepted is observed."
    assert found["audit"]["sentence"].startswith("Checked ") and "intact" in found["audit"]["sentence"]
    for look in found.values():
        assert look["sentence"].endswith(".") and (look["health"] == "ok" or look["remedy"].endswith((".", "`.")))
    lines = at("doctor").stdout.splitlines()
    assert all(line.startswith(("ok ", "warning ", "problem ")) for line in lines) and len(lines) == len(found)


def test_a_daemon_that_is_down_is_a_problem_and_the_rest_is_looked_at_all_the_same(
    overloop: Overloop, copy: Path
) -> None:
    done = overloop("--home", copy, "doctor", "-o", "json")
    found = looks(done)
    assert done.exit_code == 1
    assert found["daemon"]["health"] == "problem" and "overloop run --home" in found["daemon"]["remedy"]
    assert found["schema"]["health"] == found["clock"]["health"] == found["home"]["health"] == "ok"
    assert found["step"]["sentence"].startswith("The last step was completed ")


def test_receivers_that_fail_and_an_audit_log_that_is_not_intact_are_problems(overloop: Overloop, copy: Path) -> None:
    now = time.time()
    said = json.dumps({"at": now - 60.0, "code": 1, "sentence": "Entry 2 of the audit log was changed."})
    with sqlite3.connect(copy / "ledger.db") as ledger:
        (incident,) = ledger.execute("SELECT id FROM incidents").fetchone()
        ledger.execute("INSERT OR REPLACE INTO facts (name, value) VALUES ('audit_verified', ?)", (said,))
        ledger.execute("INSERT OR REPLACE INTO facts (name, value) VALUES ('receivers', ?)", ('{"pager": "json://x"}',))
        columns = "key, incident, target, reason, occurrence, repeat, created_at, due_at, state, attempt, problem"
        values = ("k", incident, "pager", "opened", 1, 0, now - 900.0, now - 800.0, "retry", 7, "It answered 500.")
        ledger.execute(f"INSERT INTO notices ({columns}) VALUES ({', '.join('?' * 11)})", values)
    ledger.close()
    found = looks(overloop("--home", copy, "doctor", "-o", "json"))
    assert found["receiver pager"]["health"] == "problem"
    assert found["receiver pager"]["sentence"] == (
        'The receiver "pager" never took one, and 1 message is tried again and again: It answered 500.'
    )
    assert "overloop receivers test pager" in found["receiver pager"]["remedy"]
    assert found["delivery"]["health"] == "problem" and "nobody takes it up" in found["delivery"]["sentence"]
    assert found["audit"]["health"] == "problem" and found["audit"]["sentence"].endswith("was changed.")


def test_a_clock_that_jumped_and_rules_that_cannot_be_loaded_are_problems(
    overloop: Overloop, copy: Path, tmp_path: Path
) -> None:
    file = copy / "clock.json"
    anchor = json.loads(file.read_text())
    file.write_text(json.dumps({**anchor, "time": anchor["time"] - 7200.0, "ceiling": anchor["ceiling"] - 7200.0}))
    (tmp_path / "packs" / "odd").mkdir(parents=True)
    (tmp_path / "packs" / "odd" / "pack.yaml").write_text("pack: odd\nnonsense: 1\n")
    (tmp_path / "o.toml").write_text(f'rules = ["{tmp_path / "packs"}"]\n')
    found = looks(overloop("--home", copy, "doctor", "--config", tmp_path / "o.toml", "-o", "json"))
    assert found["clock"]["sentence"] == "The wall clock is 2 hours ahead of daemon time, which did not follow."
    assert found["rules"]["health"] == "problem" and "odd/pack.yaml" in found["rules"]["sentence"]


def test_a_home_that_is_not_there_ends_with_1_and_nothing_is_made(overloop: Overloop, tmp_path: Path) -> None:
    done = overloop("--home", tmp_path / "none", "doctor")
    assert done.exit_code == 1 and done.stdout.startswith("problem  home: There is no home folder ")
    assert list(tmp_path.iterdir()) == []


def test_settings_that_cannot_be_used_are_one_problem(overloop: Overloop, tmp_path: Path) -> None:
    (tmp_path / "o.toml").write_text("nonsense = 1\n")
    done = overloop("--home", tmp_path, "doctor", "--config", tmp_path / "o.toml")
    assert done.exit_code == 1 and done.stdout.startswith("problem  settings: ") and "nonsense" in done.stdout


def test_the_unit_is_looked_at_where_there_is_one() -> None:
    def unit(text: str) -> list[tuple[str, str]]:
        return [(look.health, look.sentence) for look in look_at_unit(lambda: text)]

    up = "LoadState=loaded\nActiveState=active\nSubState=running\nNRestarts=2\nUnitFileState=enabled\n"
    assert unit(up) == [("ok", "The unit overloop.service is active (running) and was restarted 2 times.")]
    assert unit(up.replace("enabled", "disabled"))[0][0] == "warning"
    assert unit(up.replace("=active", "=failed"))[0][0] == "problem"
    assert unit("LoadState=not-found\n") == unit("") == []
