"""A full disk, a locked ledger: posts are answered truthfully, nothing crashes, and it goes on by itself afterwards."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from daemon_process import Daemon, alive, until
from services import missing

from monitor.store.lock import FairLock

Make = Callable[..., Daemon]


def events(first: int, count: int) -> list[dict[str, object]]:
    return [{"id": f"e{i}", "model": "m", "output": {"confidence": 0.9}} for i in range(first, first + count)]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 120 MB: 64 of them are kept back for the ledger."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if os.geteuid() != 0:
        missing("The right to mount a small disk")
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=120m", "tmpfs", folder], capture_output=True)
    if mounted.returncode != 0:
        missing("A small disk (mount of a tmpfs)")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def fill_up(folder: Path, leave: int) -> Path:
    """A file that leaves so many bytes free."""
    path = folder / "ballast"
    room = os.statvfs(folder)
    with path.open("ab") as file:
        file.write(b"\0" * max(0, room.f_bavail * room.f_frsize - leave))
    return path


def test_a_full_disk_refuses_posts_and_everything_goes_on_once_there_is_room(
    make_daemon: Make, small_disk: Path
) -> None:
    daemon = make_daemon(folder=small_disk).start()
    daemon.accept(*events(0, 20))
    daemon.observed(20)
    family = daemon.family()

    ballast = fill_up(small_disk, leave=30 << 20)
    status, answer = daemon.post(*events(20, 5))
    assert status == 503 and "kept for the ledger" in answer["detail"]
    assert daemon.ask("/-/ready")[0] == 503

    fill_up(small_disk, leave=0)  # now not even the ledger can grow
    for i in range(5):
        assert daemon.post(*events(20, 5))[0] == 503, i
    assert daemon.ask("/-/healthy")[0] == 200

    ballast.unlink()
    until(lambda: daemon.post(*events(20, 5))[0] == 202, "posts are still refused")
    daemon.observed(25)
    daemon.ready()
    assert all(alive(pid) for pid in family)  # nobody had to be started again
    assert daemon.accounting()["refused"] >= 6
    assert daemon.stop() == 0


@pytest.mark.slow
def test_a_locked_ledger_holds_up_observing_and_nothing_else(daemon: Daemon) -> None:
    daemon.start()
    family = daemon.family()
    lock = FairLock(daemon.home / "run")
    lock.acquire(10.0)
    try:
        daemon.accept(*events(0, 50))
        assert daemon.accounting()["waiting"] == 50
        assert daemon.is_ready()
        until(lambda: daemon.said("waiting_ledger"), "nobody says what is waited for")
        until(lambda: "ledger" in (daemon.home / "run" / "engine.json").read_text(), "the wait has no name")
    finally:
        lock.release()
        lock.close()
    daemon.observed(50)
    assert all(alive(pid) for pid in family)
    assert daemon.stop() == 0
