"""The main paths, typed as a person would: a process for each command."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

from live_daemon import ROOT, LiveDaemon


def test_an_incident_is_found_shown_taken_and_closed_by_its_first_letters(daemon: LiveDaemon, fresh: str) -> None:
    listed = daemon.cli("incident", "list", "--state", "open", "--rule", "NegativeAmounts")
    assert listed.returncode == 0 and listed.stderr == ""
    heading, *rows = listed.stdout.splitlines()
    assert heading.split() == ["id", "state", "severity", "opened", "model", "owner", "summary"]
    (row,) = [row for row in rows if row.startswith(fresh[:8])]
    assert row.endswith(" is asked about amounts below zero.")
    incident = fresh
    shown = daemon.cli("incident", "show", incident[:8]).stdout
    assert "what to do       Ask the till team." in shown and f"id               {incident}" in shown
    assert "count of inputs.amount < 0 is 5, limit 3 (n = 5)" in shown
    done = daemon.cli("incident", "ack", incident[:8], "--for", "2h", "--note", "looking at it")
    assert done.returncode == 0 and done.stdout.startswith(f"Incident {incident[:8]} is acknowledged: shop-")
    found = json.loads(daemon.cli("incident", "show", incident, "-o", "json").stdout)
    assert (found["acknowledged_by"], found["notes"][0]["text"]) == ("admin", "looking at it")
    closed = daemon.cli("incident", "close", incident[:8], "--verdict", "real", "-o", "json")
    assert (found := json.loads(closed.stdout))["state"] == "closed" and found["verdict"] == "real"


def test_the_list_of_incidents_is_there_in_the_blink_of_an_eye(daemon: LiveDaemon) -> None:
    """It must not wait for what learns, decides, sends or validates: that is what keeps it under 300 ms."""
    script = (
        "import sys; sys.argv = ['overloop', 'incident', 'list']\n"
        "import atexit; from monitor.cli import main\n"
        "atexit.register(lambda: print(*{n.partition('.')[0] for n in sys.modules}, file=sys.stderr))\n"
        "main()"
    )
    environ = {**daemon.environ, "OVERLOOP_HOME": str(daemon.home)}
    done = subprocess.run([sys.executable, "-c", script], env=environ, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0
    heavy = {"river", "sqlalchemy", "apprise", "numpy", "pydantic", "rich", "fastapi", "alembic", "yaml"}
    assert set(done.stderr.split()) & heavy == set()


def test_on_a_terminal_no_line_is_wider_than_it(daemon: LiveDaemon) -> None:
    ours, theirs = pty.openpty()
    environ = {**daemon.environ, "OVERLOOP_HOME": str(daemon.home), "COLUMNS": "80"}
    command = [sys.executable, "-m", "monitor.cli", "audit", "list", "--limit", "5"]
    with subprocess.Popen(command, env=environ, stdout=theirs, cwd=ROOT):
        os.close(theirs)
        text = b""
        try:
            while piece := os.read(ours, 65_536):
                text += piece
        except OSError:  # the other end is closed
            pass
    os.close(ours)
    lines = text.decode().splitlines()
    assert lines[0].split() == ["seq", "at", "kind", "actor", "body"] and len(lines) > 5
    assert max(map(len, lines)) <= 80


def test_a_terminal_that_knows_few_letters_ends_no_command(daemon: LiveDaemon, tmp_path: Path) -> None:
    folder = tmp_path / "p"
    folder.mkdir()
    text = 'pack: p\nmodels: [m]\nrules:\n- {alert: A, severity: low, absent: {for: 10m}, annotations: {summary: "Größe …"}}\n'
    (folder / "pack.yaml").write_text(text, encoding="utf-8")
    command = [sys.executable, "-m", "monitor.cli", "rules", "explain", "--rules", str(folder)]
    environ = {**daemon.environ, "PYTHONIOENCODING": "latin-1"}
    done = subprocess.run(command, env=environ, capture_output=True, encoding="latin-1", cwd=ROOT)
    assert done.returncode == 0 and "Größe \\u2026" in done.stdout


def test_a_reader_that_goes_away_is_no_fault(daemon: LiveDaemon) -> None:
    environ = {**daemon.environ, "OVERLOOP_HOME": str(daemon.home)}
    command = f"{sys.executable} -m monitor.cli audit list --limit 1000 | head -n 1"
    done = subprocess.run(["bash", "-c", command], env=environ, capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.split()[:2] == ["seq", "at"] and done.stderr == ""
