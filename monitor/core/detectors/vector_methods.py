"""Detectors of several columns by the name a rule gives them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from monitor.core.detectors.base import Matrix, VectorDetector
from monitor.core.detectors.reference import Fitter
from monitor.core.detectors.trees import HalfSpaceTrees
from monitor.core.detectors.univariate import AbsoluteDeviation, Gaussian

MARGIN = 0.25  # of the 1 % to 99 % range, added on both sides of the limits of the half-space trees
OURS = frozenset({"learn", "warm_up", "calibrate", "tail", "delta"})
WORDS = {
    "half_space_trees": "half-space trees",
    "loda": "LODA",
    "one_class_svm": "one-class SVM",
    "lof": "LOF",
    "gaussian": "Gaussian",
    "sad": "absolute deviation",
}


def fitter(method: str, parameters: Mapping[str, Any]) -> Fitter:
    """Makes a detector for standardised rows. River's own module is imported when the first one is made."""
    own = {name: value for name, value in parameters.items() if name not in OURS}

    def fit(matrix: Matrix) -> VectorDetector:
        if method == "half_space_trees":
            low, high = limits(matrix)
            return HalfSpaceTrees(low, high, **own)
        if method == "gaussian":
            return Gaussian(matrix.shape[1])
        if method == "sad":
            return AbsoluteDeviation(matrix.shape[1])
        from monitor.core.detectors.river_vector import OneClassSvm, RiverVector

        return OneClassSvm(own) if method == "one_class_svm" else RiverVector(method, own)

    return fit


def limits(matrix: Matrix) -> tuple[Any, Any]:
    """Frozen limits of each column for the half-space trees: its 1 % and 99 % order statistics and a margin.

    What lies beyond them later falls into the outermost leaf, so it is seen as outermost, however far it is.
    """
    ranked = np.sort(matrix, axis=0)
    low, high = ranked[int(0.01 * (len(ranked) - 1))], ranked[int(0.99 * (len(ranked) - 1))]
    margin = np.where(high > low, MARGIN * (high - low), 1.0)
    return low - margin, high + margin
