"""Segments: which slice of a model each event belongs to, for rules with `by`."""

from __future__ import annotations

from typing import Any

import numpy as np

from monitor.core.events import Batch, Ints

CAP = 1000  # segments of one rule on one model; later ones share OTHER
OTHER = "other"
_ABSENT = "(missing)"


class Segments:
    """Numbers the segments of one rule on one model in the order they appear. Without `by`: one segment, ""."""

    def __init__(self, by: tuple[str, ...], cap: int = CAP) -> None:
        self.by = by
        self.cap = cap
        self.names: list[str] = [] if by else [""]
        self._codes: dict[tuple[str | None, ...], int] = {}

    @property
    def full(self) -> bool:
        """Whether the cap has bitten: some events are counted under OTHER."""
        return bool(self.names) and self.names[-1] == OTHER

    def codes(self, batch: Batch) -> Ints:
        """The segment number of each row, an index into `names`; new segments are added on the way."""
        if not self.by:
            return np.zeros(batch.n, dtype=np.int64)
        keys = zip(*(batch.texts(path) for path in self.by), strict=True)
        known = self._codes
        return np.fromiter((known[k] if k in known else self._add(k) for k in keys), np.int64, batch.n)

    def _add(self, key: tuple[str | None, ...]) -> int:
        if self.full:
            return len(self.names) - 1  # not remembered: a million categories must not fill the memory
        if len(self.names) >= self.cap:
            self.names.append(OTHER)
            return self.cap
        self._codes[key] = len(self.names)
        self.names.append(name_of(self.by, key))
        return self._codes[key]

    def save(self) -> Any:
        return {"keys": [list(key) for key in self._codes], "full": self.full}

    def load(self, saved: Any) -> None:
        self.names = [] if self.by else [""]
        self._codes = {}
        for key in saved["keys"]:
            self._codes[tuple(key)] = len(self.names)
            self.names.append(name_of(self.by, tuple(key)))
        if saved["full"]:
            self.names.append(OTHER)


def name_of(by: tuple[str, ...], key: tuple[str | None, ...]) -> str:
    """`context.channel=web, inputs.gender=f`; values are cut at 100 characters."""
    return ", ".join(f"{path}={_ABSENT if v is None else v[:100]}" for path, v in zip(by, key, strict=True))
