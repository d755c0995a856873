"""River's GaussianScorer and StandardAbsoluteDeviation over matrices: one of them a column, the highest score counts.

The arithmetic is River's, in its order, so the scores are equal to the last bit.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from monitor.core.detectors.base import Matrix
from monitor.core.events import Bools, Floats

GRACE = 100  # rows GaussianScorer wants before it says anything
EPSILON = 1e-10  # River's, against a standard deviation of 0


class _Running:
    """Welford's mean and sum of squares of every column, row after row as `river.stats.Var` does it."""

    def __init__(self, width: int) -> None:
        self._n = 0
        self._mean: Floats = np.zeros(width)
        self._squares: Floats = np.zeros(width)

    def learn(self, matrix: Matrix) -> None:
        for row in matrix:
            self._n += 1
            mean = self._mean + (1.0 / self._n) * (row - self._mean)
            self._squares = self._squares + (row - self._mean) * (row - mean)
            self._mean = mean

    def _deviations(self) -> Floats:
        variance = self._squares / (self._n - 1) if self._n > 1 else np.zeros_like(self._squares)
        return np.array([value**0.5 for value in variance.tolist()])

    def save(self) -> Any:
        return {"n": self._n, "mean": self._mean, "squares": self._squares}

    def load(self, saved: Any) -> None:
        self._n, self._mean, self._squares = saved["n"], saved["mean"], saved["squares"]

    def memory(self) -> int:
        return self._mean.nbytes + self._squares.nbytes


class Gaussian(_Running):
    """`VectorDetector`: 2 |cdf(x) - 1/2|. From five standard deviations on it is 1 to seven digits.

    A constant column scores 0 on its value and 1 elsewhere; River scores it 1 everywhere.
    """

    def score(self, matrix: Matrix) -> Floats:
        if self._n < GRACE:
            return np.full(len(matrix), np.nan)
        sigma = self._deviations()
        flat: Bools = sigma == 0
        away = matrix - self._mean
        z = away / np.where(flat, 1.0, sigma)
        cdf = np.array([0.5 * (1.0 + math.erf(v / math.sqrt(2.0))) for v in z.ravel().tolist()]).reshape(z.shape)
        scores = np.where(flat, away != 0, 2 * np.abs(cdf - 0.5))
        return np.asarray(scores.max(axis=1), dtype=np.float64)


class AbsoluteDeviation(_Running):
    """`VectorDetector`: distance from the mean in standard deviations."""

    def score(self, matrix: Matrix) -> Floats:
        scores = np.abs((matrix - self._mean) / (self._deviations() + EPSILON))
        return np.asarray(scores.max(axis=1), dtype=np.float64)
