"""Exact limits of a rate from a count, and limits that respect streams."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import gammaincinv

from monitor.core.events import Floats

DRAWS = 4000


@dataclass(frozen=True, slots=True)
class Rate:
    """`count` events in `exposure`: the rate with limits. `low`, `high`: exact Poisson, two-sided 95 %, and `upper`
    one-sided 95 %. `between`: two-sided 95 % from a bootstrap over streams, which holds when weeks within a stream
    depend on each other; NaN with fewer than two streams."""

    count: int
    exposure: float
    streams: int
    value: float
    low: float
    high: float
    upper: float
    between: tuple[float, float]


def poisson_limits(count: int, exposure: float, level: float = 0.95) -> tuple[float, float]:
    """Exact two-sided limits of a Poisson rate (Garwood 1936): quantiles of gamma distributions."""
    if exposure <= 0:
        return np.nan, np.nan
    tail = (1 - level) / 2
    low = 0.0 if count == 0 else float(gammaincinv(count, tail))
    return low / exposure, float(gammaincinv(count + 1, 1 - tail)) / exposure


def poisson_upper(count: int, exposure: float, level: float = 0.95) -> float:
    """The exact one-sided upper limit of a Poisson rate."""
    return np.nan if exposure <= 0 else float(gammaincinv(count + 1, level)) / exposure


def bootstrap(counts: Sequence[int], exposures: Sequence[float], seed: int = 1) -> tuple[float, float]:
    """Percentile limits (95 %) of the pooled rate, whole streams drawn with replacement."""
    n = len(counts)
    if n < 2 or sum(exposures) <= 0:
        return np.nan, np.nan
    picked = np.random.default_rng(seed).integers(0, n, (DRAWS, n))
    rates = np.asarray(counts, float)[picked].sum(1) / np.asarray(exposures, float)[picked].sum(1)
    low, high = np.quantile(rates, (0.025, 0.975))
    return float(low), float(high)


def rate(counts: Sequence[int], exposures: Sequence[float]) -> Rate:
    """The pooled rate of several streams."""
    count, exposure = sum(counts), float(sum(exposures))
    low, high = poisson_limits(count, exposure)
    value = count / exposure if exposure > 0 else np.nan
    upper = poisson_upper(count, exposure)
    return Rate(count, exposure, len(counts), value, low, high, upper, bootstrap(counts, exposures))


def mean_limits(values: Floats | Sequence[float], seed: int = 1) -> tuple[float, float, float]:
    """A mean with 95 % bootstrap limits."""
    array = np.asarray(values, float)
    if not len(array):
        return np.nan, np.nan, np.nan
    picked = np.random.default_rng(seed).integers(0, len(array), (DRAWS, len(array)))
    low, high = np.quantile(array[picked].mean(1), (0.025, 0.975))
    return float(array.mean()), float(low), float(high)
