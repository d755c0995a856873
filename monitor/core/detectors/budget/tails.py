"""How unusual a value is at the ends of a reference: its 32 most extreme values, a generalised Pareto tail beyond.

Of the 32 values at each end those of six ranks are kept; a value between two of them has the rank of the lower one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from monitor.core.events import Floats

RANKS = (32, 16, 8, 4, 2, 1)  # 1 is the extreme
NARROWEST = 0.05  # scale of a tail, in robust standard deviations: ties at the end of a reference have none
SHAPE = 0.25  # of the generalised Pareto tail: heavier than a normal, so that it vouches for less


@dataclass(frozen=True, slots=True)
class Tails:
    """`low` and `high`: distances from `centre` of the kept ranks, ascending, then the scale beyond the extreme."""

    centre: float
    low: Floats
    high: Floats
    n: int

    def p(self, values: Floats) -> Floats:
        """The smaller of both one-sided tail probabilities, where it can be small at all; 1 elsewhere."""
        return np.minimum(_tail(values - self.centre, self.high, self.n), _tail(self.centre - values, self.low, self.n))

    def numbers(self) -> Floats:
        """Everything but `n`, all of it float32."""
        return np.concatenate([[self.centre], self.low, self.high])


def tails_of(numbers: Floats, n: int) -> Tails:
    """From `Tails.numbers`."""
    low, high = np.split(np.asarray(numbers[1:], dtype=np.float64), 2)
    return Tails(float(numbers[0]), low, high, n)


def fit_tails(values: Floats) -> Tails:
    """Tails of a reference of at least 32 values, kept to float32."""
    ordered = np.sort(values)
    centre = float(np.float32(ordered[len(ordered) // 2]))
    return Tails(centre, _end(centre - ordered[::-1]), _end(ordered - centre), len(ordered))


def _end(distances: Floats) -> Floats:
    last = distances[-RANKS[0] :]
    excess = float((last[1:] - last[0]).mean()) * (1 - SHAPE)
    scale = max(excess + SHAPE * float(last[-1] - last[0]), NARROWEST)
    kept = np.append(last[[RANKS[0] - rank for rank in RANKS]], scale).astype(np.float32)
    # up to the next float32, so that a value equal to the extreme is not beyond it
    return np.nextafter(kept, np.float32(np.inf)).astype(np.float64)


def _tail(distance: Floats, end: Floats, n: int) -> Floats:
    extremes, scale = end[:-1], float(end[-1])
    out = np.ones(len(distance))
    far = np.flatnonzero(distance > extremes[0])
    if not len(far):
        return out
    d = distance[far]
    out[far] = np.array(RANKS)[extremes.searchsorted(d, side="left") - 1] / (n + 1)
    beyond = d > extremes[-1]
    with np.errstate(over="ignore"):
        out[far[beyond]] = (1 + SHAPE * (d[beyond] - float(extremes[-1])) / scale) ** (-1 / SHAPE) / (n + 1)
    return out


def save_tails(tails: tuple[Tails, ...]) -> Any:
    """Tails of the same number of values."""
    return [tails[0].n, len(tails), np.concatenate([tail.numbers() for tail in tails]).astype(np.float32)]


def load_tails(saved: Any) -> tuple[Tails, ...]:
    n, count, numbers = saved
    return tuple(tails_of(part, n) for part in np.split(numbers.astype(np.float64), count))
