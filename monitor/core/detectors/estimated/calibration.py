"""What a confidence was worth: how often answers given with it turned out wrong, where their truth came.

Isotonic regression on bins of equal counts: an answer of more confidence is never estimated to be wrong more often.
(Zadrozny, Elkan, Transforming classifier scores into accurate multiclass probability estimates, 2002.)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from monitor.core.events import Floats, Ints

UNIT = 10_000  # confidences and expected errors are whole ten-thousandths
FEWEST = 200  # answers with truth that a calibration is learned from
EACH = 50  # of them for each bin
BINS = 16


@dataclass(frozen=True, slots=True)
class Calibration:
    """`errors` in ten-thousandths, one for each stretch of confidence between `edges`; `doubts` their standard errors.

    `n` answers with truth, of which `wrong` were wrong, are what it was learned from. With too few of them there are
    no `edges`, and confidence is taken as it is.
    """

    edges: Ints
    errors: Ints
    doubts: Ints
    n: int
    wrong: int

    @property
    def learned(self) -> bool:
        return len(self.errors) > 0

    def of(self, confidence: Ints) -> tuple[Ints, Ints]:
        """The expected error of answers of these confidences, and its standard error; all in ten-thousandths."""
        if not self.learned:
            return UNIT - confidence, np.zeros(len(confidence), dtype=np.int64)
        places = self.edges.searchsorted(confidence, side="right")
        return self.errors[places], self.doubts[places]

    def save(self) -> Any:
        return [*(part.astype(np.uint16) for part in (self.edges, self.errors, self.doubts)), self.n, self.wrong]


def load_calibration(saved: Any) -> Calibration:
    edges, errors, doubts, n, wrong = saved
    return Calibration(edges.astype(np.int64), errors.astype(np.int64), doubts.astype(np.int64), n, wrong)


def fit_calibration(confidence: Ints, wrong: Ints) -> Calibration:
    """From answers whose truth came: confidences in ten-thousandths, and 1 where the answer was wrong."""
    n, k = len(confidence), int(wrong.sum())
    nothing = np.empty(0, dtype=np.int64)
    if n < FEWEST:
        return Calibration(nothing, nothing, nothing, n, k)
    values, places = np.unique(confidence, return_inverse=True)
    edges, counts, bad = _bins(values, np.bincount(places).tolist(), np.bincount(places, weights=wrong).tolist(), n)
    edges, counts, bad = _pooled(edges, counts, bad)
    held, errors = np.array(counts), np.array(bad) / np.array(counts)
    careful = (np.array(bad) + 1) / (held + 2)  # none wrong of a few says little
    doubts = np.sqrt(careful * (1 - careful) / held)
    return Calibration(np.array(edges[1:], dtype=np.int64), _whole(errors), _whole(doubts), n, k)


def _bins(values: Ints, counts: list[int], bad: list[float], n: int) -> tuple[list[int], list[int], list[float]]:
    """Where each bin begins, how many answers are in it, how many of them wrong. Equal confidences stay together."""
    size = max(EACH, -(-n // BINS))
    edges, held, wrong = [int(values[0])], [0], [0.0]
    for value, count, k in zip(values.tolist(), counts, bad, strict=True):
        if held[-1] >= size:
            edges, held, wrong = [*edges, value], [*held, 0], [*wrong, 0.0]
        held[-1], wrong[-1] = held[-1] + count, wrong[-1] + k
    if len(edges) > 1 and held[-1] < EACH:
        edges, held, wrong = (
            edges[:-1],
            [*held[:-2], held[-2] + held[-1]],
            [*wrong[:-2], wrong[-2] + wrong[-1]],
        )
    return edges, held, wrong


def _pooled(edges: list[int], counts: list[int], bad: list[float]) -> tuple[list[int], list[int], list[float]]:
    """Neighbours put together until errors fall with confidence (pool adjacent violators)."""
    made: list[tuple[int, int, float]] = []
    for edge, count, k in zip(edges, counts, bad, strict=True):
        first, n, wrong = edge, count, k
        while made and made[-1][2] * n <= wrong * made[-1][1]:
            first, n, wrong = made[-1][0], n + made[-1][1], wrong + made[-1][2]
            made.pop()
        made.append((first, n, wrong))
    return [m[0] for m in made], [m[1] for m in made], [m[2] for m in made]


def _whole(parts: Floats) -> Ints:
    return np.asarray(np.rint(parts * UNIT).astype(np.int64))
