"""`detect: {outlier: …}`: one event beyond what the reference can vouch for.

A single value can never page a sequential detector, so this is a kind of its own. The first events are learned, the
next are scored out of sample; from both each column gets bounds, and the score an upper one: the value that a
generalised Pareto tail behind the reference's third most extreme value exceeds with probability `tail`. An event is
an outlier when a column or its score is beyond its bound. Half-space trees hardly see one column of many stick out
(eight standard deviations in one of six columns: area under the curve 0.69), so the two are not both demanded.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from monitor.core.detectors.base import Matrix
from monitor.core.detectors.reference import Reference
from monitor.core.detectors.report import clean, number
from monitor.core.detectors.series import DISABLED, WARMING, WATCHING
from monitor.core.events import Floats

QUIET = 24 * 3600.0  # seconds of rule time in which further outliers are counted, not told
SHAPE = 0.25  # of the generalised Pareto tail
RANK = 3  # the third most extreme value of the reference: one or two broken ones do not set the bound
ENOUGH = 10  # values behind a tail
MEDIAN_OF_UNIT_TAIL = (2**SHAPE - 1) / SHAPE


@dataclass(frozen=True, slots=True)
class Outlier:
    """One event. `column` is None if only its score is beyond; `effect` is in standard deviations of the reference."""

    index: int
    column: str | None
    value: float
    expected: float
    bound: float
    effect: float | None
    rows: int  # of the reference
    others: int  # outliers since the last one told


def upper_bound(values: Floats, tail: float) -> float:
    """The value exceeded with probability `tail`, from at least a hundred values; infinite where no tail is to be seen.

    The tail begins at the 95 % order statistic, or at the median where that leaves too few values; its scale is set
    by the median excess, its anchor is the third largest value.
    """
    ranked = np.sort(values)
    for level in (0.95, 0.5):
        start = float(ranked[int(level * (len(ranked) - 1))])
        with np.errstate(over="ignore"):
            excess = ranked[ranked > start] - start
        if len(excess) >= ENOUGH:
            scale = float(excess[len(excess) // 2]) / MEDIAN_OF_UNIT_TAIL
            factor: float = ((RANK / (len(ranked) + 1) / tail) ** SHAPE - 1) / SHAPE
            return float(ranked[-RANK]) + scale * factor
    return math.inf


class Outliers:
    """One learned reference with its bounds. After one outlier the rest of 24 hours is counted, not told."""

    def __init__(self, reference: Reference, calibrate: int, tail: float) -> None:
        self._reference = reference
        self._calibrate = calibrate
        self._tail = tail
        self._rows: Matrix = np.empty((0, 0))  # raw, while calibrating
        self._scores: Floats = np.empty(0)
        self._low: Floats = np.empty(0)
        self._high: Floats = np.empty(0)
        self._score_bound = math.inf
        self._count = 0  # rows of the reference
        self._quiet_until = -math.inf
        self._others = 0
        self._broken = ""

    @property
    def state(self) -> str:
        return DISABLED if self._broken else WATCHING if self._count else WARMING

    @property
    def note(self) -> str:
        return self._broken or self._reference.note()

    def feed(self, names: list[str], rows: Matrix, clock: Floats) -> list[Outlier]:
        """Take raw rows (NaN where there is no value) and the rule clock of each, in order."""
        if self._broken:
            return []
        start = 0
        while self._reference.detector is None and start < len(rows):
            start += self._reference.collect(names, rows[start:])
        if self._reference.detector is None or start == len(rows):
            return []
        placed = self._reference.place(names, rows[start:])
        scores = self._reference.detector.score(self._reference.standard(placed))
        taken = 0 if self._count else self._collect(placed, scores)
        return self._watch(placed[taken:], scores[taken:], clock[start + taken :], start + taken)

    def _collect(self, placed: Matrix, scores: Floats) -> int:
        taken = min(len(placed), self._calibrate - len(self._scores))
        self._rows = np.concatenate([self._rows.reshape(-1, placed.shape[1]), placed[:taken]])
        self._scores = np.concatenate([self._scores, scores[:taken]])
        if len(self._scores) == self._calibrate:
            self._bound()
        return taken

    def _bound(self) -> None:
        both = np.concatenate([self._reference.rows, self._rows])
        columns = [column[~np.isnan(column)] for column in both.T]
        self._high = np.array([upper_bound(values, self._tail) for values in columns])
        self._low = np.array([-upper_bound(-values, self._tail) for values in columns])
        self._score_bound = upper_bound(self._scores, self._tail)
        self._count = len(both)
        self._rows, self._scores = np.empty((0, 0)), np.empty(0)
        self._reference.forget_rows()

    def _watch(self, placed: Matrix, scores: Floats, clock: Floats, start: int) -> list[Outlier]:
        if not len(placed) or not self._count:
            return []
        beyond = (placed > self._high) | (placed < self._low)
        found = []
        for row in np.flatnonzero(beyond.any(axis=1) | (scores > self._score_bound)).tolist():
            if clock[row] < self._quiet_until:
                self._others += 1
                continue
            found.append(self._outlier(placed[row], float(scores[row]), beyond[row], start + row))
            self._quiet_until, self._others = float(clock[row]) + QUIET, 0
        return found

    def _outlier(self, placed: Floats, score: float, beyond: Any, index: int) -> Outlier:
        reference = self._reference
        if not beyond.any():
            return Outlier(index, None, score, math.nan, self._score_bound, None, self._count, self._others)
        with np.errstate(over="ignore"):
            away = (placed - reference.centre) / np.where(reference.width > 0, reference.width, 1.0)
        worst = int(np.argmax(np.where(beyond, np.abs(away), -1.0)))
        value = float(placed[worst])
        bound = self._high[worst] if value > self._high[worst] else self._low[worst]
        effect = float(away[worst]) if reference.width[worst] > 0 and math.isfinite(away[worst]) else None
        name, expected = reference.names[worst], float(reference.middle[worst])
        return Outlier(index, name, value, expected, float(bound), effect, self._count, self._others)

    def rearm(self) -> None:
        if self._broken:
            self._reference.restart()
            self._rows, self._scores, self._count, self._broken = np.empty((0, 0)), np.empty(0), 0, ""
        self._quiet_until, self._others = -math.inf, 0

    def doubt(self) -> None:
        """Tell the next outlier, whenever the last one was."""
        self.rearm()

    def disable(self, why: str) -> None:
        self._broken = why

    def save(self) -> Any:
        return {
            "reference": self._reference.save(),
            "rows": self._rows,
            "scores": self._scores,
            "low": self._low,
            "high": self._high,
            "score_bound": self._score_bound,
            "count": self._count,
            "quiet_until": self._quiet_until,
            "others": self._others,
            "broken": self._broken,
        }

    def load(self, saved: Any) -> None:
        self._reference.load(saved["reference"])
        self._rows, self._scores = saved["rows"], saved["scores"]
        self._low, self._high, self._score_bound = saved["low"], saved["high"], saved["score_bound"]
        self._count, self._quiet_until = saved["count"], saved["quiet_until"]
        self._others, self._broken = saved["others"], saved["broken"]

    def memory(self) -> int:
        return self._reference.memory() + self._rows.nbytes + self._scores.nbytes + 2 * self._low.nbytes

    def about(self) -> dict[str, Any]:
        return {"columns": self._reference.names[:20], "reference_events": self._count, "counted_since": self._others}


def tell(outlier: Outlier, event: str, detector: str) -> str:
    """What happened, without the full stop."""
    if outlier.column is None:
        return (
            f"event {clean(event)!r} is unlike the {outlier.rows:,} events of the reference: "
            f"its score ({detector}) is {number(outlier.value)}, beyond {number(outlier.bound)}"
        )
    return (
        f"event {clean(event)!r} has {clean(outlier.column)} = {number(outlier.value)}, beyond "
        f"{number(outlier.bound)}, the furthest that {outlier.rows:,} events of the reference can vouch for"
    )
