"""Streams drawn from a seed: a family says what is normal, and perhaps a change what happens to it."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from bench.quality.stream import DAY, WEEK, Truth, cut
from bench.quality.streams import processes as p
from monitor.core.events import Batch, Floats

START = 1_704_067_200.0  # 2024-01-01, a Monday
Family = Callable[[Generator, Floats], Floats]  # (draw, days) -> values, or one row a column


def _missing(draw: Generator, days: Floats) -> Floats:
    values = draw.standard_normal(len(days))
    values[draw.random(len(days)) < 0.05] = np.nan
    return values


def _twenty(correlation: float) -> Family:
    def make(draw: Generator, days: Floats) -> Floats:
        own = np.sqrt(1 - correlation) * draw.standard_normal((20, len(days)))
        return np.asarray(own + np.sqrt(correlation) * draw.standard_normal(len(days)))

    return make


def _noise(draw: Generator, days: Floats) -> Floats:
    return draw.standard_normal(len(days))


FAMILIES: Mapping[str, Family] = {
    "iid": _noise,
    "ar-0.5": lambda r, t: p.autoregressive(r, len(t), 0.5),
    "ar-0.9": lambda r, t: p.autoregressive(r, len(t), 0.9),
    "daily": lambda r, t: p.daily(t) + _noise(r, t),
    "daily-weekly": lambda r, t: p.daily(t) + 0.7 * p.weekly(t) + _noise(r, t),
    "weekend-level": lambda r, t: p.daily(t) - 1.5 * p.weekend(t) + _noise(r, t),
    "weekend-amplitude": lambda r, t: p.daily(t) * (1 - 0.7 * p.weekend(t)) + _noise(r, t),
    "season-ar-0.7": lambda r, t: p.daily(t) + p.autoregressive(r, len(t), 0.7),
    "student-3": lambda r, t: p.student(r, len(t)),
    "log-normal": lambda r, t: np.exp(_noise(r, t)),
    "bernoulli-0.01": lambda r, t: (r.random(len(t)) < 0.01).astype(float),
    "bernoulli-0.05": lambda r, t: (r.random(len(t)) < 0.05).astype(float),
    "poisson-season": lambda r, t: r.poisson(20 * np.exp(0.5 * p.daily(t))).astype(float),
    "noise-by-hour": lambda r, t: np.exp(0.5 * p.daily(t)) * _noise(r, t),
    "missing-5%": _missing,
    "irregular": _noise,
    "day-effects": lambda r, t: p.day_levels(r, t, 0.5) + _noise(r, t),
    "rare-bursts": lambda r, t: p.bursts(r, t, 3.0, 1 / 48, 4.0) + _noise(r, t),
    "long-memory": lambda r, t: p.long_memory(r, len(t)),
    "stochastic-volatility": lambda r, t: p.stochastic_volatility(r, len(t)),
    "twenty-0": _twenty(0.0),
    "twenty-0.7": _twenty(0.7),
}


def _shift(size: float) -> Family:
    """By `size` standard deviations of the values before, up or down by the seed."""
    return lambda r, x: x + size * np.nanstd(x) * r.choice((-1.0, 1.0))


def _some(size: float, columns: int) -> Family:
    def change(draw: Generator, values: Floats) -> Floats:
        moved = draw.permutation(len(values))[:columns]
        values[moved] += size * draw.choice((-1.0, 1.0), (columns, 1))
        return values

    return change


def _gradual(draw: Generator, values: Floats) -> Floats:
    """From nothing to one standard deviation over a day of 288 values (7 days are 2,016)."""
    rise = np.minimum(np.arange(len(values)) / 288, 1.0)
    return np.asarray(values + rise * draw.choice((-1.0, 1.0)))


def _outlier(draw: Generator, values: Floats) -> Floats:
    values[0] = 8 * draw.choice((-1.0, 1.0))
    return values


@dataclass(frozen=True, slots=True)
class Change:
    """What happens to a family at the change: `make` gets the values after it. `horizon` in seconds."""

    family: str
    make: Family
    horizon: float = WEEK


CHANGES: Mapping[str, Change] = {
    **{f"shift-{size:g}sd": Change("iid", _shift(size)) for size in (0.25, 0.5, 1.0, 2.0)},
    "ar-0.9-shift-1sd": Change("ar-0.9", _shift(1.0)),
    "season-ar-0.7-shift-1sd": Change("season-ar-0.7", _shift(1.0)),
    "variance-x2": Change("iid", lambda r, x: x * np.sqrt(2.0)),
    "variance-/4": Change("iid", lambda r, x: x / 2),
    "tails": Change("iid", lambda r, x: p.student(r, len(x))),
    "rate-.05-.20": Change("bernoulli-0.05", lambda r, x: (r.random(len(x)) < 0.2).astype(float)),
    "rate-.05-.08": Change("bernoulli-0.05", lambda r, x: (r.random(len(x)) < 0.08).astype(float)),
    "gradual-day": Change("iid", _gradual),
    "one-of-twenty-1sd": Change("twenty-0", _some(1.0, 1)),
    "three-of-twenty-1sd": Change("twenty-0", _some(1.0, 3)),
    "all-of-twenty-1sd": Change("twenty-0", _some(1.0, 20)),
    "season-gone": Change("daily", lambda r, x: r.standard_normal(len(x))),
    "single-outlier": Change("iid", _outlier, horizon=3600.0),
}


@dataclass(frozen=True, slots=True)
class Drawn:
    """`reference` days of a family at `rate` values a week, then `weeks` without a change, then perhaps a change.

    The time before a change is 0.5 to 1.5 times `weeks`, by the seed, so that nothing that keeps a period is lucky.
    """

    family: str
    seed: int
    rate: float = 2016.0
    weeks: float = 10.0
    reference: float = 14.0
    change: str | None = None

    @property
    def name(self) -> str:
        return f"{self.change or self.family}@{self.rate:g}#{self.seed}"

    @property
    def draw(self) -> Generator:
        """Its own stream of random numbers, whatever else is drawn in the process."""
        told = f"{self.family}/{self.change}/{self.rate:g}"
        return np.random.default_rng([self.seed, zlib.crc32(told.encode())])

    @property
    def truth(self) -> Truth:
        until = START + self.reference * DAY
        if self.change is None:
            return Truth(until, True, season=DAY)
        return Truth(until, False, (self._changes_at(),), CHANGES[self.change].horizon)

    def _changes_at(self) -> float:
        first = START + self.reference * DAY + self.weeks * WEEK * (0.5 + np.random.default_rng(self.seed).random())
        return float(first)

    def batches(self) -> Iterator[Batch]:
        at, values = self.arrays()
        rows = values if values.ndim == 2 else values[None]
        return cut("drawn", at, {f"inputs.x{i}": row for i, row in enumerate(rows)})

    def arrays(self) -> tuple[Floats, Floats]:
        """Times (seconds) and values: one row a column where there are several."""
        draw, truth = self.draw, self.truth
        end = START + self.reference * DAY + self.weeks * WEEK if truth.null else truth.changes[0] + truth.horizon
        step = WEEK / self.rate
        at: Floats = START + step * np.arange(int((end - START) / step) + 1, dtype=np.float64)
        if self.family == "irregular":
            at = START + np.cumsum(draw.exponential(step, len(at)))
        values = FAMILIES[self.family](draw, (at - START) / DAY)
        if self.change is not None:
            first = int(np.searchsorted(at, truth.changes[0]))
            values[..., first:] = CHANGES[self.change].make(draw, values[..., first:])
        return at, values


def changed(kind: str, seed: int, weeks: float = 1.0, rate: float = 2016.0) -> Drawn:
    """A stream with a change of one kind."""
    return Drawn(CHANGES[kind].family, seed, rate, weeks, change=kind)
