"""Batches, books and diagnostics of small rule files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from monitor.core.events import MISSING, Batch
from monitor.core.rules.compile import Source, make_book
from monitor.core.rules.diagnose import Diagnostic
from monitor.core.rules.model import Book, Rule
from monitor.core.rules.parse import parse_pack
from monitor.formats.yaml_nodes import load

HEAD = 'pack: p\nmodels: ["m-*"]\nrules:\n'


def make_batch(rows: Sequence[dict[str, Any]], at: Sequence[float] | None = None) -> Batch:
    n = len(rows)
    paths = sorted({path for row in rows for path in row})
    return Batch(
        model="m-1",
        ids=[f"e{i}" for i in range(n)],
        at=np.array(at if at is not None else np.arange(n), dtype=np.float64),
        recorded_at=np.arange(n, dtype=np.float64),
        offsets=np.arange(n, dtype=np.int64),
        columns={path: [row.get(path, MISSING) for row in rows] for path in paths},
        versions=[None] * n,
    )


@pytest.fixture(scope="session")
def batch() -> Callable[..., Batch]:
    return make_batch


def diagnose(text: str) -> list[Diagnostic]:
    """Everything said of one rule file."""
    document, found = load(text, "p/pack.yaml")
    if document is None:
        return found
    return parse_pack(document)[1]


@pytest.fixture(scope="session")
def told() -> Callable[[str], list[Diagnostic]]:
    return diagnose


def read_rule(body: str, head: str = HEAD) -> Rule:
    """The first rule of a pack whose text is `head` and `body`; fails on any diagnostic."""
    document, found = load(head + body, "p/pack.yaml")
    assert document is not None, found
    pack, found = parse_pack(document)
    assert not found
    assert pack is not None
    return pack.rules[0]


@pytest.fixture(scope="session")
def rule() -> Callable[..., Rule]:
    return read_rule


def make_books(files: dict[str, str], **settings: Any) -> tuple[Book | None, list[Diagnostic]]:
    source = Source(files, **settings)
    documents = []
    for file, text in files.items():
        document, found = load(text, file)
        assert document is not None, found
        documents.append(document)
    return make_book(source, documents)


@pytest.fixture(scope="session")
def book() -> Callable[..., tuple[Book | None, list[Diagnostic]]]:
    return make_books
