"""Quantiles of the Beta distribution: where the true level of an order statistic may lie."""

from __future__ import annotations

import math
from functools import lru_cache

from monitor.core.detectors.budget.normal import ndtri

_TINY = 1e-300


def betainc(a: float, b: float, x: float) -> float:
    """The regularised incomplete beta function, by Lentz's continued fraction (Numerical Recipes 6.4)."""
    if x <= 0.0 or x >= 1.0:
        return 0.0 if x <= 0.0 else 1.0
    if x > (a + 1.0) / (a + b + 2.0):
        return 1.0 - betainc(b, a, 1.0 - x)
    return math.exp(_log_front(a, b, x)) * _fraction(a, b, x) / a


def betaincinv(a: float, b: float, p: float) -> float:
    """The x with `betainc(a, b, x) == p`, for a, b > 0 and 0 < p < 1: Newton's steps kept inside a bracket."""
    a, b, p = float(a), float(b), float(p)
    low, high = 0.0, 1.0
    x = _near(a, b, p)
    for _ in range(200):
        off = betainc(a, b, x) - p
        low, high = (x, high) if off < 0 else (low, x)
        slope = math.exp(_log_front(a, b, x)) / (x * (1.0 - x))
        step = x - off / slope if slope > 1e-290 else -1.0
        after = step if low < step < high else (low + high) / 2.0
        if abs(after - x) <= 1e-12 * min(x, 1.0 - x):
            return after
        x = after
    return x


def _near(a: float, b: float, p: float) -> float:
    """About the quantile (Abramowitz, Stegun 26.5.22, for a, b > 1; else the mean)."""
    if min(a, b) <= 1.0:
        return a / (a + b)
    y, left, right = -_normal(p), 1.0 / (2.0 * a - 1.0), 1.0 / (2.0 * b - 1.0)
    k, h = (y * y - 3.0) / 6.0, 2.0 / (left + right)
    w = y * math.sqrt(max(h + k, 0.0)) / h - (right - left) * (k + 5.0 / 6.0 - 2.0 / (3.0 * h))
    return min(max(a / (a + b * math.exp(min(2.0 * w, 700.0))), 1e-300), 1.0 - 1e-16)


@lru_cache(maxsize=16)
def _normal(p: float) -> float:
    return float(ndtri(p))


def _log_front(a: float, b: float, x: float) -> float:
    """The log of x^a (1-x)^b / B(a, b)."""
    return math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)


def _fraction(a: float, b: float, x: float) -> float:
    c, d = 1.0, 1.0 / _safe(1.0 - (a + b) * x / (a + 1.0))
    value = d
    for m in range(1, 10_000):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        change = 1.0
        for term in (even, odd):
            d, c = 1.0 / _safe(1.0 + term * d), _safe(1.0 + term / c)
            change = d * c
            value *= change
        if abs(change - 1.0) < 1e-15:
            break
    return value


def _safe(value: float) -> float:
    return value if abs(value) > _TINY else _TINY
