"""One stream of numbers under one change detector: warms up, watches, latches, never learns what it has reported.

The baseline is everything seen from the end of the latest reference up to the change. It does not matter where the
stream is cut into batches: whatever is summed up is summed in blocks that count from the first value.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from monitor.core.detectors.base import ScalarDetector, every
from monitor.core.detectors.compare import (
    FEWEST,
    NORMAL_95,
    Difference,
    Guard,
    Moments,
    judge,
    moments,
    split,
)
from monitor.core.detectors.scaling import fit_scale, standardise
from monitor.core.events import Floats
from monitor.core.state import StateError

BLOCK = 256  # values folded into the sums at once; at least as many stay at hand
LOOKS = (5, 10, 20, 40, 80, 160)  # values after a detection that was not sure enough at which it is judged again
WARMING, WATCHING, LATCHED, DISABLED = "warming", "watching", "latched", "disabled"


@dataclass(frozen=True, slots=True)
class Settings:
    """`scaled`: the detector sees standardised values. Shares (`guard.rates`) are judged as they are."""

    guard: Guard
    warm_up: int = 200
    scaled: bool = True


@dataclass(frozen=True, slots=True)
class Change:
    """A change in data units. `value` is the mean of the last `n` values, `expected` the mean of `n_before`."""

    value: float
    expected: float
    effect: float
    interval: tuple[float, float] | None
    n: int
    n_before: int
    spread: float  # standard deviation after, divided by the one before


class Series:
    """Feed it finite values. After a change it takes nothing in until `rearm`; a new reference is a new Series."""

    __slots__ = (
        "_detector",
        "_doubt",
        "_make",
        "_pending",
        "_since_hit",
        "_sums",
        "base",
        "note",
        "scale",
        "seen",
        "settings",
        "state",
    )

    def __init__(self, make: Callable[[], ScalarDetector], settings: Settings) -> None:
        self._make = make
        self.settings = settings
        self.seen = 0
        self.restart()

    def restart(self) -> None:
        """Forget everything and warm up."""
        self.state = WARMING
        self.scale = (0.0, 1.0)
        self.base: Moments | None = None  # fixed by the first change; None while it still grows
        self.note = ""
        self._detector: ScalarDetector | None = None
        self._pending: Floats = np.empty(0)
        self._sums = Moments()
        self._since_hit = -1  # values since a detection that is still under suspicion
        self._doubt = False  # whether what was reported is to be reported again if it is still so

    def feed(self, values: Floats) -> tuple[int, Change] | None:
        """Take values in order; the index of the one at which a change became sure, and the change.

        What a detector raises goes through: the caller calls `disable`.
        """
        self.seen += len(values)
        if self.state == WATCHING:
            return self._watch(values, 0)
        if self.state == WARMING:
            missing = max(self.settings.warm_up - len(self._pending), 0)
            self._pending = np.concatenate([self._pending, values[:missing]])
            if len(self._pending) < self.settings.warm_up:
                return None
            self._arm()
            return self._watch(values, missing)
        if self.state == LATCHED:
            self._pending = np.concatenate([self._pending, values])[-BLOCK:]
        return None

    def rearm(self) -> None:
        """Watch again, against the same baseline. The present is not taken for normal, nor reported again as it is.

        A detector starts with an empty window, so it finds the next change; if that leads back to the baseline it is
        no finding.
        """
        if self.state == DISABLED and self.base is None:
            self.restart()
        elif self.state in (LATCHED, DISABLED):
            self.state, self.note = WATCHING, ""
            self._detector = self._make()
            self._pending, self._sums, self._since_hit, self._doubt = np.empty(0), Moments(), -1, False

    def doubt(self) -> None:
        """If it has reported, or broke: watch again, and look at the next values as if a detector had found them odd.

        What is still so is reported again, with at most `LOOKS[-1]` values; what is over is not.
        """
        if self.state in (LATCHED, DISABLED):
            self.rearm()
            if self.base is not None:
                self._since_hit, self._doubt = 0, True

    def disable(self, why: str) -> None:
        """Stop for good, visibly: the detector raised."""
        self.state, self.note = DISABLED, why
        self._detector, self._pending = None, np.empty(0)

    def now(self) -> tuple[float, float] | None:
        """Mean of the last values in data units, and how far it is from the baseline in its standard deviations."""
        base = self.base or self._sums.plus(self._view(self._pending))
        if self.state not in (WATCHING, LATCHED) or not len(self._pending):
            return None
        last = self._view(self._pending[-64:])
        spread = base.variance**0.5
        centre, width = self._unit()
        return centre + width * last.mean, (last.mean - base.mean) / spread if spread > 0 else 0.0

    def memory(self) -> int:
        return 2600 + self._pending.nbytes

    # -- inside --

    def _arm(self) -> None:
        if self.settings.scaled:
            self.scale = fit_scale(self._pending)
        self._detector = self._make()
        every(self._detector, self._input(self._pending))  # the reference is normal by definition
        self.state = WATCHING
        self._fold()

    def _input(self, values: Floats) -> Floats:
        return standardise(values, *self.scale) if self.settings.scaled else values

    def _units(self, values: Floats) -> Floats:
        """Values in the unit they are judged in."""
        return values if self.settings.guard.rates else self._input(values)

    def _view(self, values: Floats) -> Moments:
        return moments(self._units(values))

    def _watch(self, values: Floats, start: int) -> tuple[int, Change] | None:
        detector = self._detector
        assert detector is not None
        fed = self._input(values)
        while start < len(values):
            stop = min(len(values), start + self._next_look())
            hit = detector.first(fed[start:stop])
            end = stop if hit < 0 else start + hit + 1
            self._pending = np.concatenate([self._pending, values[start:end]])
            self._fold()  # before looking back, so that how far does not depend on where batches were cut
            looking = self._count(hit, end - start)
            change = self._look() if looking else None
            if change is not None:
                self._keep_display(values[end:])
                return end - 1, change
            start = end
        return None

    def _next_look(self) -> int:
        if self._since_hit < 0:
            return 1 << 62
        return next(look for look in LOOKS if look > self._since_hit) - self._since_hit

    def _count(self, hit: int, taken: int) -> bool:
        """Whether it is time to look at the evidence."""
        if hit >= 0:
            self._since_hit = 0
            return True
        if self._since_hit < 0:
            return False
        self._since_hit += taken
        due = self._since_hit in LOOKS
        if self._since_hit >= LOOKS[-1]:
            self._since_hit = -1
        return due

    def _look(self) -> Change | None:
        recent = self._units(self._pending)
        whole = self._sums.plus(moments(recent))
        length = len(recent) if self._doubt else split(recent, whole, 0 if self.base is not None else FEWEST)
        self._doubt = self._doubt and self._since_hit >= 0
        if not length:
            return None
        after = moments(recent[-length:])
        before = self.base if self.base is not None else whole.minus(after)
        seen = judge(before, after, self.settings.guard)
        if seen is None:
            return None
        self.base, self.state, self._since_hit, self._doubt = before, LATCHED, -1, False
        self._detector = None
        return self._change(seen, self._pending[-length:])

    def _keep_display(self, later: Floats) -> None:
        self._pending, self._sums = np.concatenate([self._pending, later])[-BLOCK:], Moments()

    def _fold(self) -> None:
        done = (len(self._pending) // BLOCK - 1) * BLOCK
        if done <= 0:
            return
        units = self._units(self._pending[:done]).reshape(-1, BLOCK)
        totals, squares = units.sum(axis=1), (units * units).sum(axis=1)  # of each as `moments` has them
        for total, square in zip(totals.tolist(), squares.tolist(), strict=True):
            self._sums = self._sums.plus(Moments(BLOCK, total, square))
        self._pending = self._pending[done:]

    def _unit(self) -> tuple[float, float]:
        """What a judged value of 0 is in data units, and what 1 adds to it."""
        return (0.0, 1.0) if self.settings.guard.rates else self.scale

    def _change(self, seen: Difference, after: Floats) -> Change:
        """The difference in data units, from the raw values: clipping hides how far they really went."""
        centre, width = self._unit()
        before = seen.before
        value, expected = float((after / len(after)).sum()), centre + width * before.mean
        effect, interval = seen.effect, None
        if self.settings.guard.rates:
            interval = seen.interval
        elif width > 0 and before.variance > 0:
            with np.errstate(over="ignore", invalid="ignore"):
                spread = float((after / width).std())
            error = NORMAL_95 * width * math.hypot((before.variance / before.n) ** 0.5, spread / len(after) ** 0.5)
            gap = value - expected
            if math.isfinite(gap) and math.isfinite(error):
                effect, interval = gap / (width * before.variance**0.5), (gap - error, gap + error)
        ratio = (seen.after.variance / before.variance) ** 0.5 if before.variance > 0 else 0.0
        return Change(value, expected, effect, interval, seen.after.n, before.n, ratio)

    # -- state --

    def save(self) -> Any:
        return {
            "state": self.state,
            "seen": self.seen,
            "scale": list(self.scale),
            "base": None if self.base is None else list(self.base),
            "note": self.note,
            "pending": self._pending,
            "sums": list(self._sums),
            "since_hit": self._since_hit,
            "doubt": self._doubt,
            "detector": None if self._detector is None else self._detector.save(),
        }

    def load(self, saved: Any) -> None:
        self.state, self.seen, self.note = saved["state"], saved["seen"], saved["note"]
        self.scale = (saved["scale"][0], saved["scale"][1])
        self.base = None if saved["base"] is None else Moments(*saved["base"])
        self._pending, self._sums = saved["pending"], Moments(*saved["sums"])
        self._since_hit, self._doubt = saved["since_hit"], saved.get("doubt", False)
        if saved["detector"] is None:
            return
        detector = self._make()
        try:
            detector.load(saved["detector"])
        except StateError as problem:  # what we own is kept; River's window starts again from the values at hand
            self.note = f"the detector started again: {problem}"
            detector = self._make()
            every(detector, self._input(self._pending))
        self._detector = detector
