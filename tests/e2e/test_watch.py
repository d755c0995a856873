"""`overloop watch` beside a real daemon that is stopped, killed and started again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from live_daemon import ROOT, LiveDaemon, Target, wait_until

PACK = Path(__file__).parents[1] / "cli" / "pack" / "shop"


@pytest.fixture
def target() -> Iterator[Target]:
    found = Target()
    yield found
    found.stop()


def titles(target: Target) -> list[str]:
    return [message["title"].rpartition(" is ")[2] for message in target.log]


def start(url: str, target: Target, **environ: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "monitor.cli", "watch", url, "--every", "1s", "--tell", target.url]
    plain = {name: value for name, value in os.environ.items() if not name.startswith("OVERLOOP_")}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    return subprocess.Popen(command, cwd=ROOT, env={**plain, **environ}, text=True, **pipes)


@pytest.mark.slow
def test_a_daemon_that_is_stopped_or_killed_is_told_and_so_is_that_it_is_back(tmp_path: Path, target: Target) -> None:
    daemon = LiveDaemon(tmp_path / "home", [PACK]).start()
    watching = start(daemon.url, target, OVERLOOP_TOKEN=daemon.token)
    try:
        engine = daemon.family()["engine"]
        os.kill(engine, signal.SIGSTOP)  # it lives, and does nothing
        wait_until(lambda: titles(target) == ["quiet"], "the engine that stands still is told", 40.0)
        assert "Nobody may be watching your models now" in target.log[0]["message"]
        os.kill(engine, signal.SIGCONT)
        wait_until(lambda: titles(target) == ["quiet", "back"], "that it is back is told", 40.0)
        daemon.stop(signal.SIGKILL)
        wait_until(lambda: titles(target) == ["quiet", "back", "quiet"], "the daemon that is gone is told", 40.0)
        assert "cannot be reached" in target.log[2]["message"]
        daemon.start()
        wait_until(lambda: titles(target) == ["quiet", "back", "quiet", "back"], "that it is back is told", 40.0)
        watching.send_signal(signal.SIGTERM)
        said, _ = watching.communicate(timeout=15.0)
        assert watching.returncode == 0 and said.endswith("The watch has ended.\n")
        assert daemon.token not in said and "Traceback" not in said
    finally:
        watching.kill()
        watching.wait()
        daemon.stop()


def test_without_a_token_or_with_an_address_that_is_none_it_ends_with_2(target: Target) -> None:
    without = start("http://127.0.0.1:1", target)
    said, _ = without.communicate(timeout=30.0)
    assert without.returncode == 2 and "Set OVERLOOP_TOKEN" in said
