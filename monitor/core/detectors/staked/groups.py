"""How the answers of a harm rule become groups: one by one where few come, more together where many do."""

from __future__ import annotations

from typing import Any

import numpy as np

from monitor.core.detectors.budget.points import Points
from monitor.core.events import Floats

LIMIT = 8192  # groups of a reference


class Groups:
    """Counts of bad answers in groups of `size`. A group becomes a point at its last answer."""

    def __init__(self, size: int = 1) -> None:
        self.size = size
        self._waiting: Floats = np.empty(0)

    def take(self, given: Points) -> Points:
        """Points of single answers in, 0 or 1; points of whole groups out."""
        if self.size == 1:
            return given
        values = np.concatenate([self._waiting, given.value])
        whole = len(values) // self.size
        counts = values[: whole * self.size].reshape(whole, self.size).sum(axis=1)
        ends = np.arange(1, whole + 1) * self.size - 1 - len(self._waiting)
        self._waiting = values[whole * self.size :].copy()
        made = given.take(ends)
        return Points(made.rows, made.clock, made.at, counts, made.score)

    def save(self) -> Any:
        return [self.size, self._waiting.astype(np.uint8)]

    def load(self, saved: Any) -> None:
        self.size = saved[0]
        self._waiting = saved[1].astype(np.float64)


class HarmTally:
    """The reference of a harm series while it is collected: at most `LIMIT` groups, put together in pairs when full."""

    def __init__(self) -> None:
        self.first = np.nan  # clock of the first answer
        self.seen = 0
        self.clock: Floats = np.empty(0)  # of the last answer of each group
        self.bad: Floats = np.empty(0)
        self.groups = Groups()

    def add(self, given: Points) -> None:
        """Take points of single answers, in order."""
        if given.n and np.isnan(self.first):
            self.first = float(given.clock[0])
        self.seen += given.n
        while given.n:
            room = (LIMIT - len(self.clock)) * self.groups.size - self.waiting
            made, given = self.groups.take(given.take(slice(0, room))), given.take(slice(room, None))
            self.clock, self.bad = np.concatenate([self.clock, made.clock]), np.concatenate([self.bad, made.value])
            if len(self.clock) >= LIMIT:
                self.clock, self.bad = self.clock[1::2], self.bad[::2] + self.bad[1::2]
                self.groups.size *= 2

    @property
    def waiting(self) -> int:
        return len(self.groups._waiting)

    def memory(self) -> int:
        return 16 * len(self.clock) + 8 * self.groups.size

    def save(self) -> Any:
        return [self.first, self.seen, self.clock, self.bad.astype(np.uint32), self.groups.save()]

    def load(self, saved: Any) -> None:
        self.first, self.seen, self.clock, bad, groups = saved
        self.bad = bad.astype(np.float64)
        self.groups.load(groups)
