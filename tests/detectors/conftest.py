"""Rules, batches and streams for the detector tests. Helpers come as fixtures: there are no test packages."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from monitor.core import state
from monitor.core.columns import Columns
from monitor.core.detectors.build import detector_watcher
from monitor.core.events import Batch
from monitor.core.findings import Finding
from monitor.core.rules.model import ColumnSetting, Detect, Position, Rule
from monitor.core.watcher import Watcher

START = 1_700_000_000.0


def make_rule(detect: Detect, **more: Any) -> Rule:
    return Rule("pack", "Rule", detect, "high", Position("pack.yaml", 1, 1), **{"resolve": "person"} | more)


def make_batch(columns: dict[str, Sequence[Any]], start: int = 0, **more: Any) -> Batch:
    """One event a second; offsets count from `start`."""
    n = len(next(iter(columns.values()))) if columns else 0
    at = START + np.arange(start, start + n, dtype=float)
    ids = [f"event-{i}" for i in range(start, start + n)]
    given = {"ids": ids, "at": at, "recorded_at": at.copy(), "versions": [None] * n} | more
    return Batch(
        model="model",
        offsets=np.arange(start, start + n),
        columns={path: list(values) for path, values in columns.items()},
        **given,
    )


@dataclass
class Player:
    """A watcher with the columns of its model, fed in pieces."""

    rule: Rule
    settings: dict[str, ColumnSetting] = field(default_factory=dict)
    offset: int = 0
    columns: Columns = field(init=False)
    watcher: Watcher = field(init=False)

    def __post_init__(self) -> None:
        self.columns = Columns(self.settings)
        self.watcher = detector_watcher(self.rule, "model", self.columns)

    def feed(
        self,
        columns: dict[str, Sequence[Any]],
        cuts: int | Sequence[int] = 1000,
        versions: Sequence[str | None] | None = None,
        reload: bool = False,
        **more: Any,
    ) -> list[Finding]:
        n = len(next(iter(columns.values())))
        edges = list(range(0, n, cuts)) if isinstance(cuts, int) else [0, *cuts]
        found: list[Finding] = []
        for start, stop in zip(edges, [*edges[1:], n], strict=True):
            piece = {path: values[start:stop] for path, values in columns.items()}
            more["versions"] = [None] * (stop - start) if versions is None else list(versions[start:stop])
            batch = make_batch(piece, self.offset, **more)
            self.offset += batch.n
            self.columns.learn(batch)
            found += self.watcher.observe(batch, np.maximum.accumulate(batch.recorded_at))
            if reload:
                self.reload()
        return found

    @property
    def now(self) -> float:
        return START + self.offset

    def reload(self) -> None:
        """Save to bytes and go on with a fresh watcher made from them."""
        saved = state.load(state.dump(self.watcher.save()))
        self.watcher = detector_watcher(self.rule, "model", self.columns)
        self.watcher.load(saved)

    def digest(self) -> str:
        return hashlib.sha256(state.dump(self.watcher.save())).hexdigest()


@pytest.fixture
def rule_of() -> Callable[..., Rule]:
    return make_rule


@pytest.fixture
def batch_of() -> Callable[..., Batch]:
    return make_batch


@pytest.fixture
def player() -> Callable[..., Player]:
    """`player(Detect(…), settings={…}, on_version=…)`."""

    def make(detect: Detect, settings: dict[str, ColumnSetting] | None = None, **more: Any) -> Player:
        return Player(make_rule(detect, **more), settings or {})

    return make
