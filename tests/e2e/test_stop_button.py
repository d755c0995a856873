"""A service with the client in it is halted by a rule, released by people, and every step is in the oversight report."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from live_daemon import ROOT, Answer, LiveDaemon, wait_until

from monitor.client import Client, Gate

PACK = Path(__file__).with_name("pack") / "gating"
MODEL = "e2e-gated"


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveDaemon]:
    folder = tmp_path_factory.mktemp("stop")
    settings = folder / "overloop.toml"
    settings.write_text(f'gates_file = "{folder / "gates.json"}"\n')
    running = LiveDaemon(folder / "home", [PACK])
    running.command += ["--config", str(settings), "--single"]
    try:
        running.start()
        yield running
    finally:
        assert running.stop() == 0, running.log()


def test_a_rule_halts_the_service_two_people_release_it_and_the_report_has_every_step(
    daemon: LiveDaemon, tmp_path: Path
) -> None:
    people = {name: _token(daemon, name, "supervisor") for name in ("sue", "ada")}
    machine = _token(daemon, "svc", "ingest")
    gate = Gate(MODEL, daemon.url, machine, state_dir=str(tmp_path), poll=60.0, wait=20.0)
    client = Client(daemon.url, machine, linger=0.01)
    calls: list[float] = []

    @gate.guard(fallback=lambda inputs: {"label": "baseline"}, log=client.log)
    def predict(inputs: dict[str, Any]) -> dict[str, Any]:
        calls.append(inputs["amount"])
        return {"label": "model"}

    assert predict({"amount": 5}) == {"label": "model"} and gate.check().known
    drill = _say(daemon, "POST", "/v1/gate-drills", {"model": MODEL}, people["sue"]).json
    assert (drill["clients"], drill["passed"]) == (1, True) and drill["max_seconds"] < 10, drill
    assert gate.check().state == "auto"

    for _ in range(8):
        predict({"amount": -5})
    assert client.flush(20)
    wait_until(lambda: gate.check().state == "halt", "the service is halted by the rule, heard over the stream")
    before = len(calls)
    assert predict({"amount": 7}) == {"label": "baseline"} and len(calls) == before
    assert "gating/NegativeAmounts opened an incident" in gate.check().reason
    file = json.loads((daemon.home.parent / "gates.json").read_text())
    assert [(one["scope"], one["state"]) for one in file["gates"] if one["scope"] == MODEL] == [(MODEL, "halt")]

    path = f"/v1/gates/{MODEL}"
    first = _say(daemon, "PUT", path, {"state": "auto", "reason": "the till is mended"}, people["sue"])
    assert (first.status, first.json["state"]) == (202, "halt")
    again = _say(daemon, "PUT", path, {"state": "auto", "reason": "I say so"}, people["sue"])
    assert again.status == 409 and "another person" in again.detail
    second = _say(daemon, "PUT", path, {"state": "auto", "reason": "looked at it, too"}, people["ada"])
    assert (second.status, second.json["state"]) == (200, "auto")
    wait_until(lambda: gate.check().state == "auto", "the service goes on")
    assert predict({"amount": 9}) == {"label": "model"}
    wait_until(
        lambda: _clients(daemon)[0]["generation"] == second.json["generation"], "the service's word that it does"
    )
    assert client.close() and gate.close() is None
    _every_step_is_in_the_report(daemon)


def _every_step_is_in_the_report(daemon: LiveDaemon) -> None:
    words = ["report", "oversight", "--model", MODEL, "--period", "1d", "-o", "json"]
    told = subprocess.run(
        [sys.executable, "-m", "monitor.cli", "--home", str(daemon.home), *words],
        capture_output=True, text=True, cwd=ROOT, timeout=60, check=True,
    )  # fmt: skip
    report = json.loads(told.stdout)
    (stopping,) = [section for section in report["sections"] if section["id"] == "stopping"]
    assert stopping["status"] == "evidence present"
    steps = [(row["what"], row["by"], row["from"], row["to"]) for row in stopping["rows"]]
    assert steps == [
        ("drill", "sue", None, None),
        ("gate set", "machine", "auto", "halt"),
        ("gate release asked", "sue", None, "auto"),
        ("gate set", "ada", "halt", "auto"),
    ]
    figures = {figure["name"]: figure for figure in stopping["figures"]}
    assert figures["halts"]["value"] == 1 and figures["drills passed"]["k"] == 1
    assert figures["halts followed, p95 seconds"]["value"] is not None, "how fast the service followed the rule's halt"
    assert any("0 of them by the machine (must be 0)" in said for said in stopping["says"])


def test_a_service_that_cannot_hear_the_daemon_begins_halted_if_it_was(daemon: LiveDaemon, tmp_path: Path) -> None:
    machine, body = _token(daemon, "svc2", "ingest"), {"state": "halt", "reason": "a test"}
    assert _say(daemon, "PUT", "/v1/gates/e2e-other", body).status == 200
    with Gate("e2e-other", daemon.url, machine, state_dir=str(tmp_path), wait=20.0) as gate:
        assert gate.check().state == "halt"
    daemon.stop()
    with Gate("e2e-other", daemon.url, machine, state_dir=str(tmp_path)) as gate:
        assert gate.check()[::3] == ("halt", False)
    daemon.start()


def _say(daemon: LiveDaemon, method: str, path: str, body: Any, token: str | None = None) -> Answer:
    return daemon.call(method, path, json.dumps(body).encode(), {"Content-Type": "application/json"}, token)


def _token(daemon: LiveDaemon, user: str, role: str) -> str:
    made = _say(daemon, "POST", "/v1/tokens", {"user": user, "role": role})
    assert made.status in (200, 201), made.body
    return str(made.json["token"])


def _clients(daemon: LiveDaemon) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = daemon.call("GET", f"/v1/gate-clients?model={MODEL}").json["clients"]
    return found
