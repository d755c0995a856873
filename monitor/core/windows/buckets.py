"""Numbers as log-spaced buckets: any finite float64 to 1 % relative error, with exactly rounded arithmetic only.

The mapping is the quadratically interpolated one of DDSketch (Masson, Rim, Lee, "DDSketch", VLDB 2019): for
x = 2^e (1 + s), f(x) = e + (4 s - s^2) / 3 grows with ln x at least 4/3 times as fast, so buckets of equal width
4/3 ln(gamma) in f keep the relative error. It takes 8 % more buckets than a logarithm, but no logarithm, whose
last bit differs between machines: replays agree everywhere.
"""

from __future__ import annotations

import numpy as np

from monitor.core.events import Floats, Ints

ACCURACY = 0.01
_STEP = 0.026667  # just under 4/3 ln(gamma), gamma = (1 + accuracy) / (1 - accuracy)
_OFFSET = 50_000  # above the largest |index| of a float64, 40,300: keys of positive numbers are positive
KEY_BITS = 18
_HALF = 1 << (KEY_BITS - 1)


def keys(values: Floats) -> Ints:
    """The bucket of each finite number, from 0 to 2^18 - 1, in the order of the numbers; zero has its own."""
    mantissa, exponent = np.frexp(np.abs(values))
    s = 2.0 * mantissa - 1.0
    index = np.floor((exponent - 1 + (4.0 * s - s * s) / 3.0) / _STEP).astype(np.int64)
    key: Ints = np.sign(values).astype(np.int64) * (index + _OFFSET) + _HALF
    return key


def middles(bucket_keys: Ints) -> Floats:
    """The number that stands for each bucket: within 1 % of every number in it."""
    signed = bucket_keys - _HALF
    index = np.abs(signed) - _OFFSET
    low, high = _lower_bound(index), _lower_bound(index + 1)
    middle = low * (2.0 - 2.0 / (1.0 + high / low))  # 2 low high / (low + high) without overflow
    return np.where(signed == 0, 0.0, np.sign(signed) * middle)


def _lower_bound(index: Ints) -> Floats:
    f = np.clip(index * _STEP, -1074.0, 1023.999)
    exponent = np.floor(f)
    s = 2.0 - np.sqrt(4.0 - 3.0 * (f - exponent))
    bound: Floats = np.ldexp(1.0 + s, exponent.astype(np.int64))
    return bound
