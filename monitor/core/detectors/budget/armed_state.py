"""An armed series as state, and back."""

from __future__ import annotations

from typing import Any

import numpy as np

from monitor.core.detectors.budget.arming import Armed
from monitor.core.detectors.budget.outliers import load_outliers
from monitor.core.detectors.budget.seen import load_seen

_NUMBERS = ("rate", "height", "first", "last", "mean", "sd", "tau", "wander")


def save_armed(armed: Armed) -> Any:
    outliers = None if armed.outliers is None else armed.outliers.save()
    return [armed.seen.save(), outliers, np.array([getattr(armed, name) for name in _NUMBERS]), armed.n, armed.why]


def load_armed(saved: Any) -> Armed:
    seen, outliers, told, n, why = saved
    numbers = dict(zip(_NUMBERS, told.tolist(), strict=True))
    views = None if outliers is None else load_outliers(outliers)
    return Armed(seen=load_seen(seen), outliers=views, n=n, why=why, **numbers)
