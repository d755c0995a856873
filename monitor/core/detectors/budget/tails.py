"""How unusual a value is at the ends of a reference: 32 exact values at each, a generalised Pareto tail beyond."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from monitor.core.events import Floats

KEPT = 32
NARROWEST = 0.05  # scale of a tail, in robust standard deviations: ties at the end of a reference have none
SHAPE = 0.25  # of the generalised Pareto tail: heavier than a normal, so that it vouches for less


@dataclass(frozen=True, slots=True)
class Tails:
    """`low` and `high` are distances from `centre` downwards and upwards, ascending, the last one the extreme."""

    centre: float
    low: Floats
    high: Floats
    n: int

    def p(self, values: Floats) -> Floats:
        """The smaller of both one-sided tail probabilities, where it can be small at all; 1 elsewhere."""
        return np.minimum(_tail(values - self.centre, self.high, self.n), _tail(self.centre - values, self.low, self.n))

    def save(self) -> Any:
        ends = np.concatenate([self.low, self.high]).astype(np.float32)
        return {"centre": self.centre, "ends": ends, "n": self.n}


def load_tails(saved: Any) -> Tails:
    low, high = np.split(saved["ends"].astype(np.float64), 2)
    return Tails(saved["centre"], low, high, saved["n"])


def fit_tails(values: Floats) -> Tails:
    """Tails of a reference; distances are kept to float32."""
    ordered = np.sort(values)
    centre = float(ordered[len(ordered) // 2])
    kept = min(KEPT, len(ordered))
    return Tails(centre, _rounded(centre - ordered[:kept][::-1]), _rounded(ordered[-kept:] - centre), len(ordered))


def _rounded(distances: Floats) -> Floats:
    """Up to the next float32: so they are kept, and a value equal to the extreme is not beyond it."""
    return np.nextafter(distances.astype(np.float32), np.float32(np.inf)).astype(np.float64)


def _tail(distance: Floats, extremes: Floats, n: int) -> Floats:
    far = np.flatnonzero(distance > extremes[0])
    out = np.ones(len(distance))
    if not len(far):
        return out
    d = distance[far]
    out[far] = (len(extremes) - extremes.searchsorted(d, side="left") + 1) / (n + 1)
    excess = float((extremes[1:] - extremes[0]).mean()) * (1 - SHAPE) if len(extremes) > 1 else 0.0
    extreme = float(extremes[-1])
    scale = max(excess + SHAPE * (extreme - float(extremes[0])), NARROWEST)
    beyond = d > extreme
    with np.errstate(over="ignore"):
        out[far[beyond]] = (1 + SHAPE * (d[beyond] - extreme) / scale) ** (-1 / SHAPE) / (n + 1)
    return out
