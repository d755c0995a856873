"""Numbers on one scale: how far a value is from what was usual while the scale was learned, frozen from then on.

River's thresholds are in data units (PageHinkley's, and the range term of ADWIN's bound), its half-space trees look
at 0 to 1 only, and one value of 1e300 would blind any of them for ever. So a detector never sees a raw value.
"""

from __future__ import annotations

import math

import numpy as np

from monitor.core.detectors.base import Matrix
from monitor.core.events import Floats

CLIP = 10.0  # standard deviations; what is further away counts as this far
REACH = 3.0  # 5 % to 95 % ranges from the median that may set the scale
TINY = 1e-9  # relative; differences below are rounding


def fit_scale(values: Floats) -> tuple[float, float]:
    """Centre and standard deviation of at least one finite value.

    Values further from the median than three times the 5 % to 95 % range are drawn in first, so that a broken value
    does not set the scale. Width 0 is the coarse scale: at least nine values in ten are the same, and then only the
    side of the centre that a value is on counts.
    """
    ranked = np.sort(values)
    low, middle, high = (float(ranked[int(level * (len(ranked) - 1))]) for level in (0.05, 0.5, 0.95))
    quarter = high / 4.0 - low / 4.0  # of the range; the range itself may overflow, and so may squares of values
    if quarter == 0.0 or high - low <= TINY * max(abs(low), abs(high)):
        return middle, 0.0
    with np.errstate(over="ignore"):
        ranges = np.clip((values / 4.0 - middle / 4.0) / quarter, -REACH, REACH)
    centre, width = middle + 4.0 * (quarter * float(ranges.mean())), 4.0 * (quarter * float(ranges.std()))
    return (centre, width) if math.isfinite(centre) and 0.0 < width < math.inf else (middle, quarter)


def standardise(values: Matrix, centre: float | Floats, width: float | Floats) -> Matrix:
    """Values in standard deviations from the centre, within +-CLIP; -1, 0 or 1 on the coarse scale.

    `centre` and `width` are numbers for a series, arrays over the columns for a matrix.
    """
    if isinstance(width, float) and width > 0:  # most often; without what numpy does around a clip
        with np.errstate(over="ignore"):
            z = (values - centre) / width
        return np.minimum(np.maximum(z, -CLIP, out=z), CLIP, out=z)
    fine = np.asarray(width) > 0
    with np.errstate(over="ignore"):
        away = values - centre
        if np.all(fine):
            return np.clip(away / width, -CLIP, CLIP)
        z = np.clip(away / np.where(fine, width, 1.0), -CLIP, CLIP)
    side = np.where(np.abs(away) <= TINY * np.abs(centre), 0.0, np.sign(away))
    return np.where(fine, z, side)
