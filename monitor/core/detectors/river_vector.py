"""River's other anomaly detectors, row by row. What is saved are the rows they learned; they are made again from them.

Costs per row scored: one-class SVM 10 us, LODA 130 us, LOF 4 ms (500 rows learned): sample what LOF sees. The first
use imports `river.anomaly`: two seconds, 130 MB.
"""

from __future__ import annotations

import importlib
import math
import random
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from monitor.core.detectors.base import Matrix
from monitor.core.events import Floats

FEATURES = 50  # random Fourier features of the one-class SVM


class RiverVector:
    """`VectorDetector` around LODA or LocalOutlierFactor: River's own scores of standardised rows."""

    CLASSES: Mapping[str, str] = {"loda": "LODA", "lof": "LocalOutlierFactor", "one_class_svm": "OneClassSVM"}

    def __init__(self, method: str, parameters: Mapping[str, Any]) -> None:
        self._class = getattr(importlib.import_module("river.anomaly"), self.CLASSES[method])
        self._parameters = dict(parameters)
        self._rows: Matrix | None = None
        self._river: Any = None  # made from `_rows` when first needed

    def learn(self, matrix: Matrix) -> None:
        self._rows = matrix.copy() if self._rows is None else np.concatenate([self._rows, matrix])
        if self._river is None:
            self._river = self._class(**self._parameters)
            matrix = self._rows
        for row in self._dicts(matrix):
            self._river.learn_one(row)

    def score(self, matrix: Matrix) -> Floats:
        if self._rows is None:
            return np.full(len(matrix), np.nan)
        if self._river is None:
            rows, self._rows = self._rows, None
            self.learn(rows)
        return np.array([float(self._river.score_one(row)) for row in self._dicts(matrix)], dtype=np.float64)

    def _dicts(self, matrix: Matrix) -> Iterator[dict[str, float]]:
        names = [f"c{number:04}" for number in range(matrix.shape[1])]
        return (dict(zip(names, row, strict=True)) for row in matrix.tolist())

    def save(self) -> Any:
        return {"rows": self._rows}

    def load(self, saved: Any) -> None:
        self._rows, self._river = saved["rows"], None

    def memory(self) -> int:
        return 0 if self._rows is None else 10 * self._rows.nbytes


class OneClassSvm(RiverVector):
    """River's OneClassSVM behind random Fourier features of a Gaussian kernel (Rahimi and Recht, 2007).

    River's machine is linear: it parts the data from the origin, and standardised data lies around the origin. Its
    score is high for normal rows, so this is the negative.
    """

    def __init__(self, parameters: Mapping[str, Any]) -> None:
        own = dict(parameters)
        self._seed = own.pop("seed")
        self._weights: Matrix = np.empty((0, FEATURES))
        self._phases: Floats = np.empty(0)
        super().__init__("one_class_svm", own)

    def _dicts(self, matrix: Matrix) -> Iterator[dict[str, float]]:
        if len(self._weights) != matrix.shape[1]:
            self._draw(matrix.shape[1])
        projected = np.tile(self._phases, (len(matrix), 1))
        for column, weights in zip(matrix.T, self._weights, strict=True):  # a matrix product may sum in another order
            projected += column[:, None] * weights
        return super()._dicts(math.sqrt(2.0 / FEATURES) * np.cos(projected))

    def _draw(self, width: int) -> None:
        rng = random.Random(self._seed)
        deviation = math.sqrt(2.0 / width)
        self._weights = np.array([[rng.gauss(0.0, deviation) for _ in range(FEATURES)] for _ in range(width)])
        self._phases = np.array([rng.uniform(0.0, 2 * math.pi) for _ in range(FEATURES)])

    def score(self, matrix: Matrix) -> Floats:
        return -super().score(matrix)
