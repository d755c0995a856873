"""Pages of scores as findings: how unusual, since when, and which columns are furthest from the reference."""

from __future__ import annotations

import math

from monitor.core.detectors.budget.pool import Hit
from monitor.core.detectors.budget.words import shift_sentence
from monitor.core.detectors.report import clean, finding, in_segment, number
from monitor.core.detectors.scored.series import ScoredSeries
from monitor.core.detectors.vector_methods import WORDS
from monitor.core.events import Batch
from monitor.core.findings import Evidence, Finding
from monitor.core.rules.model import Rule


def anomaly_finding(rule: Rule, batch: Batch, hit: Hit, clock: float, method: str) -> Finding:
    """`value` is the mean score since the change or the score of one event, `effect` in standard deviations."""
    series = hit.series
    assert isinstance(series, ScoredSeries)
    armed = series.armed
    assert armed is not None
    _, segment, column = hit.key
    slow = hit.arm == "shift"
    value, n, since = hit.since() if slow else (float(hit.looks.points.value[hit.place]), 1, hit.clock)
    effect = (value - armed.mean) / armed.sd if armed.sd > 0 and math.isfinite(value) else None
    score = f"score ({WORDS[method]})"
    where = f"{clean(column)}{in_segment(segment)}"
    if slow:
        unit = "blocks of scores" if armed.seen.blocks else "values"
        top = ", ".join(f"{clean(name)} ({away:+.1f} sd)" for name, away in series.top(hit.row))
        moved = f"The {score} of {where} rose from {number(armed.mean)} to {number(value)}"
        detail = shift_sentence(f"{moved}, with {top} furthest from the reference", n, since, hit.strength, unit)
    else:
        event = clean(batch.ids[hit.row])
        detail = (
            f"Event '{event}' is unlike those of the reference in {where}: its {score} is {number(value)}, after "
            f"{number(armed.mean)} on average."
        )
    evidence = Evidence(column, segment, f"score of {method}", value, armed.mean, effect, None, n, clock, detail)
    return finding(rule, batch, hit.row, evidence)
