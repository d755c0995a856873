"""Values on one scale: a series by itself and as a column of a matrix are the same, bit for bit."""

from __future__ import annotations

import numpy as np
import pytest

from monitor.core.detectors.scaling import CLIP, standardise


@pytest.mark.parametrize(("centre", "width"), [(0.0, 1.0), (0.3, 2.5), (-1e308, 1e-3), (1e300, 5e-324), (5.0, 0.0)])
def test_a_series_is_scaled_as_a_column_is(centre: float, width: float) -> None:
    odd = [1e308, -1e308, 0.0, -0.0, 5e-324, centre, CLIP, -CLIP]
    values = np.concatenate([np.random.default_rng(1).normal(size=500) * 4.0, odd])
    kept = values.copy()
    alone = standardise(values, centre, width)
    column = standardise(np.stack([values, values], axis=1), np.array([centre, 0.0]), np.array([width, 1.0]))
    assert alone.tobytes() == np.ascontiguousarray(column[:, 0]).tobytes() and np.abs(alone).max() <= CLIP
    assert values.tobytes() == kept.tobytes()  # what was given is not written to
