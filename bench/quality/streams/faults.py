"""What must never page: broken, silent or odd inputs for a year; and traffic that grows and shrinks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from bench.quality.stream import DAY, WEEK, Truth, cut
from bench.quality.streams.drawn import START
from bench.quality.streams.folder import arrival
from monitor.core.events import Batch, Floats

YEAR = 52.0  # weeks
REFERENCE = 14 * DAY
Made = tuple[Floats, dict[str, Floats]]


def _steady(rate: float = 2016.0) -> Floats:
    return np.asarray(START + WEEK / rate * np.arange(int((2 + YEAR) * rate)))


def _one(draw: Generator, make: Callable[[Generator, Floats], Floats]) -> Made:
    at = _steady()
    return at, {"inputs.x0": make(draw, at)}


def _constant(draw: Generator) -> Made:
    return _one(draw, lambda r, at: np.full(len(at), 3.5))


def _bernoulli(draw: Generator) -> Made:
    return _one(draw, lambda r, at: (r.random(len(at)) < 0.05).astype(float))


def _all_missing(draw: Generator) -> Made:
    """The column is there for the reference and never again; another one says nothing new."""
    at = _steady()
    gone = np.where(at < START + REFERENCE, draw.standard_normal(len(at)), np.nan)
    return at, {"inputs.x0": gone, "inputs.x1": draw.standard_normal(len(at))}


def _silent(draw: Generator) -> Made:
    """No events at all for two weeks, four times a year."""
    at = _steady()
    week = (at - START) // WEEK
    at = at[~np.isin(week % 13, (6, 7)) | (week < 2)]
    return at, {"inputs.x0": draw.standard_normal(len(at))}


def _far_future(draw: Generator) -> Made:
    """One time in 2035 among the others."""
    at = _steady()
    at[len(at) // 2] = START + 11 * 365 * DAY
    return at, {"inputs.x0": draw.standard_normal(len(at))}


def _absent(draw: Generator) -> Made:
    """19 of 20 columns absent after the reference."""
    at = _steady()
    values = draw.standard_normal((20, len(at)))
    values[1:, at >= START + REFERENCE] = np.nan
    return at, {f"inputs.x{i}": row for i, row in enumerate(values)}


def _five_a_week(draw: Generator) -> Made:
    """A reference at 2,016 values a week, then five a week."""
    early, late = _steady(), _steady(5.0)
    at = np.concatenate([early[early < START + REFERENCE], late[late >= START + REFERENCE]])
    return at, {"inputs.x0": draw.standard_normal(len(at))}


FAULTS: Mapping[str, Callable[[Generator], Made]] = {
    "constant": _constant,
    "bernoulli-0.05": _bernoulli,
    "all-missing": _all_missing,
    "silent-two-weeks": _silent,
    "one-time-in-2035": _far_future,
    "19-of-20-absent": _absent,
    "five-a-week": _five_a_week,
}


@dataclass(frozen=True, slots=True)
class Fault:
    """One of `FAULTS` for a year after its reference."""

    kind: str
    seed: int = 0

    @property
    def name(self) -> str:
        return f"fault/{self.kind}#{self.seed}"

    @property
    def truth(self) -> Truth:
        return Truth(START + REFERENCE, True)

    def batches(self) -> Iterator[Batch]:
        at, columns = FAULTS[self.kind](np.random.default_rng([self.seed, len(self.kind)]))
        recorded = arrival(at)
        for batch in cut("fault", at, columns):
            first = int(batch.offsets[0])
            batch.recorded_at = recorded[first : first + batch.n]
            yield batch


@dataclass(frozen=True, slots=True)
class Traffic:
    """Independent noise at 2,016 values a week in the reference, and `times` as many after it, for ten weeks."""

    seed: int
    times: float
    weeks: float = 10.0

    @property
    def name(self) -> str:
        return f"traffic/x{self.times:g}#{self.seed}"

    @property
    def truth(self) -> Truth:
        return Truth(START + REFERENCE, True)

    def batches(self) -> Iterator[Batch]:
        draw = np.random.default_rng([self.seed, int(10 * self.times)])
        step, until = WEEK / 2016, START + REFERENCE
        late = until + step / self.times * np.arange(int(self.weeks * 2016 * self.times))
        at = np.concatenate([np.arange(START, until, step), late])
        return cut("traffic", at, {"inputs.x0": draw.standard_normal(len(at))})
