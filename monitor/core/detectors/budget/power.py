"""How many values a shift takes to be found: an estimate for people, not a promise."""

from __future__ import annotations

import math

import numpy as np

from monitor.core.detectors.budget.bets import WEIGHTS
from monitor.core.detectors.budget.normal import ndtr, ndtri
from monitor.core.detectors.budget.seen import Seen

STANDING = 10.0  # times what one value releases that masses amount to while nothing happens, about


def delay(seen: Seen, size: float, release: float) -> float | None:
    """Values until a shift of `size` standard deviations of the level pages, about; None if bets do not grow.

    `release`: the part of the threshold that one value releases. Growth is that of the expected log.
    """
    cells = seen.raw if seen.inner is None else seen.inner
    if release <= 0 or cells.constant:
        return None
    z = ndtri(cells.levels)
    width = 1.0
    if seen.blocks:
        low, high = np.interp([0.16, 0.84], cells.levels, cells.cuts)
        width = max(float(high - low) / 2, 1e-12)
    edges = z if not seen.blocks else ndtri(np.clip(np.interp(seen.cuts, cells.cuts, cells.levels), 1e-6, 1 - 1e-6))
    moved = np.diff(ndtr(np.concatenate([[-np.inf], edges, [np.inf]]) - size * seen.scale / width))
    growth = (moved[:, None] * np.log(seen.table[: len(moved)])).sum(axis=0)
    times = [
        math.log(1.0 / (STANDING * release * w)) / g
        for w, g in zip(WEIGHTS.tolist(), growth.tolist(), strict=True)
        if g > 1e-9 and STANDING * release * w < 1
    ]
    return round(max(min(times), 1.0), 1) if times else None
