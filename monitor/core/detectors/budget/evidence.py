"""Pages of the budgeted detector as findings."""

from __future__ import annotations

import math

from monitor.core.detectors.budget.pool import Hit
from monitor.core.detectors.budget.words import moved, outlier_sentence, shift_sentence
from monitor.core.detectors.compare import NORMAL_95
from monitor.core.detectors.report import finding
from monitor.core.events import Batch
from monitor.core.findings import Evidence, Finding
from monitor.core.rules.model import Rule


def shift_finding(rule: Rule, batch: Batch, hit: Hit, clock: float) -> Finding:
    """The mean level since the change against the reference's, in its standard deviations, with a 95 % interval."""
    armed = hit.series.armed
    assert armed is not None
    _, segment, column = hit.key
    value, n, since = hit.since()
    effect, interval = None, None
    if armed.sd > 0 and math.isfinite(value):
        effect = (value - armed.mean) / armed.sd
        values = n * armed.rate / armed.pace  # in whose number `tau` is
        error = NORMAL_95 * min(math.sqrt(armed.tau / values), 10.0)
        interval = (effect - error, effect + error)
    what = moved(column, segment, effect or 0.0, value, armed.mean)
    detail = shift_sentence(what, n, since, hit.strength, "blocks of values" if armed.seen.blocks else "values")
    evidence = Evidence(
        column, segment, "shift: e-detector", _finite(value), armed.mean, effect, interval, n, clock, detail
    )
    return finding(rule, batch, hit.row, evidence)


def outlier_finding(rule: Rule, batch: Batch, hit: Hit, clock: float) -> Finding:
    """One value, or the last hours, beyond what the reference can vouch for."""
    armed = hit.series.armed
    assert armed is not None
    _, segment, column = hit.key
    points = hit.looks.points
    one = points.take(slice(hit.place, hit.place + 1))
    value = float((one.value if armed.outliers is None else armed.outliers.level(one))[0])
    effect = (value - armed.mean) / armed.sd if armed.sd > 0 and math.isfinite(value) else None
    detail = outlier_sentence(column, segment, value, armed.mean, hit.strength)
    evidence = Evidence(column, segment, "shift: outlier", _finite(value), armed.mean, effect, None, 1, clock, detail)
    return finding(rule, batch, hit.row, evidence)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
