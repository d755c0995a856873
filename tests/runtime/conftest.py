"""Worlds for the pump: each has a ledger copied from one that was upgraded once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pumping import World

from monitor.store import schema


@pytest.fixture(scope="session")
def empty_ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pump") / "ledger.db"
    schema.upgrade(path)
    return path


@pytest.fixture
def make_world(empty_ledger: Path, tmp_path: Path) -> Iterator[Callable[..., World]]:
    made: list[World] = []

    def make(**more: Any) -> World:
        made.append(World(tmp_path / f"home{len(made)}", empty_ledger, **more))
        return made[-1]

    yield make
    for world in made:
        world.close()


@pytest.fixture
def world(make_world: Callable[..., World]) -> World:
    return make_world()
