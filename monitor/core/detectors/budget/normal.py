"""The normal distribution and its inverse for arrays: the core has no scipy."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from monitor.core.events import Floats

_CENTRE = (
    (2.50908092873012267e3, 3.34305755835881281e4, 6.72657709270087009e4, 4.59219539315498714e4,
     1.37316937655094611e4, 1.97159095030655144e3, 1.33141667891784377e2, 3.38713287279636661e0),
    (5.22649527885285456e3, 2.87290857357219427e4, 3.93078958000927106e4, 2.12137943015865959e4,
     5.39419602142475110e3, 6.87187007492057909e2, 4.23133307016009112e1, 1.0),
)  # fmt: skip
_MIDDLE = (
    (7.74545014278341407e-4, 2.27238449892691846e-2, 2.41780725177450611e-1, 1.27045825245236838e0,
     3.64784832476320461e0, 5.76949722146069141e0, 4.63033784615654529e0, 1.42343711074968358e0),
    (1.05075007164441684e-9, 5.47593808499534494e-4, 1.51986665636164572e-2, 1.48103976427480075e-1,
     6.89767334985100005e-1, 1.67638483018380385e0, 2.05319162663775882e0, 1.0),
)  # fmt: skip
_FAR = (
    (2.01033439929228813e-7, 2.71155556874348758e-5, 1.24266094738807844e-3, 2.65321895265761230e-2,
     2.96560571828504891e-1, 1.78482653991729133e0, 5.46378491116411437e0, 6.65790464350110378e0),
    (2.04426310338993979e-15, 1.42151175831644589e-7, 1.84631831751005468e-5, 7.86869131145613259e-4,
     1.48753612908506149e-2, 1.36929880922735805e-1, 5.99832206555887938e-1, 1.0),
)  # fmt: skip


def ndtr(x: npt.ArrayLike) -> Floats:
    """The standard normal distribution function. Infinite values are allowed."""
    values = np.asarray(x, dtype=np.float64)
    flat = [0.5 * math.erfc(-v * math.sqrt(0.5)) for v in values.ravel().tolist()]
    return np.array(flat).reshape(values.shape)


def ndtri(p: npt.ArrayLike) -> Floats:
    """The inverse of `ndtr`, for 0 < p < 1. Wichura, algorithm AS 241 (1988), PPND16: 16 digits."""
    values = np.asarray(p, dtype=np.float64)
    q = values - 0.5
    r = np.sqrt(-np.log(np.maximum(np.minimum(values, 1.0 - values), 1e-300)))
    tail = np.where(r <= 5.0, _ratio(_MIDDLE, r - 1.6), _ratio(_FAR, r - 5.0))
    centre = q * _ratio(_CENTRE, 0.180625 - q * q)
    return np.asarray(np.where(np.abs(q) <= 0.425, centre, np.copysign(tail, q)))


def _ratio(coefficients: tuple[tuple[float, ...], tuple[float, ...]], x: Floats) -> Floats:
    upper, lower = (np.polyval(np.array(part), x) for part in coefficients)
    return np.asarray(upper / lower)
