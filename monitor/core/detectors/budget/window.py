"""The last days of a series whose reference rolls: what the next reference is made from."""

from __future__ import annotations

from typing import Any

import numpy as np

from monitor.core.detectors.budget.arming import FEWEST
from monitor.core.detectors.budget.collect import LIMIT, Collector
from monitor.core.detectors.budget.points import SHORTEST, Blocks, Points
from monitor.core.detectors.budget.series import FULL, HALF
from monitor.core.detectors.budget.trend import continues

COVERED = 0.99  # of the time wanted that a reference has to cover
ENOUGH = LIMIT - LIMIT // 8 - 1  # points that are enough, however short a time they cover


class Window:
    """At most the last `span` seconds, and the last `LIMIT` points (28 days of blocks).

    Blocks are scored by the cuts of their first day, which a trend leaves behind: every one and a half spans a second
    collector, with cuts of its own, takes over from the first. While a page of the series is open nothing comes in.
    """

    def __init__(self, span: float, collector: Collector | None = None) -> None:
        self.span = span
        self.held = False
        self._wanted = FULL  # seconds that a reference has to cover
        self._moved = np.nan  # clock from which it may be elsewhere than its trend leads; NaN: it is not
        self._now = Collector() if collector is None else collector
        self._next: Collector | None = None
        self._cut = self._now.first  # clock of the day that blocks are scored by
        self._gaps: list[tuple[float, float]] = []  # stretches that are left out, by the clock

    @property
    def moved(self) -> bool:
        """Whether it may be elsewhere than its trend leads."""
        return bool(np.isfinite(self._moved))

    @property
    def first(self) -> float:
        return self._now.first

    def add(self, points: Points) -> None:
        """Take points of single values, in order, unless a page is open."""
        if self.held:
            return
        for one in (self._now, self._next):
            if one is not None:
                one.add(points)
        if np.isnan(self._cut):
            self._cut = self._now.first

    def hold(self, since: float) -> None:
        """A page: what happened since a time (of the events) is not normal, and what comes is neither."""
        for one in (self._now, self._next):
            if one is not None:
                one.forget_after(since)
        self.held = True

    def release(self, clock: float, moved: bool) -> None:
        """Somebody has looked at the page. `moved`: the series has been elsewhere since."""
        if not self.held:
            return
        if moved and not self.moved:  # else a further page would put off for ever what the first one has
            self._moved = clock
        if np.isfinite(self._now.last):
            self._gaps.append((self._now.last, clock))
        self.held = False

    def roll(self, clock: float) -> None:
        """Forget what is older than the span, and what is scored by cuts of long ago."""
        start = clock - self.span
        reach = min(self.span, LIMIT * SHORTEST)
        follows = self._next is not None and self._next.points.n > 0
        if self._next is not None and follows and self._next.points.clock[0] <= clock - COVERED * reach:
            self._cut, self._now, self._next = self._next.first, self._next, None
        elif self._next is None and self._now.blocks is not None and self._cut <= clock - self.span / 2:
            self._next = Collector()
        self._now.forget_before(start)
        self._gaps = [gap for gap in self._gaps if gap[1] > start]
        if self.moved and not self.held:
            self._look(clock)

    def _look(self, clock: float) -> None:
        """Whether a series that has moved goes on where it was going: its trend alone may have brought it there. If
        not, what came before is of another place, and the next reference is made of a week of the new one."""
        points = self._now.points
        place = int(points.clock.searchsorted(self._moved))
        if continues(points.take(slice(0, place)), points.take(slice(place, None))):
            self._moved = np.nan
        elif clock - self._moved >= HALF:
            self._now.forget_before(self._moved)
            self._gaps, self._wanted, self._moved = [], HALF, np.nan

    def covers(self) -> bool:
        """Whether there is enough for a reference."""
        points = self._now.points
        if self.held or self.moved or points.n < FEWEST:
            return False
        first, last = float(points.clock[0]), float(points.clock[-1])
        missed = sum(min(end, last) - max(start, first) for start, end in self._gaps if end > first and start < last)
        return points.n >= ENOUGH or last - first - missed >= COVERED * min(self.span, self._wanted)

    def until(self, when: float) -> tuple[Points, Blocks | None]:
        """What was seen up to a time of the events, as points, and how later values become such points."""
        return self._now.until(when)

    def memory(self) -> int:
        return 200 + self._now.memory() + (0 if self._next is None else self._next.memory())

    def save(self) -> Any:
        after = None if self._next is None else self._next.save()
        return [self._now.save(), after, self._gaps, [self._cut, self._wanted, self._moved, self.held]]

    def load(self, saved: Any) -> None:
        now, after, gaps, (self._cut, self._wanted, self._moved, self.held) = saved
        self._now.load(now)
        self._next = None
        if after is not None:
            self._next = Collector()
            self._next.load(after)
        self._gaps = [(start, end) for start, end in gaps]
