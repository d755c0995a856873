"""What a compiled expression is made of: functions from a frame to arrays, and ways to join them.

Logic is Kleene's: unknown is neither true nor false; `false and unknown` is false, `true or unknown` is true.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from monitor.core.events import Bools, Floats
from monitor.core.rules.cells import Frame, Numbers, Objects, Texts, Truths

NumberCode = Callable[[Frame], Numbers]
TextCode = Callable[[Frame], Texts]
TruthCode = Callable[[Frame], Truths]

MAX_TEXT = 10_000  # characters of a cell that text functions look at


def join(codes: list[TruthCode], every: bool) -> TruthCode:
    """All of some conditions, or any of them."""
    if len(codes) == 1:
        return codes[0]

    def run(frame: Frame) -> Truths:
        yes, no = zip(*(code(frame) for code in codes), strict=True)
        if every:
            return np.logical_and.reduce(yes), np.logical_or.reduce(no)
        return np.logical_or.reduce(yes), np.logical_and.reduce(no)

    return run


def negate(code: TruthCode) -> TruthCode:
    """Yes for no and no for yes; unknown stays."""

    def run(frame: Frame) -> Truths:
        yes, no = code(frame)
        return no, yes

    return run


def certain(holds: Bools) -> Truths:
    """A condition that is known everywhere."""
    return holds, ~holds


def compared(a: NumberCode, b: NumberCode, operation: Callable[[Floats, Floats], Bools]) -> TruthCode:
    """Two numbers compared; unknown where either is."""

    def run(frame: Frame) -> Truths:
        (x, x_known), (y, y_known) = a(frame), b(frame)
        return _where(operation(x, y), x_known & y_known)

    return run


def same_text(a: TextCode, b: TextCode) -> TruthCode:
    """Whether two texts are equal; unknown where either is."""

    def run(frame: Frame) -> Truths:
        (x, x_known), (y, y_known) = a(frame), b(frame)
        return _where(np.asarray(x == y, dtype=bool), x_known & y_known)

    return run


def same_as(text: TextCode, literal: str) -> TruthCode:
    """Whether a text is this one; unknown where there is none."""

    def run(frame: Frame) -> Truths:
        values, known = text(frame)
        return _where(np.fromiter(map(literal.__eq__, values.tolist()), bool, frame.n), known)

    return run


def text_test(text: TextCode, test: Callable[[str], bool]) -> TruthCode:
    """A test of each text."""

    def run(frame: Frame) -> Truths:
        values, known = text(frame)
        return _where(np.fromiter((test(v[:MAX_TEXT]) for v in values), bool, frame.n), known)

    return run


def constant(value: float) -> NumberCode:
    return lambda frame: (np.full(frame.n, value), np.ones(frame.n, dtype=bool))


def constant_text(value: str) -> TextCode:
    return lambda frame: (np.full(frame.n, value, dtype=object), np.ones(frame.n, dtype=bool))


def unary(code: NumberCode, function: Callable[[Floats], Floats]) -> NumberCode:
    def run(frame: Frame) -> Numbers:
        values, known = code(frame)
        return _finite(function(values), known)

    return run


def binary(a: NumberCode, b: NumberCode, operation: Callable[[Floats, Floats], Floats], divides: bool) -> NumberCode:
    """Arithmetic; unknown where an operand is, where a divisor is 0 and where the result is not finite."""

    def run(frame: Frame) -> Numbers:
        (x, x_known), (y, y_known) = a(frame), b(frame)
        known = x_known & y_known & (y != 0.0) if divides else x_known & y_known
        return _finite(operation(x, y), known)

    return run


def text_length(text: TextCode) -> NumberCode:
    def run(frame: Frame) -> Numbers:
        values, known = text(frame)
        return np.where(known, np.fromiter(map(len, values), np.float64, frame.n), np.nan), known

    return run


def lowered(text: TextCode) -> TextCode:
    def run(frame: Frame) -> Texts:
        values, known = text(frame)
        return objects([value.lower() for value in values]), known

    return run


def event_time(frame: Frame) -> Numbers:
    return _finite(frame.batch.at, np.ones(frame.n, dtype=bool))


def event_version(frame: Frame) -> Texts:
    return objects([version or "" for version in frame.batch.versions]), ~version_missing(frame)


def event_id(frame: Frame) -> Texts:
    return objects(frame.batch.ids), np.ones(frame.n, dtype=bool)


def version_missing(frame: Frame) -> Bools:
    return np.fromiter((version is None for version in frame.batch.versions), bool, frame.n)


def hour(seconds: Floats) -> Floats:
    """Hour of the day in UTC, 0 to 23."""
    return np.mod(np.floor(seconds / 3600.0), 24.0)


def weekday(seconds: Floats) -> Floats:
    """Day of the week in UTC, Monday 0 to Sunday 6; 1970 began on a Thursday."""
    return np.mod(np.floor(seconds / 86400.0) + 3.0, 7.0)


def objects(values: list[str]) -> Objects:
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def _finite(values: Floats, known: Bools) -> Numbers:
    known = known & np.isfinite(values)
    return np.where(known, values, np.nan), known


def _where(holds: Bools, known: Bools) -> Truths:
    return holds & known, ~holds & known
