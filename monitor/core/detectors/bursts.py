"""Bad cells of one column: a burst of them against how often they came in the reference, and long runs.

Each takes, for every event, whether the cell is bad, and says which event was the last of a burst. Counts are whole
numbers over the last 20 and 100 events, so it does not matter how events are cut into batches.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from monitor.core.events import Bools, Floats, Ints

REFERENCE = 200  # events
WINDOWS = (20, 100)  # events
CHANCE = 1e-6  # of a window of the reference having as many
FEWEST = 3  # bad cells that may be a burst
LONG = WINDOWS[-1] - 1
RARELY = 2  # of the reference: what came no more often is told of after fewer in a row
HOLD = 300.0  # seconds of rule time a burst is held after its last event


class Held:
    """The level side of a check: holds from the event at which it began until `HOLD` after the last one of it."""

    def __init__(self) -> None:
        self.until = -math.inf
        self.share = math.nan  # of bad cells, at the last event of the burst
        self.ratio = math.nan  # how far beyond the threshold, 1 = at it
        self.old = False  # whether that event was historical

    def hold(self, at: float, share: float, ratio: float, old: bool) -> None:
        self.until, self.share, self.ratio, self.old = at + HOLD, share, ratio, old

    @property
    def idle(self) -> bool:
        """Whether it will never say anything of this column."""
        return False

    @property
    def ever(self) -> bool:
        return self.until > -math.inf

    def save_held(self) -> Any:
        return [self.until, self.share, self.ratio, self.old]

    def load_held(self, saved: Any) -> None:
        self.until, self.share, self.ratio, self.old = saved


class Burst(Held):
    """Bad cells came more often than in the first `REFERENCE` events.

    A window trips where a binomial of the reference's rate (its upper limit) would have as many with probability
    below 1e-6, and the reference itself never had: a column that is missing half of the time trips on neither.
    `declared` bursts have no reference: a person said what is allowed.
    """

    def __init__(self, declared: bool = False) -> None:
        super().__init__()
        self.seen = 0
        self.bad = 0  # in the reference
        self._most = [0] * len(WINDOWS)  # in any window of the reference
        self._tail: Bools = np.zeros(LONG, dtype=bool)
        self.limits = (FEWEST, 5) if declared else (0, 0)  # 0: not known yet

    @property
    def rate(self) -> float:
        """Share of bad cells in the reference."""
        return self.bad / REFERENCE if self.ready else 0.0

    @property
    def ready(self) -> bool:
        return self.limits[0] > 0

    def feed(self, bad: Bools, clock: Floats, old: Bools) -> None:
        """Take one flag per event, with its rule time and whether it is historical."""
        if not len(bad):
            return
        missing = 0
        if not self.ready:
            missing = min(REFERENCE - self.seen, len(bad))
            counts = self._counts(bad[:missing])
            self.bad += int(bad[:missing].sum())
            self._most = [max(most, int(count.max())) for most, count in zip(self._most, counts, strict=True)]
            self._keep(bad[:missing])
            if self.seen == REFERENCE:
                pairs = zip(WINDOWS, self._most, strict=True)
                self.limits = tuple(max(limit(self.bad, w), most + 1) for w, most in pairs)  # type: ignore[assignment]
        later = bad[missing:]
        if not len(later):
            return
        if later.any() or self._tail.any():
            self._trip(self._counts(later), clock[missing:], old[missing:])
        self._keep(later)

    def _trip(self, counts: list[Ints], clock: Floats, old: Bools) -> None:
        over = np.zeros(len(clock), dtype=bool)
        for count, limit_ in zip(counts, self.limits, strict=True):
            over |= count >= limit_
        rows = np.flatnonzero(over)
        if len(rows):
            last = int(rows[-1])
            most = [int(count[last]) for count in counts]
            ratio, window, number = max(
                (n / limit_, w, n) for n, limit_, w in zip(most, self.limits, WINDOWS, strict=True)
            )
            self.hold(float(clock[last]), number / window, ratio, bool(old[last]))

    def _counts(self, bad: Bools) -> list[Ints]:
        """For each event the bad cells among the last 20 and the last 100, itself included."""
        sums = np.concatenate([[0], np.cumsum(np.concatenate([self._tail, bad]))])
        end = np.arange(LONG + 1, LONG + 1 + len(bad))
        return [sums[end] - sums[end - window] for window in WINDOWS]

    def _keep(self, bad: Bools) -> None:
        self.seen += len(bad)
        self._tail = np.concatenate([self._tail, bad])[-LONG:]

    def save(self) -> Any:
        tail = np.packbits(self._tail)
        return [self.seen, self.bad, list(self._most), list(self.limits), tail, self.save_held()]

    def load(self, saved: Any) -> None:
        self.seen, self.bad, self._most, limits, tail, held = saved
        self.limits = (limits[0], limits[1])
        self._tail = np.unpackbits(tail, count=LONG).astype(bool)
        self.load_held(held)


class Run(Held):
    """The same condition for `length` events without a break, where the reference had it rarely or never that long.

    `share` and `longest` say what the reference may have had at most for the check to mean anything. With at most
    `RARELY` of them in the reference `short` events are enough.
    """

    def __init__(self, length: int, share: float, longest: int, short: int | None = None) -> None:
        super().__init__()
        self._long, self._share, self._longest = length, share, longest
        self._short = length if short is None else short
        self.seen = 0
        self.bad = 0
        self._run = 0
        self._most = 0

    @property
    def _length(self) -> int:
        return self._short if self.bad <= RARELY else self._long

    @property
    def ready(self) -> bool:
        return self.seen >= REFERENCE and not self.idle

    @property
    def idle(self) -> bool:
        """Whether the reference itself was so: then the check means nothing."""
        return self.seen >= REFERENCE and (self.bad > self._share * REFERENCE or self._most > self._longest)

    @property
    def rate(self) -> float:
        return self.bad / REFERENCE if self.seen >= REFERENCE else 0.0

    def feed(self, bad: Bools, clock: Floats, old: Bools) -> None:
        if not len(bad):
            return
        missing = max(REFERENCE - self.seen, 0)
        self.seen += len(bad)
        if not self._run and not bad.any():
            return
        runs = self._runs(bad)
        self._run = int(runs[-1])
        if missing:
            self.bad += int(bad[:missing].sum())
            self._most = max(self._most, int(runs[:missing].max()))
        if not self.ready:
            return
        rows = np.flatnonzero(runs[missing:] >= self._length)
        if len(rows):
            last = missing + int(rows[-1])
            self.hold(float(clock[last]), 1.0, float(runs[last]) / self._length, bool(old[last]))

    def _runs(self, bad: Bools) -> Ints:
        """For each event how many in a row are bad up to it."""
        index = np.arange(len(bad))
        last_good = np.maximum.accumulate(np.where(bad, -1 - self._run, index))
        return np.where(bad, index - last_good, 0)

    def save(self) -> Any:
        return [self.seen, self.bad, self._run, self._most, self.save_held()]

    def load(self, saved: Any) -> None:
        self.seen, self.bad, self._run, self._most, held = saved
        self.load_held(held)


def limit(bad: int, window: int) -> int:
    """The fewest bad cells in a window that a rate as in the reference explains with probability below `CHANCE`.

    `window + 1` if none does. The rate is the upper limit of `bad` in `REFERENCE` events, about two standard errors.
    """
    rate = min((bad + 1 + 2 * math.sqrt(bad + 1)) / REFERENCE, 1.0)
    tail = 0.0
    for count in range(window, FEWEST - 1, -1):
        tail += math.comb(window, count) * rate**count * (1 - rate) ** (window - count)
        if tail > CHANCE:
            return count + 1
    return FEWEST
