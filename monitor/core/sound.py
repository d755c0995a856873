"""What is wrong with a reference that somebody gives: who may give references may not break the engine by one."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from monitor.core.detectors.budget.arming import Armed
from monitor.core.detectors.budget.cells import Cells
from monitor.core.detectors.budget.outliers import fresh
from monitor.core.detectors.budget.points import SHORTEST, Points
from monitor.core.detectors.budget.predictor import LAGS
from monitor.core.detectors.budget.shares import PERIOD
from monitor.core.detectors.budget.width import BASE, Width, split

CELLS = 400  # rows of a table of bets
PROBES = (0.0, 1.0, -1.0, 1e300, -1e300, math.inf, -math.inf)
MOMENTS = np.arange(0.0, PERIOD, 3600.0)  # every hour of a week


def fault(armed: Armed) -> str | None:
    """What a detector could not run on, after "holds"; None if nothing. It is tried on a week of extreme values."""
    with np.errstate(all="ignore"):
        try:
            return next(_faults(armed), None)
        except (ValueError, IndexError, TypeError, ZeroDivisionError, OverflowError) as problem:
            return f"numbers that do not fit together ({type(problem).__name__})"


def _faults(armed: Armed) -> Iterator[str]:
    seen = armed.seen
    numbers = (armed.rate, armed.height, armed.first, armed.last, armed.mean, armed.sd, armed.tau, armed.wander)
    if not all(map(math.isfinite, (*numbers, seen.d, seen.scale, seen.spread, seen.n_eff, *_numbers(seen.width)))):
        yield "a number that is not finite"
    if armed.rate <= 0 or armed.height < 1 or armed.n < 1 or armed.tau <= 0 or armed.sd < 0:
        yield "a rate, a threshold, a size or a spread that cannot be"
    longer = armed.longer
    if longer is not None and not (longer.length >= SHORTEST and 0 < longer.rate < math.inf and longer.n >= 1):
        yield "blocks of a length, a rate or a number that cannot be"
    if armed.first > armed.last:
        yield "an end before its beginning"
    width = [] if seen.width is None else [seen.width.inner]
    for cells in (seen.raw, *([] if seen.inner is None else [seen.inner]), *width):
        yield from _cells(cells)
    table = seen.table
    if len(table) > CELLS or not (np.isfinite(table).all() and (table > 0).all()):
        yield "bets that are no ratios of probabilities"
    points = _probes(armed)
    codes, lags = seen.cells(points, np.zeros(LAGS))
    rows = codes if seen.width is None else np.concatenate(split(codes))
    if len(rows) and not (rows.min() >= 0 and rows.max() < min(len(table), BASE)):
        yield "cells without a bet"
    if not np.isfinite(lags).all():
        yield "a prediction that ends in no number"
    if armed.outliers is not None:
        odds, _ = armed.outliers.odds(points, fresh())
        if np.isnan(odds).any() or (odds < 0).any() or armed.outliers.width <= 0:
            yield "tails by which nothing can be judged"


def _numbers(width: Width | None) -> tuple[float, ...]:
    return () if width is None else (width.d, width.n_eff)


def _cells(cells: Cells) -> Iterator[str]:
    if cells.n < 1 or len(cells.cuts) != len(cells.ranks):
        yield "cuts and ranks that do not belong together"
    elif not (np.isfinite(cells.cuts).all() and (np.diff(cells.cuts) > 0).all()):
        yield "cuts that do not rise"
    elif not ((np.diff(cells.ranks) >= 0).all() and (cells.ranks >= 0).all() and (cells.ranks <= cells.n).all()):
        yield "ranks that do not rise from 0 to its size"


def _probes(armed: Armed) -> Points:
    values = np.concatenate([PROBES, armed.seen.raw.cuts[:50], [armed.mean, armed.mean + armed.sd]])
    n = max(len(MOMENTS), len(values))
    at = armed.last + np.resize(MOMENTS, n)
    score = np.clip(np.resize(values, n), -3.0, 3.0) if armed.seen.blocks else np.full(n, np.nan)
    return Points(np.arange(n), at, at, np.resize(values, n), score, score)
