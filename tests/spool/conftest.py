"""A spool in a temporary folder, and posts for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from monitor.spool import Limits, Options, Post, Spool, id_hash


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "spool"


@pytest.fixture
def spool(folder: Path) -> Iterator[Spool]:
    with Spool.open(folder) as opened:
        yield opened


@pytest.fixture
def small() -> Options:
    """Segments of a few records and a short memory, so that both turn over within a test."""
    return Options(limits=Limits(segment_bytes=26_000, recent_ids=100))


@pytest.fixture
def events() -> Callable[..., Post]:
    """A post of events with these ids."""

    def make(*ids: object, model: str = "m", **more: Any) -> Post:
        lines = [f'{{"id":"{id_}","model":"{model}","output":{{"x":1}}}}'.encode() for id_ in ids]
        return Post("events", lines, [id_hash(model, str(id_)) for id_ in ids], **more)

    return make


@pytest.fixture
def truths() -> Callable[..., Post]:
    def make(*ids: object, **more: Any) -> Post:
        return Post("truth", [f'{{"id":"{i}","model":"m","truth":{{"y":1}}}}'.encode() for i in ids], **more)

    return make
