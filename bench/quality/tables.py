"""Figures into the tables of the page. A figure that was not measured is a dash."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from bench.quality.limits import Rate
from bench.quality.results import Delay, Table

NONE = "–"


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table."""
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines)


def per_week(found: Rate | None) -> str:
    """A rate with its exact limits."""
    if found is None or not math.isfinite(found.value):
        return NONE
    return f"{found.value:.2f} [{found.low:.2f}, {found.high:.2f}]"


def rate(found: Rate | None) -> str:
    """A rate alone."""
    return NONE if found is None or not math.isfinite(found.value) else f"{found.value:.2f}"


def between(found: Rate | None) -> str:
    """The limits from the bootstrap over streams."""
    if found is None or not math.isfinite(found.between[0]):
        return NONE
    return f"[{found.between[0]:.2f}, {found.between[1]:.2f}]"


def delay(found: Delay | None) -> str:
    """A mean delay, and the share missed if any was."""
    if found is None:
        return NONE
    if found.missed == 1.0:
        return "never"
    missed = f", {found.missed:.0%} missed" if found.missed else ""
    return f"{found.mean:.1f}{missed}"


def precise_delay(found: Delay | None) -> str:
    """The same with limits, and the median."""
    if found is None or found.missed == 1.0:
        return delay(found)
    return f"{delay(found)} [{found.low:.1f}, {found.high:.1f}], median {found.median:g}"


def of(counts: tuple[int, int]) -> str:
    """How many of how many."""
    return f"{counts[0]} of {counts[1]}" if counts[1] else NONE


def null_table(table: Table, main: str, others: Sequence[str]) -> str:
    """Families by false pages a week."""
    head = [
        "family",
        "stream-weeks",
        f"{main}: pages a week [95 %]",
        "upper 95 %",
        "between streams",
        "refused",
        *others,
    ]
    rows = []
    for group in table.groups:
        found = table.false(group, main)
        weeks = f"{found.exposure:.0f}" if found else "0"
        upper = f"{found.upper:.2f}" if found else NONE
        told = [per_week(found), upper, between(found), of(table.refused(group, main))]
        rows.append([group, weeks, *told, *(rate(table.false(group, other)) for other in others)])
    return markdown(head, rows)


def delay_table(table: Table, main: Sequence[str], others: Sequence[str]) -> str:
    """Kinds of change by delay."""
    head = ["change", "streams", *main, *others, "refused"]
    rows = []
    for group in table.groups:
        told = [precise_delay(table.delay(group, name)) for name in main]
        told += [delay(table.delay(group, name)) for name in others]
        refused = table.refused(group, main[0])
        rows.append([group, str(refused[1]), *told, of(refused)])
    return markdown(head, rows)
