"""Findings as the rest of the program takes them: where, when, and one whole sentence."""

from __future__ import annotations

from monitor.core.events import Batch, Floats
from monitor.core.findings import Evidence, Finding
from monitor.core.rules.model import Rule

OLD = 3600.0  # seconds between an event and its arrival beyond which a finding is historical
LONGEST = 100  # characters of a name or value from outside


def clean(text: str) -> str:
    """Text from outside as it may stand in a sentence: printable, on one line, not too long."""
    printable = "".join(c if c.isprintable() else " " for c in text[: 4 * LONGEST])
    return printable if len(printable) <= LONGEST else printable[: LONGEST - 1] + "…"


def number(value: float) -> str:
    """Four significant digits, as people write them."""
    return f"{value:,.0f}" if 1000 <= abs(value) < 1e7 else f"{value:.4g}"


def is_old(batch: Batch, row: int) -> bool:
    return not batch.live and bool(batch.recorded_at[row] - batch.at[row] > OLD)


def finding(rule: Rule, batch: Batch, row: int, evidence: Evidence) -> Finding:
    """An edge at `row` of `batch`."""
    return Finding(rule.key, batch.model, batch.versions[row], evidence, historical=is_old(batch, row))


def trouble(rule: Rule, batch: Batch, row: int, clock: Floats, where: tuple[str, str], what: str, why: str) -> Finding:
    """A finding about the watching itself: `what` is "detector_error" or "not_watched", `where` (column, segment)."""
    column, segment = where
    evidence = Evidence(column, segment, what, None, None, None, None, 0, float(clock[row]), why)
    return finding(rule, batch, row, evidence)


def in_segment(segment: str) -> str:
    return f" in {clean(segment)}" if segment else ""
