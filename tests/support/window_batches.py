"""Batches, rules and cuts for tests of windows and joins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from monitor.core.events import MISSING, Batch
from monitor.core.rules.model import Absent, Form, Position, Rule, Windowed

BASE = 1_700_000_000.0


def make_batch(
    clock: Sequence[float],
    columns: Mapping[str, list[Any]] | None = None,
    ids: list[str] | None = None,
    versions: list[str | None] | None = None,
    first: int = 0,
    **more: Any,
) -> Batch:
    """A batch recorded at `clock`; columns must be as long as it."""
    n = len(clock)
    times = np.array(clock, dtype=np.float64)
    return Batch(
        model="m",
        ids=ids if ids is not None else [f"e{first + i}" for i in range(n)],
        at=more.pop("at", times.copy()),
        recorded_at=times,
        offsets=np.arange(first, first + n, dtype=np.int64),
        columns=dict(columns or {}),
        versions=versions if versions is not None else [None] * n,
        **more,
    )


def make_rule(form: Form) -> Rule:
    return Rule("pack", "Rule", form, "high", Position("rules.yaml", 1, 1))


def cut(batch: Batch, sizes: Sequence[int]) -> list[Batch]:
    """The same rows as several batches; sizes repeat until the rows are used up."""
    pieces: list[Batch] = []
    start = 0
    while start < batch.n:
        size = max(1, sizes[len(pieces) % len(sizes)]) if sizes else batch.n
        pieces.append(batch.take(list(range(start, min(batch.n, start + size)))))
        start += size
    return pieces


def windowed(kind: Any, of: str, over: float = 60.0, **more: Any) -> Windowed:
    return Windowed(kind, of, over, **more)


FORMS: dict[str, Windowed | Absent] = {
    "share": windowed("share", "inputs.x < 1", above=0.3, clear=0.1, min_events=2),
    "share by": windowed("share", "inputs.x < 1", below=0.5, by=("inputs.g", "inputs.h")),
    "count": windowed("count", "inputs.x < 0", above=2, by=("inputs.g",)),
    "count below": windowed("count", "inputs.x < 0", below=2),
    "rate": windowed("measure", "rate()", below=0.1),
    "mean": windowed("measure", "mean(inputs.x)", above=1.0, clear=0.5, by=("inputs.g",)),
    "sum": windowed("measure", "sum(inputs.x)", above=1.0),
    "stddev": windowed("measure", "stddev(inputs.x)", above=1.0, by=("inputs.g",)),
    "min": windowed("measure", "min(inputs.x)", below=-1.0),
    "max": windowed("measure", "max(inputs.x)", above=1.0, by=("inputs.g",)),
    "p90": windowed("measure", "p90(inputs.x)", above=1.0, by=("inputs.g",)),
    "p10": windowed("measure", "p10(inputs.x)", below=-1.0),
    "distinct": windowed("measure", "distinct(inputs.g)", above=2),
    "parity": windowed("parity", "inputs.x < 1", below=0.8, by=("inputs.g",), min_events=2),
    "versions": windowed("compare", "mean(inputs.x)", above=0.1, against="previous_version", by=("inputs.g",)),
    "versions p50": windowed("compare", "p50(inputs.x)", below=0.1, against="previous_version"),
    "period": windowed("compare", "mean(inputs.x)", above=0.1, against="previous_period", by=("inputs.g",)),
    "period rate": windowed("compare", "rate()", below=0.5, against="previous_period"),
    "absent": Absent(30.0),
    "absent by": Absent(30.0, by=("inputs.g",)),
    "absent column": Absent(30.0, column="inputs.x"),
    "absent truth": Absent(30.0, truth=True),
}

WILD: list[Any] = [
    MISSING,
    None,
    0,
    -0.0,
    1,
    -2.5,
    True,
    False,
    "",
    "text",
    "3",
    "NaN",
    "\ud800",
    float("nan"),
    float("inf"),
    float("-inf"),
    1.7e308,
    -1.7e308,
    5e-324,
    2**70,
    -(10**400),
    [1, 2],
    {"a": 1},
]
