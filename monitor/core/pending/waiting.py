"""Truths that came before their event."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from monitor.core.events import MISSING
from monitor.core.pending.cells import LONGEST

_ENTRY = 400  # bytes of an entry without its values, about


@dataclass(frozen=True, slots=True)
class Truth:
    """One truth: its rule clock and its columns, those that have a value."""

    clock: float
    values: dict[str, Any]


class Waiting:
    """By id, in the order they came. `size` estimates the bytes held, the same on every machine."""

    def __init__(self) -> None:
        self.size = 0
        self._truths: dict[int, Truth] = {}

    def __len__(self) -> int:
        return len(self._truths)

    def get(self, id_: int) -> Truth | None:
        """The truth of an id, if one waits."""
        return self._truths.get(id_)

    def add(self, id_: int, clock: float, values: dict[str, Any]) -> int:
        """Keep a truth of an id that has none waiting; answers how many values were too big to keep."""
        given = {path: value for path, value in values.items() if value is not MISSING and value is not None}
        kept = {path: value for path, value in given.items() if _is_small(value)}
        self.put(id_, Truth(clock, kept))
        return len(given) - len(kept)

    def put(self, id_: int, truth: Truth) -> None:
        """Keep a truth that is as it should be, of an id that has none waiting."""
        self.pop(id_)
        self._truths[id_] = truth
        self.size += _size(truth)

    def pop(self, id_: int) -> Truth | None:
        """Take out the truth of an id."""
        truth = self._truths.pop(id_, None)
        self.size -= 0 if truth is None else _size(truth)
        return truth

    def drop_before(self, clock: float) -> int:
        """Forget truths that came before; answers how many."""
        dropped = 0
        while self._truths and next(iter(self._truths.values())).clock < clock:
            self.pop(next(iter(self._truths)))
            dropped += 1
        return dropped

    def shrink(self, limit: int) -> int:
        """Forget the oldest until `limit` bytes are enough; answers how many."""
        dropped = 0
        while self.size > limit:
            self.pop(next(iter(self._truths)))
            dropped += 1
        return dropped

    def save(self) -> Any:
        """State for `core.state.dump`."""
        return [[id_, truth.clock, truth.values] for id_, truth in self._truths.items()]

    def load(self, saved: Any) -> None:
        """Continue from `save`."""
        self._truths = {id_: Truth(clock, values) for id_, clock, values in saved}
        self.size = sum(map(_size, self._truths.values()))


def _is_small(value: Any) -> bool:
    if isinstance(value, str):
        return len(value) <= LONGEST
    if isinstance(value, int):
        return value.bit_length() <= 1024
    return isinstance(value, float)


def _size(truth: Truth) -> int:
    texts = sum(len(value) for value in truth.values.values() if isinstance(value, str))
    return _ENTRY + 2 * texts + 100 * len(truth.values)
