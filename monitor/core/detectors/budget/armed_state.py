"""An armed series as state, and back."""

from __future__ import annotations

from typing import Any

import numpy as np

from monitor.core.detectors.budget.arming import Armed
from monitor.core.detectors.budget.outliers import load_outliers
from monitor.core.detectors.budget.seen import load_seen

_NUMBERS = ("rate", "height", "first", "last", "mean", "sd", "tau")


def save_armed(armed: Armed) -> Any:
    return {
        "seen": armed.seen.save(),
        "outliers": None if armed.outliers is None else armed.outliers.save(),
        "numbers": np.array([getattr(armed, name) for name in _NUMBERS]),
        "n": armed.n,
        "why": armed.why,
    }


def load_armed(saved: Any) -> Armed:
    outliers = None if saved["outliers"] is None else load_outliers(saved["outliers"])
    numbers = dict(zip(_NUMBERS, saved["numbers"].tolist(), strict=True))
    return Armed(seen=load_seen(saved["seen"]), outliers=outliers, n=saved["n"], why=saved["why"], **numbers)
