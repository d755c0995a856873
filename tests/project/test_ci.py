"""The script that holds a change against everything: what it does when something does not hold."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = ("prometheus", "promtool", "amtool", "chromium", "fc-list", "systemd-analyze", "uv")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The script among stand-ins for all that it calls; each succeeds and says its name."""
    for name in ("bin", ".ci", ".venv/bin"):
        (tmp_path / name).mkdir(parents=True)
    shutil.copy(ROOT / ".ci/run", tmp_path / ".ci/run")
    for name in (*PROGRAMS, "make", "apt-get"):
        stand_in(tmp_path / "bin" / name)
    for name in (".ci/unit", ".ci/lint", ".venv/bin/uv", ".venv/bin/python"):
        stand_in(tmp_path / name)
    stand_in(tmp_path / ".ci/export", says="locked==1")
    for lock in ("requirements.lock", ".ci/fuzz.lock"):
        (tmp_path / lock).write_text("locked==1\n")
    return tmp_path


def stand_in(path: Path, code: int = 0, says: str = "") -> None:
    path.write_text(f'#!/bin/sh\necho "{says or path.name + " $*"}"\nexit {code}\n')
    path.chmod(0o755)


def run(checkout: Path) -> tuple[int, list[str]]:
    environment = {**os.environ, "PATH": f"{checkout}/bin:{os.environ['PATH']}"}
    command = ["bash", str(checkout / ".ci/run")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout.splitlines()


def test_it_ends_with_what_the_tests_said_last(checkout: Path) -> None:
    code, lines = run(checkout)
    assert code == 0, lines
    held = [line.split(":")[0] for line in lines if line.startswith("-- ")]
    checks = ["locks agree", "systemd unit", "style, imports, types", "wheel", "speed", "API as documented", "tests"]
    assert held == [f"-- {name}" for name in checks]
    assert lines[-2] == "make --no-print-directory test"


@pytest.mark.parametrize("broken", [".ci/unit", ".ci/lint", ".venv/bin/python", ".venv/bin/uv"])
def test_what_fails_early_does_not_hide_what_comes_later(checkout: Path, broken: str) -> None:
    stand_in(checkout / broken, code=3)
    code, lines = run(checkout)
    assert code == 1
    assert "make --no-print-directory test" in lines
    assert lines[-1].startswith("FAILED: ")
    assert sum("FAILED (" in line for line in lines) == 1


def test_a_lock_that_was_not_exported_again_is_found(checkout: Path) -> None:
    (checkout / "requirements.lock").write_text("locked==2\n")
    code, lines = run(checkout)
    assert code == 1
    assert "+locked==1" in lines
    assert lines[-1] == "FAILED: locks agree"


def test_a_set_up_that_fails_ends_it(checkout: Path) -> None:
    stand_in(checkout / "bin/make", code=2)
    code, lines = run(checkout)
    assert code == 2
    assert not [line for line in lines if line.startswith("==")]
