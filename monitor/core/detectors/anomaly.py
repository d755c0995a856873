"""`detect: {anomaly: …}`: the inputs look unusual together, and go on doing so.

Learn the first events, freeze, score the rest; a rise of the mean score is found by an upward ADWIN on it. A model
that kept learning would take the bad state for normal within a thousand events.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from monitor.core.detectors.base import Matrix
from monitor.core.detectors.reference import Reference
from monitor.core.detectors.report import clean, number
from monitor.core.detectors.series import DISABLED, LATCHED, WARMING, Change, Series

RECENT = 32  # rows the most deviating columns are named from
TOP = 3


@dataclass(frozen=True, slots=True)
class Rise:
    """The score rose; `top` are the columns furthest from their frozen means, in standard deviations."""

    index: int
    change: Change
    top: tuple[tuple[str, float], ...]


class Anomaly:
    """One learned reference and the series of its scores. Latches as a series does."""

    def __init__(self, reference: Reference, scores: Series) -> None:
        self._reference = reference
        self._scores = scores
        self._recent: Matrix = np.empty((0, 0))
        self._broken = ""

    @property
    def state(self) -> str:
        if self._broken:
            return DISABLED
        return WARMING if self._reference.detector is None else self._scores.state

    @property
    def note(self) -> str:
        return self._broken or self._scores.note or self._reference.note()

    def feed(self, names: list[str], rows: Matrix) -> Rise | None:
        """Take raw rows (NaN where there is no value), in order."""
        if self.state in (LATCHED, DISABLED):
            return None
        start = 0
        while self._reference.detector is None and start < len(rows):
            start += self._reference.collect(names, rows[start:])
        if self._reference.detector is None or start == len(rows):
            return None
        self._reference.forget_rows()
        z = self._reference.standard(self._reference.place(names, rows[start:]))
        hit = self._scores.feed(self._reference.detector.score(z))
        until = len(z) if hit is None else hit[0] + 1
        self._recent = np.concatenate([self._recent.reshape(-1, z.shape[1]), z[:until]])[-RECENT:]
        return None if hit is None else Rise(start + hit[0], hit[1], self._top())

    def _top(self) -> tuple[tuple[str, float], ...]:
        away = self._recent.mean(axis=0)
        order = np.argsort(-np.abs(away), kind="stable")[:TOP].tolist()
        return tuple((self._reference.names[i], float(away[i])) for i in order)

    def rearm(self) -> None:
        if self._broken:
            self._reference.restart()
            self._scores.restart()
            self._broken = ""
        self._scores.rearm()
        self._recent = np.empty((0, 0))

    def doubt(self) -> None:
        """Report again what is still so."""
        if self._broken:
            self.rearm()
        elif self.state == LATCHED:
            self._scores.doubt()
            self._recent = np.empty((0, 0))

    def disable(self, why: str) -> None:
        self._broken = why

    def save(self) -> Any:
        return {
            "reference": self._reference.save(),
            "scores": self._scores.save(),
            "recent": self._recent,
            "broken": self._broken,
        }

    def load(self, saved: Any) -> None:
        self._reference.load(saved["reference"])
        self._scores.load(saved["scores"])
        self._recent, self._broken = saved["recent"], saved["broken"]

    def memory(self) -> int:
        return self._reference.memory() + self._scores.memory() + self._recent.nbytes

    def about(self) -> dict[str, Any]:
        mean, effect = self._scores.now() or (None, None)
        return {"columns": self._reference.names[:20], "score_now": mean, "effect_now": effect}


def tell(rise: Rise, detector: str) -> str:
    """What happened, without the full stop."""
    top = ", ".join(f"{clean(name)} ({away:+.1f} sd)" for name, away in rise.top)
    change = rise.change
    return (
        f"inputs look unusual together: their score ({detector}) rose from {number(change.expected)} to "
        f"{number(change.value)} over the last {change.n:,} events; furthest from the reference are {top}"
    )
