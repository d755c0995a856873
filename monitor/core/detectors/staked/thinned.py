"""How codes of a column are collected: every one where few come, every second, fourth, … where many do."""

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


class Tally:
    """A reference of codes (whole numbers below 65,536) while it is collected: at most `LIMIT` of them."""

    def __init__(self) -> None:
        self.first = np.nan  # clock of the first value
        self.clock: Floats = np.empty(0)
        self.at: Floats = np.empty(0)
        self.codes: Ints = np.empty(0, dtype=np.int64)
        self.thinning = Thinning()

    @property
    def seen(self) -> int:
        return self.thinning.seen

    def coded(self, values: Any) -> Ints:
        """The codes of values, in order."""
        return np.asarray(values).astype(np.int64)

    def add(self, given: Points) -> None:
        """Take points of single values, in order."""
        if given.n and np.isnan(self.first):
            self.first = float(given.clock[0])
        while given.n:
            room = (LIMIT - len(self.clock)) * self.thinning.step
            now, given = given.take(slice(0, room)), given.take(slice(room, None))
            codes = self.coded(now.value).astype(np.float64)
            kept = self.thinning.take(Points(now.rows, now.clock, now.at, codes, now.score))
            self.clock, self.at = np.concatenate([self.clock, kept.clock]), np.concatenate([self.at, kept.at])
            self.codes = np.concatenate([self.codes, kept.value.astype(np.int64)])
            if len(self.clock) >= LIMIT:
                self.clock, self.at, self.codes = self.clock[::2], self.at[::2], self.codes[::2]
                self.thinning.step *= 2

    def memory(self) -> int:
        return 24 * len(self.clock)

    def save(self) -> Any:
        return [self.first, self.clock, self.at, self.codes.astype(np.uint16), self.thinning.save()]

    def load(self, saved: Any) -> None:
        self.first, self.clock, self.at, codes, thinning = saved
        self.codes = codes.astype(np.int64)
        self.thinning.load(thinning)


class CategoryTally(Tally):
    """Values are texts, and their codes places in `names`."""

    def __init__(self) -> None:
        super().__init__()
        self.names: dict[str, int] = {}
        self.overflow = False  # more values than MOST

    def coded(self, values: Any) -> Ints:
        codes: list[Any] = list(map(self.names.get, values.tolist()))
        if None in codes:
            codes = [self._code(text) for text in values]
        return np.array(codes, dtype=np.int64)

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
        return super().memory() + 100 * len(self.names)

    def save(self) -> Any:
        return [list(self.names), self.overflow, super().save()]

    def load(self, saved: Any) -> None:
        names, self.overflow, rest = saved
        self.names = {name: i for i, name in enumerate(names)}
        super().load(rest)
