"""A value against the limit of a rule."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from monitor.core.events import Bools, Floats
from monitor.core.rules.model import Windowed

MOST = 1e6  # ratios beyond it say no more, and infinity does not fit into JSON


@dataclass(frozen=True, slots=True)
class Limit:
    """`above` or `below` a value, with the level at which a condition that held clears.

    With a clear level of its own, a condition that held goes on to hold until the value passes that level.
    """

    upward: bool
    value: float
    clear: float | None

    @property
    def remembers(self) -> bool:
        """Whether it matters if the condition held before."""
        return self.clear is not None and self.clear != self.value

    def holds(self, values: Floats, held: Bools) -> Bools:
        """Whether the condition holds; False where a value is NaN."""
        beyond = values > self.value if self.upward else values < self.value
        if self.clear is None or not self.remembers:
            return beyond
        still = values >= self.clear if self.upward else values <= self.clear
        return beyond | (held & still)

    def effect(self, values: Floats) -> Floats:
        """How far beyond the limit, as a ratio: 1 at the limit, more beyond it.

        `value / limit` above and `limit / value` below. Where a limit is not positive there is no such ratio:
        there it is 1 plus the distance in limits (in units, if the limit is 0).
        """
        if self.value > 0.0 and not self.upward:
            ratio = ratios(np.full(len(values), self.value), values)
        else:
            with np.errstate(over="ignore"):
                distance = values - self.value if self.upward else self.value - values
                ratio = 1.0 + distance / (abs(self.value) or 1.0)
        return np.where(np.isnan(values), np.nan, np.clip(ratio, -MOST, MOST))


def limit_of(form: Windowed) -> Limit:
    """The limit of a form. Limits of a comparison are changes: `below: 10%` means a fall by more than a tenth."""
    upward = form.above is not None
    value = form.above if form.above is not None else form.below
    if value is None:
        raise ValueError(f"{form.kind} of {form.of!r} has neither `above` nor `below`")
    if form.kind == "compare" and not upward:
        return Limit(upward, -abs(value), None if form.clear is None else -abs(form.clear))
    return Limit(upward, value, form.clear)


def ratios(upper: Floats, lower: Floats) -> Floats:
    """upper / lower; MOST where lower is 0 or negative."""
    result = np.full(len(upper), MOST)
    with np.errstate(over="ignore"):
        np.divide(upper, lower, out=result, where=~(lower <= 0.0))
    capped: Floats = np.minimum(result, MOST)
    return capped


def changes(now: Floats, before: Floats) -> Floats:
    """Relative change; from 0 it is MOST in the direction of the change, or 0 if there was none."""
    with np.errstate(over="ignore"):
        difference = now - before
        change = np.sign(difference) * MOST
        np.divide(difference, np.abs(before), out=change, where=before != 0.0)
    clipped: Floats = np.clip(change, -MOST, MOST)
    return clipped
