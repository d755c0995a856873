"""The segments of a level that are nearest to tripping, or farthest beyond."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from monitor.core.findings import NO, YES, Level

SHOWN = 5


def worst(level: Level, unknown: Sequence[int] | None = None) -> list[dict[str, Any]]:
    """Up to `SHOWN` segments, by effect, those without one last. JSON-able: NaN is None."""
    order = np.argsort(-np.nan_to_num(level.effect, nan=-np.inf), kind="stable")[:SHOWN]
    rows = [_row(level, int(i)) for i in order]
    if unknown is not None:
        for row, i in zip(rows, order.tolist(), strict=True):
            row["unknown"] = unknown[i]
    return rows


def _row(level: Level, i: int) -> dict[str, Any]:
    return {
        "segment": level.segments[i],
        "value": _plain(level.value[i]),
        "expected": _plain(level.expected[i]),
        "ratio": _plain(level.effect[i]),
        "n": int(level.n[i]),
        "holds": {YES: "yes", NO: "no"}.get(int(level.holds[i]), "unknown"),
        "at": level.at,
    }


def _plain(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
