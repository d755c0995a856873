"""The wall clock jumps a day, forward or back, under the running daemon (libfaketime, the real processes)."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from breakage import fake_clock
from daemon_process import ROOT, Daemon, alive, until

Make = Callable[..., Daemon]
DAY = 86_400


def events(first: int, count: int, confidence: float = 0.9) -> list[dict[str, Any]]:
    rest = {"model": "m", "output": {"confidence": confidence}}
    return [{"id": f"e{i}", **rest} for i in range(first, first + count)]


def overloop(daemon: Daemon, *words: str) -> str:
    command = [sys.executable, "-m", "monitor.cli", "--home", str(daemon.home), *words]
    return subprocess.run(command, capture_output=True, text=True, env=daemon.environ, cwd=ROOT, check=False).stdout


@pytest.mark.slow
@pytest.mark.parametrize("days", [1, -1])
def test_a_wall_clock_that_jumps_a_day_is_not_followed_and_people_are_told(
    make_daemon: Make, tmp_path: Path, days: int
) -> None:
    says = tmp_path / "wall"
    says.write_text("+0\n")
    environ = {
        "LD_PRELOAD": fake_clock(), "FAKETIME_TIMESTAMP_FILE": str(says), "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1", "DONT_FAKE_MONOTONIC": "1",
    }  # fmt: skip
    daemon = make_daemon(environ=environ).start()
    daemon.accept(*events(0, 10))
    daemon.observed(10)
    family = daemon.family()
    says.write_text(f"{days:+d}d\n")
    daemon.accept(*events(10, 10, 0.1))
    daemon.observed(20)
    opened = datetime.fromisoformat(daemon.incident()["opened_at"]).timestamp()
    assert abs(opened - time.time()) < 120  # by daemon time, which is ours here
    told = daemon.incident("ClockJumped")
    assert told["model"] == "overloop" and "clock" in told["summary"].lower()
    looks = {look["what"]: look for look in json.loads(overloop(daemon, "doctor", "-o", "json"))["looks"]}
    assert looks["clock"]["health"] == "problem" and "overloop clock accept" in looks["clock"]["remedy"]
    assert daemon.is_ready() and all(alive(pid) for pid in family)
    assert {i["rule"] for i in daemon.incidents()} == {"Low", "ClockJumped"}  # nobody is taken for silent
    says.write_text("+0\n")
    until(lambda: daemon.incident("ClockJumped")["state"] != "open", "it does not clear")
    daemon.accept(*events(20, 5))
    daemon.observed(25)
    daemon.kill()
    daemon.start()
    daemon.observed(25)  # no clean stop: libfaketime fails the waits with a timeout that it would take
