"""Disks that are slow or become read-only, and a home on one from the start."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from breakage import Disk, small_disk
from daemon_process import ROOT, Daemon, alive, until

Make = Callable[..., Daemon]
SYNC = 0.15  # seconds that a sync takes more


def events(first: int, count: int, confidence: float = 0.9) -> list[dict[str, Any]]:
    return [{"id": f"e{i}", "model": "m", "output": {"confidence": confidence}} for i in range(first, first + count)]


def doctor(daemon: Daemon) -> dict[str, dict[str, str]]:
    """What the command says of the home, by what it looks at."""
    command = [sys.executable, "-m", "monitor.cli", "--home", str(daemon.home), "doctor", "-o", "json"]
    environ = {name: value for name, value in daemon.environ.items() if name != "LD_PRELOAD"}
    done = subprocess.run(command, capture_output=True, env=environ, cwd=ROOT, check=False)
    return {look["what"]: look for look in json.loads(done.stdout)["looks"]}


def test_on_a_disk_that_syncs_slowly_posts_share_a_sync_and_people_are_heard(make_daemon: Make, tmp_path: Path) -> None:
    disk = Disk(tmp_path)
    daemon = make_daemon(environ=disk.environ).start()
    daemon.accept(*events(0, 10, 0.1))
    incident = daemon.incident()
    disk.slow(SYNC)
    began = time.monotonic()
    with ThreadPoolExecutor(32) as pool:
        answers = list(pool.map(lambda i: daemon.post(*events(10 + i, 1)), range(128)))
    seconds = time.monotonic() - began
    assert {status for status, _ in answers} == {202}
    assert SYNC < seconds < 128 * SYNC  # one sync for each post would take this long at least
    status, answer = daemon.ask(f"/v1/incidents/{incident['id']}/acknowledge", {})
    assert (status, answer["state"]) == (200, "acknowledged")
    daemon.observed(138)
    disk.well()
    assert daemon.stop() == 0


def test_a_disk_that_becomes_read_only_refuses_posts_in_words_and_all_goes_on_once_it_is_mended(
    make_daemon: Make, tmp_path: Path
) -> None:
    disk = Disk(tmp_path)
    daemon = make_daemon(environ=disk.environ).start()
    daemon.accept(*events(0, 10, 0.1))
    daemon.observed(10)
    incident, family = daemon.incident(), daemon.family()
    disk.read_only()
    status, answer = daemon.post(*events(10, 5))
    assert status == 503 and "read" in answer["detail"], answer
    status, answer = daemon.ask("/-/ready")
    assert status == 503 and "read" in answer["detail"], answer
    status, answer = daemon.ask(f"/v1/incidents/{incident['id']}/acknowledge", {})
    assert status == 503 and answer["detail"], answer
    assert daemon.incident()["state"] == "open"  # what can be read is shown
    until(lambda: daemon.said("waiting_ledger"), "nobody says what is waited for")
    disk.well()
    until(lambda: daemon.post(*events(10, 5))[0] == 202, "posts are still refused")
    daemon.observed(15)
    assert daemon.ask(f"/v1/incidents/{incident['id']}/acknowledge", {})[0] == 200
    daemon.ready()
    assert all(alive(pid) for pid in family)
    assert daemon.accounting()["refused"] >= 1
    assert daemon.stop() == 0


def test_a_home_on_a_read_only_disk_is_refused_in_a_sentence_at_the_start_and_by_the_doctor(
    make_daemon: Make, tmp_path: Path
) -> None:
    with small_disk(tmp_path / "disk", 120) as folder:
        daemon = make_daemon(folder=folder).start()
        daemon.accept(*events(0, 10))
        daemon.observed(10)
        assert daemon.stop() == 0
        daemon.log = tmp_path / "log"
        subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True, capture_output=True)
        daemon.launch()
        assert daemon.process is not None and daemon.process.wait(40) not in (0, None)
        text = daemon.log.read_text()
        assert "Read-only file system" in text and "Traceback" not in text
        home = doctor(daemon)["home"]
        assert home["health"] == "problem" and "read-only" in home["sentence"], home
        subprocess.run(["mount", "-o", "remount,rw", str(folder)], check=True, capture_output=True)
        daemon.start()
        daemon.observed(10)


@pytest.mark.slow
def test_a_file_size_limit_refuses_posts_as_a_full_disk_does_and_needs_no_right_to_mount_one(
    make_daemon: Make, tmp_path: Path
) -> None:
    """For machines where nobody may mount: RLIMIT_FSIZE makes every write beyond it fail with EFBIG."""
    daemon = make_daemon().start()
    daemon.accept(*events(0, 10))
    daemon.observed(10)
    size = max(path.stat().st_size for path in (daemon.home / "spool").rglob("*.db*"))
    front = daemon.child("front")
    subprocess.run(["prlimit", f"--pid={front}", f"--fsize={size + (64 << 10)}:unlimited"], check=True)
    noise = [{"id": f"n{i}", "model": "m", "output": {"text": os.urandom(2000).hex()}} for i in range(100)]
    until(lambda: daemon.post(*noise)[0] == 503, "posts are never refused")
    assert daemon.ask("/-/ready")[0] == 503
    subprocess.run(["prlimit", f"--pid={front}", "--fsize=unlimited"], check=True)
    until(lambda: daemon.post(*events(10, 5))[0] == 202, "posts are still refused")
    until(lambda: daemon.ask("/v1/accounting")[1]["waiting"] == 0, "events wait")
    assert daemon.child("front") == front
    assert daemon.stop() == 0
