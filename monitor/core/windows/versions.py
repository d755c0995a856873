"""Versions of a model, numbered in the order in which they were first seen."""

from __future__ import annotations

from typing import Any

import numpy as np

from monitor.core.events import Batch, Ints

REMEMBERED = 64  # a version seen again after 64 others counts as new


class Versions:
    """`newest` is the version that appeared last; one seen again does not become newest again."""

    def __init__(self) -> None:
        self.newest: str | None = None
        self._numbers: dict[str, int] = {}
        self._next = 0

    def note(self, batch: Batch) -> Ints:
        """The number of each row's version, rising with first appearance; -1 where the event names none."""
        distinct = batch.distinct_versions()
        if len(distinct) == 1:
            return np.full(batch.n, self._number(next(iter(distinct))), dtype=np.int64)
        return np.array([self._number(version) for version in batch.versions], dtype=np.int64)

    def _number(self, version: str | None) -> int:
        if version is None:
            return -1
        number = self._numbers.get(version)
        if number is None:
            number = self._numbers[version] = self._next
            self._next += 1
            self.newest = version
            if len(self._numbers) > REMEMBERED:
                del self._numbers[next(iter(self._numbers))]
        return number

    def save(self) -> Any:
        """State for `core.state.dump`."""
        return {"numbers": [[v, n] for v, n in self._numbers.items()], "next": self._next, "newest": self.newest}

    def load(self, saved: Any) -> None:
        """Continue from `save`."""
        self._numbers = dict(saved["numbers"])
        self._next, self.newest = saved["next"], saved["newest"]
