"""How the categories of a column are collected: every one where few come, every second, fourth, … where many do."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from monitor.core.detectors.budget.points import Points
from monitor.core.events import Floats, Ints

LIMIT = 8192  # values of a reference
MOST = 1000  # different ones: a column with more holds no categories
LONGEST = 100  # characters of a value that are told apart
Texts = npt.NDArray[np.object_]


class Thinning:
    """Every `step`-th of the values of a series, counted from its first."""

    def __init__(self, step: int = 1, seen: int = 0) -> None:
        self.step, self.seen = step, seen

    def take(self, given: Points) -> Points:
        kept = given.take(slice(-self.seen % self.step, None, self.step))
        self.seen += given.n
        return kept

    def save(self) -> Any:
        return [self.step, self.seen]

    def load(self, saved: Any) -> None:
        self.step, self.seen = saved


class CategoryTally:
    """The reference of a category series while it is collected: at most `LIMIT` codes of values, and their names."""

    def __init__(self) -> None:
        self.first = np.nan  # clock of the first value
        self.names: dict[str, int] = {}
        self.overflow = False  # more values than MOST
        self.clock: Floats = np.empty(0)
        self.at: Floats = np.empty(0)
        self.codes: Ints = np.empty(0, dtype=np.int64)
        self.thinning = Thinning()

    @property
    def seen(self) -> int:
        return self.thinning.seen

    def add(self, given: Points) -> None:
        """Take points whose values are texts, in order."""
        if given.n and np.isnan(self.first):
            self.first = float(given.clock[0])
        while given.n:
            room = (LIMIT - len(self.clock)) * self.thinning.step
            now, given = given.take(slice(0, room)), given.take(slice(room, None))
            names: list[Any] = list(map(self.names.get, now.value.tolist()))
            if None in names:
                names = [self._code(text) for text in now.value]
            kept = self.thinning.take(Points(now.rows, now.clock, now.at, np.array(names), now.score))
            self.clock, self.at = np.concatenate([self.clock, kept.clock]), np.concatenate([self.at, kept.at])
            self.codes = np.concatenate([self.codes, kept.value.astype(np.int64)])
            if len(self.clock) >= LIMIT:
                self.clock, self.at, self.codes = self.clock[::2], self.at[::2], self.codes[::2]
                self.thinning.step *= 2

    def _code(self, text: str) -> int:
        known = self.names.get(text[:LONGEST])
        if known is not None:
            return known
        if len(self.names) >= MOST:
            self.overflow = True
            return 0
        self.names[text[:LONGEST]] = len(self.names)
        return len(self.names) - 1

    def memory(self) -> int:
        return 24 * len(self.clock) + 100 * len(self.names)

    def save(self) -> Any:
        codes = self.codes.astype(np.uint16)
        names = list(self.names)
        return [self.first, names, self.overflow, self.clock, self.at, codes, self.thinning.save()]

    def load(self, saved: Any) -> None:
        self.first, names, self.overflow, self.clock, self.at, codes, thinning = saved
        self.names = {name: i for i, name in enumerate(names)}
        self.codes = codes.astype(np.int64)
        self.thinning.load(thinning)
