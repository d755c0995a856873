"""Waking across threads and processes, over real sockets."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from monitor.wake import LONGEST, Sleeper, Waker


@pytest.fixture(params=["short", "long"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A socket's path that fits into the kernel's address, and one that does not."""
    folder = tmp_path if request.param == "short" else tmp_path / ("x" * 120)
    folder.mkdir(exist_ok=True)
    return folder / "engine.sock"


def test_a_wake_ends_a_wait(place: Path) -> None:
    waker = Waker(place)
    with Sleeper(place) as sleeper:
        threading.Timer(0.05, waker.wake).start()
        assert sleeper.wait(30.0)


def test_without_a_wake_the_wait_ends_by_itself(place: Path) -> None:
    with Sleeper(place) as sleeper:
        started = time.monotonic()
        assert not sleeper.wait(0.02)
        assert time.monotonic() - started >= 0.02


def test_a_wake_before_the_wait_is_not_lost_and_many_are_one(place: Path) -> None:
    with Sleeper(place) as sleeper:
        waker = Waker(place)
        for _ in range(5):
            waker.wake()
        assert sleeper.wait(0.0)
        assert not sleeper.wait(0.0)


def test_another_process_is_woken(place: Path) -> None:
    script = "import sys, pathlib; from monitor.wake import Waker; Waker(pathlib.Path(sys.argv[1])).wake()"
    with Sleeper(place) as sleeper:
        subprocess.run([sys.executable, "-c", script, str(place)], check=True)
        assert sleeper.wait(5.0)


def test_waking_nobody_does_nothing(place: Path) -> None:
    Waker(place).wake()


def test_waking_one_who_never_looks_never_blocks(place: Path) -> None:
    with Sleeper(place):
        waker, started = Waker(place), time.monotonic()
        for _ in range(5000):
            waker.wake()
        assert time.monotonic() - started < 2.0


def test_a_stale_socket_is_replaced(tmp_path: Path) -> None:
    place = tmp_path / "engine.sock"
    script = "import sys, os, pathlib, monitor.wake as w; w.Sleeper(pathlib.Path(sys.argv[1])); os._exit(9)"
    subprocess.run([sys.executable, "-c", script, str(place)], check=False)
    assert place.exists()
    with Sleeper(place) as sleeper:
        Waker(place).wake()
        assert sleeper.wait(0.0)


def test_an_older_sleeper_that_closes_late_leaves_its_successor_alone(tmp_path: Path) -> None:
    place = tmp_path / "engine.sock"
    older, newer = Sleeper(place), Sleeper(place)
    older.close()
    Waker(place).wake()
    assert newer.wait(0.0)
    newer.close()
    assert not place.exists()


def test_a_waker_finds_a_sleeper_that_came_later(place: Path) -> None:
    waker = Waker(place)
    with Sleeper(place):
        pass
    with Sleeper(place) as sleeper:
        waker.wake()
        assert sleeper.wait(0.0)


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Sleeper(tmp_path / "nowhere" / "engine.sock")


def test_the_longest_path_is_counted_in_bytes(tmp_path: Path) -> None:
    for letter in ("x", "ü"):
        spare = LONGEST - len(str(tmp_path).encode()) - 1
        for length in (spare // len(letter.encode()), spare // len(letter.encode()) + 1):
            with Sleeper(tmp_path / (letter * length)) as sleeper:
                Waker(tmp_path / (letter * length)).wake()
                assert sleeper.wait(0.0)
