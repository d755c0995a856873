"""What of a value was to be expected: its season and its own past, chosen out of fold on the reference, then frozen."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from monitor.core.events import Floats, Ints

DAY = 86400.0
SLOTS = 288  # five-minute slots of a day; a profile has those of a week
FOLD = DAY / 2
GAIN = 0.004  # of log loss below which the simpler model is kept
PRICE = 2.0  # log loss of all values that a lag must save beyond that
PER_PARAMETER = 40  # effective values of the reference for each parameter
ORDER = 3  # lags at most
LAGS = ORDER + 1  # what is carried from value to value: the last values, and their mean over some hours
HOURS = 4 * 3600.0  # that this mean looks back
LONGEST = 12  # values that it must hold: fewer are lags
CLIP = 4.0  # standard deviations of the residual beyond which a lag counts no more
Matrix = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Shape:
    """A seasonal profile: `harmonics` of the day, with a set of their own on weekends (UTC) or not, and `weekly`
    harmonics of the week. 0: a mean only."""

    harmonics: int = 0
    weekend: bool = False
    weekly: int = 0

    @property
    def parameters(self) -> int:
        return (1 + 2 * self.harmonics) * (2 if self.weekend else 1) + 2 * self.weekly


def slots(times: Floats) -> Ints:
    """The five-minute slot of the week of each time, from 0, Monday's midnight UTC (1970 began on a Thursday)."""
    days = np.floor(times / DAY)
    slot = np.minimum(((times - days * DAY) * (SLOTS / DAY)).astype(np.int64), SLOTS - 1)
    return np.asarray(slot + SLOTS * ((days.astype(np.int64) + 3) % 7))


def design(shape: Shape) -> Matrix:
    """One row a slot of the week, one column a parameter."""
    day = np.column_stack([np.ones(SLOTS), *_waves(shape.harmonics, SLOTS)])
    none = np.zeros_like(day)
    weekday, weekend = (np.hstack([day, none]), np.hstack([none, day])) if shape.weekend else (day, day)
    week = np.concatenate([weekday] * 5 + [weekend] * 2)
    return np.column_stack([week, *_waves(shape.weekly, 7 * SLOTS)])


def _waves(harmonics: int, slots: int) -> list[Floats]:
    phase = 2 * np.pi * (np.arange(slots) + 0.5) / slots
    return [f(k * phase) for k in range(1, harmonics + 1) for f in (np.sin, np.cos)]


@dataclass(frozen=True, slots=True)
class Past:
    """What is expected from the past: `phi` on the last values, `slow` on their mean over some hours, for series whose
    level wanders from hour to hour (Corsi, A simple approximate long-memory model, 2009). `fade` is the weight of the
    newest value in that mean."""

    phi: tuple[float, ...] = ()
    slow: float = 0.0
    fade: float = 0.0

    def leaves(self, rest: Floats, lags: Floats, clip: float) -> tuple[Floats, Floats]:
        """What it leaves of `rest`, and the `LAGS` numbers to carry on: the last values, and their mean."""
        clipped = np.clip(rest, -clip, clip)
        before = np.concatenate([lags[:ORDER], clipped])
        out = rest
        for k, phi in enumerate(self.phi, start=1):
            out = out - phi * before[ORDER - k : len(before) - k]
        means = lags[ORDER:]
        if self.slow:
            means = fading(clipped, float(lags[ORDER]), self.fade)
            out = out - self.slow * means[:-1]
        return out, np.concatenate([before[len(before) - ORDER :], means[-1:]])


@dataclass(frozen=True, slots=True)
class Predictor:
    """`profile` over the 2,016 slots of the week, then regression on what the profile leaves: on the values before, and
    on their mean over some hours, all clipped at `clip`."""

    shape: Shape
    coefficients: Floats
    past: Past
    clip: float
    profile: Floats

    @property
    def phi(self) -> tuple[float, ...]:
        return self.past.phi

    @property
    def idle(self) -> bool:
        return self.shape == Shape() and self.past == Past()

    def expected(self, slot: Ints) -> Floats:
        return self.profile[slot]

    def innovations(self, rest: Floats, lags: Floats) -> tuple[Floats, Floats]:
        """What the past leaves of `rest` (values less profile); `lags`: the `LAGS` numbers carried so far.

        Also answers those for what comes next.
        """
        return self.past.leaves(rest, lags, self.clip)

    def save(self) -> Any:
        past = self.past
        return [
            [self.shape.harmonics, self.shape.weekend, self.shape.weekly],
            np.concatenate([self.coefficients, past.phi, [past.slow, past.fade, self.clip]]),
        ]


def predictor(shape: Shape, coefficients: Floats, past: Past, clip: float) -> Predictor:
    # a sum of columns in a fixed order: what a matrix product does may depend on threads
    profile = np.zeros(7 * SLOTS)
    for column, coefficient in zip(design(shape).T, coefficients.tolist(), strict=True):
        profile = profile + column * coefficient
    return Predictor(shape, coefficients, past, clip, profile)


def load_predictor(saved: Any) -> Predictor:
    form, numbers = saved
    shape = Shape(*form)
    count = shape.parameters
    *phi, slow, fade, clip = numbers[count:].tolist()
    return predictor(shape, numbers[:count], Past(tuple(phi), slow, fade), clip)


def fit(values: Floats, times: Floats, shape: Shape, order: int, slow: bool = False) -> Predictor:
    """The predictor of a given form, by least squares."""
    rows = design(shape)[slots(times)]
    coefficients = _solve(_gram(rows, rows), _dot(rows, values))
    rest = values - _times(rows, coefficients)
    clip = CLIP * float(rest.std()) or 1.0
    return predictor(shape, coefficients, regression(rest, order, clip, _fade(times) if slow else 0.0), clip)


def choose(values: Floats, times: Floats) -> Predictor:
    """The form that predicts half days it was not fitted on best, the simplest of those that are as good."""
    slot = slots(times)
    folds = np.unique(np.floor(times / FOLD), return_inverse=True)[1]
    fade = _fade(times)
    best, found = math.inf, (Shape(), 0, False)
    left: dict[Shape, Floats] = {}

    def consider(shape: Shape, order: int, slow: bool) -> None:
        nonlocal best, found
        loss, tau = _judge(left[shape], order, fade if slow else 0.0)
        allowed = len(values) / tau / PER_PARAMETER
        loss += (order + slow) * PRICE / len(values)
        if loss < best - GAIN and (shape.parameters == 1 or shape.parameters <= allowed):
            best, found = loss, (shape, order, slow)

    for shape in _shapes(times):
        left[shape] = _out_of_fold(values, design(shape)[slot], folds)
        for order in range(ORDER + 1):
            consider(shape, order, False)
    if fade:
        for shape, order in ((shape, order) for shape in dict.fromkeys((Shape(), found[0])) for order in (0, 1)):
            consider(shape, order, True)
    return fit(values, times, *found)


def autocorrelation_time(rest: Floats, past: Past) -> float:
    """Variance of a mean of `rest` times its length over the variance of `rest`, as its regression has it."""
    variance = float(rest.var())
    if variance <= 0 or len(rest) <= ORDER:
        return 1.0
    left, _ = past.leaves(rest, np.zeros(LAGS), math.inf)
    return max(float(left.var()) / max(1.0 - sum(past.phi) - past.slow, 0.02) ** 2 / variance, 1.0)


def remaining(left: Floats) -> float:
    """The autocorrelation time of what is left: by its first lag, or by means of 50 where those say much more."""
    first = autocorrelation_time(left, regression(left, 1, math.inf))
    batches = len(left) // 50
    if batches < 20:
        return first
    means = left[: batches * 50].reshape(batches, 50).mean(axis=1)
    by_means = 50 * float(means.var()) / max(float(left.var()), 1e-300)
    return by_means if by_means > 1.5 else first


def _fade(times: Floats) -> float:
    """The weight of the newest value in a mean over some hours; 0 where that would be the mean of a few values."""
    values = HOURS * (len(times) - 1) / max(float(times[-1] - times[0]), 1e-9)
    return 2.0 / (values + 1.0) if values >= LONGEST else 0.0


def _shapes(times: Floats) -> list[Shape]:
    span = float(times[-1] - times[0])
    found = [Shape()]
    if span >= 2 * DAY:
        found += [Shape(k) for k in (1, 2, 3)]
    days = np.unique(np.floor(times / DAY)).astype(np.int64)
    if int((((days + 3) % 7) >= 5).sum()) >= 4:  # two weekends
        found += [Shape(k, True) for k in (0, 1, 2, 3)]
    if span >= 13.5 * DAY:
        found += [Shape(k, False, 1) for k in (0, 1, 2, 3)]
    return found


def _out_of_fold(values: Floats, rows: Matrix, folds: Ints) -> Floats:
    """What the profile leaves of each fold when it is fitted on all the others."""
    last = np.flatnonzero(np.diff(folds, append=folds[-1] + 1))
    pieces = [slice(a, b + 1) for a, b in zip([0, *(last[:-1] + 1).tolist()], last.tolist(), strict=True)]
    gram, moment = _gram(rows, rows), _dot(rows, values)
    rest = np.empty(len(values))
    for piece in pieces:
        part = rows[piece]
        fitted = _solve(gram - _gram(part, part), moment - _dot(part, values[piece]))
        rest[piece] = values[piece] - _times(part, fitted)
    return rest


def _judge(rest: Floats, order: int, fade: float) -> tuple[float, float]:
    """Log loss of the next value, and the autocorrelation time."""
    clip = CLIP * float(rest.std()) or 1.0
    past = regression(rest, order, clip, fade)
    left, _ = past.leaves(rest, np.zeros(LAGS), clip)
    if fade and left.var() > (1 - 2 * GAIN) * rest.var():
        return math.inf, 1.0  # of rare ones among zeros only the clipped loss gets less
    scale = max(float(np.median(np.abs(left))) / 0.6745, 0.5 * float(left.std()))
    loss = 0.5 * math.log(max(float(np.minimum(left, CLIP * scale).clip(-CLIP * scale).var()), 1e-12))
    return loss, autocorrelation_time(rest, past)


def regression(rest: Floats, order: int, clip: float, fade: float = 0.0) -> Past:
    """On `order` values before, and with `fade` on their mean over some hours, by least squares."""
    if len(rest) < 20 * (order + 1) or not (order or fade):
        return Past()
    past = np.clip(rest, -clip, clip)
    columns = [past[order - k : len(past) - k] for k in range(1, order + 1)]
    if fade:
        columns.append(fading(past, 0.0, fade)[order:-1])
    matrix = np.column_stack(columns)
    found = _solve(_gram(matrix, matrix), _dot(matrix, past[order:])).tolist()
    return Past(tuple(found[:order]), found[order], fade) if fade else Past(tuple(found))


def fading(values: Floats, start: float, fade: float) -> Floats:
    """Exponentially fading means, the one before the first value included."""
    keep, mean, out = 1.0 - fade, start, [start]
    for value in values.tolist():
        mean = keep * mean + fade * value
        out.append(mean)
    return np.array(out)


def _gram(left: Matrix, right: Matrix) -> Matrix:
    """Sums of products, not by BLAS: those depend on how many threads it has."""
    return np.asarray(np.einsum("ij,ik->jk", left, right))


def _dot(rows: Matrix, values: Floats) -> Floats:
    return np.asarray(np.einsum("ij,i->j", rows, values))


def _times(rows: Matrix, coefficients: Floats) -> Floats:
    return np.asarray(np.einsum("ij,j->i", rows, coefficients))


def _solve(gram: Matrix, moment: Floats) -> Floats:
    ridge = 1e-9 * max(float(np.trace(gram)), 1e-12)
    return np.asarray(np.linalg.solve(gram + ridge * np.eye(len(gram)), moment), dtype=np.float64)
