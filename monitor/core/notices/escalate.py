"""Asking again: an incident that stands open and that nobody has taken is told again."""

from __future__ import annotations

import math


def repeat_number(since: float, at: float, interval: float) -> int:
    """How many intervals have passed since the incident stood open; 0 before the first, and without an interval."""
    if interval <= 0.0 or at < since:
        return 0
    return math.floor((at - since) / interval)


def next_repeat(since: float, at: float, interval: float) -> float | None:
    """When the next one is due; None without an interval."""
    if interval <= 0.0:
        return None
    return since + (repeat_number(since, at, interval) + 1) * interval
