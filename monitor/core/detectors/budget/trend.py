"""The trend of a reference that rolls: its points as they would be today.

A load that grows by a tenth in a week is ordinary to whoever lets its reference roll, and without this a reference of
four weeks is two weeks behind: it would page for the growth, or be refused because its own last days are not like its
first. A trend is taken along only where it is plain, so that a series without one keeps its reference as it is.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from monitor.core.detectors.budget.points import Points
from monitor.core.detectors.budget.predictor import DAY
from monitor.core.events import Floats, Ints

DAYS = 7  # fewest days that show a trend
PLAIN = 4.0  # standard errors from none
LARGE = 0.2  # of the spread of the values, over the whole reference
NEAR = 0.5  # standard deviations from where a line leads that are still on it
APART = 0.3  # the smaller end of a level that is multiplied, against the larger one


def as_of_now(points: Points) -> tuple[Points, float]:
    """Points without their trend, at the level of the last of them, and the trend: growth in a week as a part of the
    level, 0 where there is none that is plain. Levels that stay clear of zero are multiplied, others shifted."""
    line = _line(points.at, points.value)
    if line is None:
        return points, 0.0
    start, end, last = float(line.min()), float(line.max()), float(line[-1])
    if float(points.value.min()) >= 0 and start > APART * end:
        value = points.value * (last / line)
    else:
        value = points.value + (last - line)
    moved = replace(points, value=value)
    if not np.isnan(points.score).any():
        scores = _line(points.at, points.score)
        moved = moved if scores is None else replace(moved, score=points.score + (scores[-1] - scores))
    weeks = (points.at[-1] - points.at[0]) / (7 * DAY)
    return moved, float((last - line[0]) / weeks / (abs(last) or 1.0))


def continues(before: Points, after: Points) -> bool | None:
    """Whether what came after a pause is where what came before leads to; None if there is not a day of it yet."""
    if before.n < 2 or after.n < 2 or after.at[-1] - after.at[0] < DAY:
        return None
    rising = _rise(before.at, before.value)
    slope, middle = (0.0, float(np.median(before.value))) if rising is None else rising
    centre = float(before.at.mean())
    old = before.value - middle - slope * (before.at - centre) / DAY
    new = after.value - middle - slope * (after.at - centre) / DAY
    return bool(abs(np.median(new) - np.median(old)) < NEAR * max(float(old.std()), 1e-300))


def _line(at: Floats, values: Floats) -> Floats | None:
    """The straight line through the medians of days, at each point; None if there is none that is plain."""
    rising = _rise(at, values)
    return None if rising is None else rising[1] + rising[0] * (at - at.mean()) / DAY


def _rise(at: Floats, values: Floats) -> tuple[float, float] | None:
    """The rise in a day and the level at the mean of the times, if there is a rise that is plain."""
    day = np.floor((at - at[0]) / DAY).astype(np.int64)
    counts = np.bincount(day.clip(0))
    days = np.flatnonzero(counts >= max(float(np.median(counts[counts > 0])) / 2, 1.0))
    if len(days) < DAYS or not np.isfinite(values).all():
        return None
    middle = np.array([np.median(values[day == d]) for d in days])
    slope, error = _slope(days, middle)
    length = (at[-1] - at[0]) / DAY
    if abs(slope) < PLAIN * error or abs(slope) * length < LARGE * float(values.std()):
        return None
    centre = float((at.mean() - at[0]) / DAY) - float(days.mean() + 0.5)
    return slope, float(middle.mean()) + slope * centre


def _slope(days: Ints, middle: Floats) -> tuple[float, float]:
    """Rise in a day, and its standard error. From two weeks on days are compared with the same day of other weeks."""
    alike = days % 7 if len(days) >= 14 else np.zeros_like(days)
    x, y = days.astype(np.float64), middle.copy()
    for kind in np.unique(alike):
        x[alike == kind] -= x[alike == kind].mean()
        y[alike == kind] -= y[alike == kind].mean()
    free = len(days) - len(np.unique(alike)) - 1
    slope = float((x * y).sum() / (x * x).sum())
    left = y - slope * x
    return slope, float(np.sqrt((left * left).sum() / free / (x * x).sum()))
