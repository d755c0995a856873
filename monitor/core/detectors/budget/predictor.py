"""What of a value was to be expected: its season and its own past, chosen out of fold on the reference, then frozen."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from monitor.core.events import Floats, Ints

DAY = 86400.0
SLOTS = 288  # five-minute slots of a day
FOLD = DAY / 2
GAIN = 0.004  # of log loss below which the simpler model is kept
PRICE = 2.0  # log loss of all values that a lag must save beyond that
PER_PARAMETER = 40  # effective values of the reference for each parameter
ORDER = 3  # lags at most
CLIP = 4.0  # standard deviations of the residual beyond which a lag counts no more
Matrix = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Shape:
    """A seasonal profile: `harmonics` of the day, with a set of their own on weekends (UTC) or not. 0: a mean only."""

    harmonics: int = 0
    weekend: bool = False

    @property
    def parameters(self) -> int:
        return (1 + 2 * self.harmonics) * (2 if self.weekend else 1)


def slots(times: Floats) -> Ints:
    """The five-minute slot of each time: 0 to 287 on weekdays, 288 to 575 on weekends (1970 began on a Thursday)."""
    days = np.floor(times / DAY)
    slot = np.minimum(((times - days * DAY) * (SLOTS / DAY)).astype(np.int64), SLOTS - 1)
    return np.asarray(slot + SLOTS * (((days.astype(np.int64) + 3) % 7) >= 5))


def design(shape: Shape) -> Matrix:
    """One row a slot, one column a parameter."""
    phase = 2 * np.pi * (np.arange(SLOTS) + 0.5) / SLOTS
    waves = [f(k * phase) for k in range(1, shape.harmonics + 1) for f in (np.sin, np.cos)]
    day = np.column_stack([np.ones(SLOTS), *waves])
    if not shape.weekend:
        return np.concatenate([day, day])
    none = np.zeros_like(day)
    return np.concatenate([np.hstack([day, none]), np.hstack([none, day])])


@dataclass(frozen=True, slots=True)
class Predictor:
    """`profile` over the 576 slots, autoregression `phi` on what the profile leaves, lags clipped at `clip`."""

    shape: Shape
    coefficients: Floats
    phi: tuple[float, ...]
    clip: float
    profile: Floats

    @property
    def idle(self) -> bool:
        return self.shape.harmonics == 0 and not self.shape.weekend and not self.phi

    def expected(self, slot: Ints) -> Floats:
        return self.profile[slot]

    def innovations(self, rest: Floats, lags: Floats) -> tuple[Floats, Floats]:
        """What autoregression leaves of `rest` (values less profile), after the `ORDER` values `lags` before it.

        Also answers the lags for what comes next.
        """
        past = np.concatenate([lags, np.clip(rest, -self.clip, self.clip)])
        out = rest
        for k, phi in enumerate(self.phi, start=1):
            out = out - phi * past[ORDER - k : len(past) - k]
        return out, past[len(past) - ORDER :].copy()

    def save(self) -> Any:
        return [
            [self.shape.harmonics, self.shape.weekend],
            np.concatenate([self.coefficients, self.phi, [self.clip]]),
        ]


def predictor(shape: Shape, coefficients: Floats, phi: tuple[float, ...], clip: float) -> Predictor:
    # a sum of columns in a fixed order: what a matrix product does may depend on threads
    profile = np.zeros(2 * SLOTS)
    for column, coefficient in zip(design(shape).T, coefficients.tolist(), strict=True):
        profile = profile + column * coefficient
    return Predictor(shape, coefficients, phi, clip, profile)


def load_predictor(saved: Any) -> Predictor:
    (harmonics, weekend), numbers = saved
    shape = Shape(harmonics, weekend)
    count = shape.parameters
    return predictor(shape, numbers[:count], tuple(numbers[count:-1].tolist()), float(numbers[-1]))


def fit(values: Floats, times: Floats, shape: Shape, order: int) -> Predictor:
    """The predictor of a given form, by least squares."""
    rows = design(shape)[slots(times)]
    coefficients = _solve(_gram(rows, rows), _dot(rows, values))
    rest = values - _times(rows, coefficients)
    clip = CLIP * float(rest.std()) or 1.0
    return predictor(shape, coefficients, autoregression(rest, order, clip), clip)


def choose(values: Floats, times: Floats) -> Predictor:
    """The form that predicts half days it was not fitted on best, the simplest of those that are as good."""
    slot = slots(times)
    folds = np.unique(np.floor(times / FOLD), return_inverse=True)[1]
    best, found = math.inf, (Shape(), 0)
    for shape in _shapes(times):
        rest = _out_of_fold(values, design(shape)[slot], folds)
        for order in range(ORDER + 1):
            loss, tau = _judge(rest, order)
            allowed = len(values) / tau / PER_PARAMETER
            loss += order * PRICE / len(values)
            if loss < best - GAIN and (shape.parameters == 1 or shape.parameters <= allowed):
                best, found = loss, (shape, order)
    return fit(values, times, *found)


def autocorrelation_time(rest: Floats, phi: tuple[float, ...]) -> float:
    """Variance of a mean of `rest` times its length over the variance of `rest`, as its autoregression has it."""
    variance = float(rest.var())
    if variance <= 0 or len(rest) <= ORDER:
        return 1.0
    past = np.concatenate([np.zeros(ORDER), rest])
    left = rest.copy()
    for k, p in enumerate(phi, start=1):
        left = left - p * past[ORDER - k : len(past) - k]
    return max(float(left.var()) / max(1.0 - sum(phi), 0.02) ** 2 / variance, 1.0)


def _shapes(times: Floats) -> list[Shape]:
    span = float(times[-1] - times[0])
    found = [Shape()]
    if span >= 2 * DAY:
        found += [Shape(k) for k in (1, 2, 3)]
    days = np.unique(np.floor(times / DAY)).astype(np.int64)
    if int((((days + 3) % 7) >= 5).sum()) >= 4:  # two weekends
        found += [Shape(0, True), *(Shape(k, True) for k in (1, 2, 3))]
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


def _judge(rest: Floats, order: int) -> tuple[float, float]:
    """Log loss of the next value, and the autocorrelation time."""
    clip = CLIP * float(rest.std()) or 1.0
    phi = autoregression(rest, order, clip)
    left, _ = predictor(Shape(), np.zeros(1), phi, clip).innovations(rest, np.zeros(ORDER))
    scale = max(float(np.median(np.abs(left))) / 0.6745, 0.5 * float(left.std()))
    loss = 0.5 * math.log(max(float(np.minimum(left, CLIP * scale).clip(-CLIP * scale).var()), 1e-12))
    return loss, autocorrelation_time(rest, phi)


def autoregression(rest: Floats, order: int, clip: float) -> tuple[float, ...]:
    if order == 0 or len(rest) < 20 * order:
        return ()
    past = np.clip(rest, -clip, clip)
    columns = np.column_stack([past[order - k : len(past) - k] for k in range(1, order + 1)])
    phi = _solve(_gram(columns, columns), _dot(columns, past[order:]))
    return tuple(phi.tolist())


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
