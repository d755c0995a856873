"""Daemons as real processes; none outlives its test."""

from __future__ import annotations

import compileall
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from daemon_process import ROOT, Daemon, Receiver


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What takes minutes is for `make survival`, which says so in the environment."""
    if os.environ.get("OVERLOOP_SURVIVAL") == "all":
        return
    long = [item for item in items if item.get_closest_marker("survival")]
    config.hook.pytest_deselected(items=long)
    items[:] = [item for item in items if item not in long]


@pytest.fixture
def make_daemon(tmp_path: Path) -> Iterator[Callable[..., Daemon]]:
    made: list[Daemon] = []

    def make(**more: Any) -> Daemon:
        folder = more.pop("folder", tmp_path / f"d{len(made)}")
        folder.mkdir(exist_ok=True)
        made.append(Daemon(folder, **more))
        return made[-1]

    yield make
    for daemon in made:
        daemon.end()


@pytest.fixture
def daemon(make_daemon: Callable[..., Daemon]) -> Daemon:
    return make_daemon()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as server:
        yield server
        server.shutdown()


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the wheel holds, to be put first on the path of a process."""
    made, installed = tmp_path_factory.mktemp("wheel"), tmp_path_factory.mktemp("installed")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(made), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    zipfile.ZipFile(next(made.glob("*.whl"))).extractall(installed)
    compileall.compile_dir(installed, quiet=2)
    where, path = [sys.executable, "-c", "import monitor; print(monitor.__file__)"], {"PYTHONPATH": str(installed)}
    found = subprocess.run(where, cwd=made, env=path, capture_output=True, text=True, check=True).stdout
    assert found.startswith(str(installed)), found
    return installed
