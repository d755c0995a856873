"""Daemons as real processes; none outlives its test."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from daemon_process import Daemon, Receiver


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
