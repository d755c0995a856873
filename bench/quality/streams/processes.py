"""Building blocks of drawn streams. All are vectorised; time is in days since a Monday's midnight."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from scipy.signal import fftconvolve, lfilter

from monitor.core.events import Floats


def autoregressive(draw: Generator, n: int, phi: float) -> Floats:
    """A stationary AR(1) with standard normal margins and autocorrelation phi^k."""
    noise = draw.standard_normal(n)
    noise[1:] *= np.sqrt(1 - phi * phi)
    return np.asarray(lfilter([1.0], [1.0, -phi], noise))


def long_memory(draw: Generator, n: int, d: float = 0.35, burn: int = 20_000) -> Floats:
    """Fractionally integrated noise, (1-B)^-d (Granger, Joyeux 1980), of variance one. Its autocorrelation at lag 1
    is d/(1-d)."""
    terms = burn + 1
    weights = np.cumprod(np.concatenate([[1.0], (np.arange(1, terms) - 1 + d) / np.arange(1, terms)]))
    values = fftconvolve(draw.standard_normal(n + burn), weights)[burn : burn + n]
    return np.asarray(values / np.sqrt((weights**2).sum()))


def stochastic_volatility(draw: Generator, n: int, phi: float = 0.98, spread: float = 1.0) -> Floats:
    """Independent signs with a log-variance that is an AR(1) of standard deviation `spread`; variance one."""
    log_variance = spread * autoregressive(draw, n, phi) - spread**2 / 2
    return np.asarray(np.exp(log_variance / 2) * draw.standard_normal(n))


def student(draw: Generator, n: int, degrees: float = 3.0) -> Floats:
    """Student's t with variance one."""
    return np.asarray(draw.standard_t(degrees, n) * np.sqrt((degrees - 2) / degrees))


def daily(days: Floats, phase: float = 0.0) -> Floats:
    """A daily season of amplitude one, with a second harmonic."""
    turn = 2 * np.pi * (days + phase)
    return np.asarray(np.sin(turn) + 0.4 * np.sin(2 * turn + 0.7))


def weekly(days: Floats) -> Floats:
    """A weekly wave of amplitude one."""
    return np.asarray(np.sin(2 * np.pi * days / 7))


def weekend(days: Floats) -> Floats:
    """1 on Saturday and Sunday, else 0."""
    return np.asarray((days % 7 >= 5).astype(float))


def day_levels(draw: Generator, days: Floats, spread: float) -> Floats:
    """A level of its own for each day."""
    number = np.floor(days).astype(int)
    number -= number.min()
    return np.asarray(spread * draw.standard_normal(int(number.max()) + 1)[number])


def bursts(draw: Generator, days: Floats, every: float, lasts: float, height: float) -> Floats:
    """Levels of `height` that begin at random, one in `every` days on average, and last `lasts` days."""
    span = float(days[-1] - days[0])
    starts = days[0] + span * np.sort(draw.random(draw.poisson(span / every)))
    inside = np.searchsorted(starts, days, side="right") - np.searchsorted(starts + lasts, days, side="right")
    return np.asarray(height * (inside > 0))
