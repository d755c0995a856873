"""An armed series as state, and back."""

from __future__ import annotations

from typing import Any

import numpy as np

from monitor.core.detectors.budget.arming import Armed
from monitor.core.detectors.budget.longer import Longer
from monitor.core.detectors.budget.outliers import load_outliers
from monitor.core.detectors.budget.seen import load_seen

_NUMBERS = ("rate", "height", "first", "last", "mean", "sd", "tau", "wander")


def save_armed(armed: Armed) -> Any:
    outliers = None if armed.outliers is None else armed.outliers.save()
    numbers = np.array([getattr(armed, name) for name in _NUMBERS])
    longer = [] if armed.longer is None else [list(armed.longer)]
    return [armed.seen.save(), outliers, numbers, armed.n, armed.why, *longer]


def load_armed(saved: Any) -> Armed:
    seen, outliers, told, n, why, *longer = saved
    numbers = dict(zip(_NUMBERS, told.tolist(), strict=True))
    views = None if outliers is None else load_outliers(outliers)
    blocks = _longer(*longer[0]) if longer else None
    return Armed(seen=load_seen(seen), outliers=views, n=n, why=why, longer=blocks, **numbers)


def _longer(length: float, rate: float, n: int, ranked: bool) -> Longer:
    return Longer(float(length), float(rate), int(n), bool(ranked))
