"""Streams for the budgeted detector: events with times of their own, fed in pieces."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from monitor.core import state
from monitor.core.columns import Columns
from monitor.core.detectors.budget.watcher import BudgetWatcher
from monitor.core.detectors.build import detector_watcher
from monitor.core.events import Batch
from monitor.core.findings import Finding
from monitor.core.rules.model import ColumnSetting, Detect, Position, Rule
from monitor.core.watcher import Mark, Watcher

START = 1_700_000_000.0
SHIFT = Detect("shift", ("inputs.*",))
STEP = 300.0  # seconds between events: 2,016 a week


@dataclass
class Player:
    """A watcher fed from columns; `at` follows from the number of events seen unless it is given."""

    detect: Detect = SHIFT
    budget: float = 1.0
    step: float = STEP
    more: dict[str, Any] = field(default_factory=dict)
    offset: int = 0

    def __post_init__(self) -> None:
        self.rule = Rule("pack", "Rule", self.detect, "high", Position("p", 1, 1), **{"resolve": "person"} | self.more)
        self.columns = Columns({"inputs.x": ColumnSetting("number")})
        self.watcher: Watcher = self.fresh()

    def fresh(self) -> Watcher:
        return detector_watcher(self.rule, "model", self.columns, self.budget)

    @property
    def now(self) -> float:
        return START + self.offset * self.step

    @property
    def states(self) -> list[str]:
        assert isinstance(self.watcher, BudgetWatcher)
        return [row["state"] for row in self.watcher.describe()["references"]]

    def feed(
        self,
        columns: dict[str, Sequence[Any]],
        cuts: int = 1000,
        at: np.ndarray[Any, Any] | None = None,
        reload: bool = False,
        versions: Sequence[str | None] | None = None,
    ) -> list[Finding]:
        n = len(next(iter(columns.values())))
        times = START + np.arange(self.offset, self.offset + n) * self.step if at is None else at
        recorded = np.maximum.accumulate(np.minimum(times, 4e9))
        if at is not None:
            recorded = START + np.arange(self.offset, self.offset + n) * self.step
        found: list[Finding] = []
        for start in range(0, n, cuts):
            part = slice(start, min(start + cuts, n))
            size = part.stop - part.start
            batch = Batch(
                model="model",
                ids=[str(self.offset + i) for i in range(size)],
                at=times[part],
                recorded_at=recorded[part],
                offsets=np.arange(self.offset, self.offset + size),
                columns={path: list(values[part]) for path, values in columns.items()},
                versions=[None] * size if versions is None else list(versions[part]),
            )
            self.offset += size
            self.columns.learn(batch)
            found += self.watcher.observe(batch, np.maximum.accumulate(batch.recorded_at))
            if reload:
                self.reload()
        return found

    def arm(self, until: float | None = None) -> None:
        """Take what was seen as the reference."""
        self.watcher.apply(Mark("reference", self.now, body={"until": self.now if until is None else until}))

    def reload(self) -> None:
        saved = state.load(state.dump(self.watcher.save()))
        self.watcher = self.fresh()
        self.watcher.load(saved)

    def digest(self) -> str:
        return hashlib.sha256(state.dump(self.watcher.save())).hexdigest()


@pytest.fixture
def player() -> Callable[..., Player]:
    return Player
