"""A point kills only where a test asks for it: with both variables, at that point, while somebody reads the pipe."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import timeit
from pathlib import Path

import pytest

from monitor.killpoints import AT, PIPE, POINTS, point

PASS = "from monitor.killpoints import point; point('before observe'); print('alive')"


def passing(**variables: str) -> subprocess.CompletedProcess[str]:
    """A process of its own that passes the point "before observe"."""
    environment = {**os.environ, **variables}
    return subprocess.run([sys.executable, "-c", PASS], env=environment, capture_output=True, text=True, check=False)


@pytest.fixture
def pipe(tmp_path: Path) -> Path:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    return path


def test_a_point_that_is_asked_for_tells_its_name_and_kills(pipe: Path) -> None:
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    done = passing(**{AT: "before observe", PIPE: str(pipe)})
    assert (done.returncode, done.stdout) == (-signal.SIGKILL, "")
    assert os.read(reader, 100) == b"before observe\n"
    os.close(reader)


def test_another_point_kills_nobody(pipe: Path) -> None:
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    assert passing(**{AT: "after observe", PIPE: str(pipe)}).stdout == "alive\n"
    os.close(reader)


@pytest.mark.parametrize("left", ["no pipe", "nobody reads", "a file", "nothing there"])
def test_variables_that_are_left_over_kill_nobody(pipe: Path, tmp_path: Path, left: str) -> None:
    file = tmp_path / "file"
    file.write_text("kept")
    where = {"nobody reads": pipe, "a file": file, "nothing there": tmp_path / "nothing"}
    variables = {AT: "before observe"} | ({PIPE: str(where[left])} if left in where else {})
    assert passing(**variables).stdout == "alive\n"
    assert file.read_text() == "kept"


def test_a_point_costs_next_to_nothing() -> None:
    """A commit passes a handful of them and takes a tenth of a millisecond at least."""
    assert min(timeit.repeat(lambda: point("before observe"), number=10_000, repeat=5)) / 10_000 < 2e-6


def test_every_point_is_passed_in_one_place_of_the_program() -> None:
    texts = [path.read_text() for path in (Path(__file__).parents[2] / "monitor").rglob("*.py")]
    places = {name: sum(text.count(f'point("{name}")') for text in texts) for name in POINTS}
    assert places == dict.fromkeys(POINTS, 1)
