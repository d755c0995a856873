"""The outlier arm's view of a series, in its own units: how unusual is this value, the last hours, the last turn?

Three views, each with the tails of the reference: the innovation, its mean over about four hours, and the value less
a mean over four hours and less its season.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from monitor.core.detectors.budget.points import Points
from monitor.core.detectors.budget.predictor import LAGS, SLOTS, Predictor, choose, fading, load_predictor, slots
from monitor.core.detectors.budget.tails import Tails, fit_tails, load_tails, save_tails
from monitor.core.events import Floats

SPAN = 4 * 3600.0  # seconds that the means look back
WIDE = 6.0  # robust standard deviations to which values are cut when the predictor is fitted
DISTINCT = 8  # values of a column of which one can be an outlier
HUGE = 1e12


@dataclass(frozen=True, slots=True)
class Outliers:
    """Frozen when the series is armed. `fade` is the weight of the newest point in a mean over four hours."""

    centre: float
    width: float
    predictor: Predictor
    fade: float
    tails: tuple[Tails, ...]

    def odds(self, points: Points, carried: Floats) -> tuple[Floats, Floats]:
        """The mean over the views of 1/(2 p), p the smaller tail; and what to carry on."""
        views, after = self._views(points, carried)
        with np.errstate(divide="ignore", over="ignore"):
            odds = sum(0.5 / tail.p(view) for tail, view in zip(self.tails, views, strict=True))
        return np.minimum(odds / len(self.tails), 1e300), after

    def rest(self, points: Points) -> Floats:
        """Values less their season, in units of `width` around the centre."""
        u = np.clip((points.value / self.width) - self.centre / self.width, -HUGE, HUGE)
        return np.asarray(np.nan_to_num(u) - self.predictor.expected(slots(points.at)))

    def level(self, points: Points) -> Floats:
        """Values less what their season adds to its mean, in the unit of the data."""
        usual = float(self.predictor.profile[: 5 * SLOTS].mean())  # of a weekday
        return self.centre + self.width * (self.rest(points) + usual)

    def _views(self, points: Points, carried: Floats) -> tuple[tuple[Floats, ...], Floats]:
        """The three views. `carried`: lags, and both means."""
        rest = self.rest(points)
        left, lags = self.predictor.innovations(rest, carried[:LAGS])
        recent = fading(np.clip(left, -WIDE, WIDE), float(carried[LAGS]), self.fade)
        level = fading(np.clip(rest, -3 * WIDE, 3 * WIDE), float(carried[LAGS + 1]), self.fade)
        after = np.concatenate([lags, recent[-1:], level[-1:]])
        return (left, recent[1:], rest - level[:-1]), after

    def save(self) -> Any:
        head = np.array([self.centre, self.width, self.fade])
        return [head, self.predictor.save(), save_tails(self.tails)]


def load_outliers(saved: Any) -> Outliers:
    head, form, tails = saved
    centre, width, fade = head.tolist()
    return Outliers(centre, width, load_predictor(form), fade, load_tails(tails))


def fresh() -> Floats:
    """What is carried before the first point."""
    return np.zeros(LAGS + 2)


def fit_outliers(points: Points) -> Outliers | None:
    """The outlier arm of a reference; None where values have no spread, or are too few to stand out."""
    ordered = np.sort(points.value)
    if 1 + np.count_nonzero(np.diff(ordered)) < DISTINCT:
        return None
    centre = float(ordered[len(ordered) // 2])
    width = 1.4826 * float(np.median(np.abs(points.value - centre)))
    if width <= 1e-12 * abs(centre):  # half of all values are equal
        low, high = np.quantile(points.value, [0.05, 0.95])
        width = float(high - low) / 3.29
    if not np.isfinite(width) or width <= 1e-12 * abs(centre):
        return None
    u = np.clip((points.value - centre) / width, -WIDE, WIDE)
    spacing = float(points.clock[-1] - points.clock[0]) / max(points.n - 1, 1)
    fade = 2.0 / (max(SPAN / max(spacing, 1e-9), 1.0) + 1.0)
    bare = Outliers(centre, width, choose(u, points.at), fade, ())
    views, _ = bare._views(points, fresh())
    burn = min(int(4 / fade), points.n // 4)
    return Outliers(centre, width, bare.predictor, fade, tuple(fit_tails(view[burn:]) for view in views))
