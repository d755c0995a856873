"""Values of a column over the events of a test, written compactly and the same on every run."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from typing import Any, Protocol

from monitor.core.events import MISSING

_GOLDEN = (math.sqrt(5.0) - 1.0) / 2.0


class Values(Protocol):
    """What a column holds in the event with this index, counted from 0; MISSING where it has none."""

    def at(self, index: int, count: int) -> Any: ...


@dataclass(frozen=True, slots=True)
class Constant:
    """The same in every event."""

    value: Any

    def at(self, index: int, count: int) -> Any:
        return self.value


@dataclass(frozen=True, slots=True)
class Cycle:
    """`[a, b, c]`: one after the other, over and over."""

    values: tuple[Any, ...]

    def at(self, index: int, count: int) -> Any:
        return self.values[index % len(self.values)]


@dataclass(frozen=True, slots=True)
class Steps:
    """promtool's notation: `0.9x100 0.3x20 _x5 0+2x10`. The last value stays until the end."""

    runs: tuple[tuple[Any, float, int], ...]  # first value, what is added each time, how often

    def at(self, index: int, count: int) -> Any:
        value: Any = MISSING
        for first, step, times in self.runs:
            last = min(index, times - 1)
            value = first if step == 0.0 or first is MISSING else first + step * last
            if index < times:
                break
            index -= times
        return value


@dataclass(frozen=True, slots=True)
class Line:
    """`{line: [from, to]}`: evenly from the first event to the last."""

    first: float
    last: float

    def at(self, index: int, count: int) -> Any:
        return self.first + (self.last - self.first) * index / max(count - 1, 1)


@dataclass(frozen=True, slots=True)
class Noise:
    """`{noise: [mean, spread]}`: normal values that depend on the column's name and the index only."""

    name: str
    mean: float
    spread: float

    def at(self, index: int, count: int) -> Any:
        digest = hashlib.blake2b(f"{self.name}/{index}".encode(), digest_size=16).digest()
        a, b = (int.from_bytes(half, "little") / 2.0**64 for half in (digest[:8], digest[8:]))
        normal = math.sqrt(-2.0 * math.log(1.0 - a)) * math.cos(2.0 * math.pi * b)
        return round(self.mean + self.spread * normal, 6)


@dataclass(frozen=True, slots=True)
class Mix:
    """`{mix: {a: 95%, b: 5%}}`: in these shares, spread evenly, in no visible order."""

    shares: tuple[tuple[Any, float], ...]

    def at(self, index: int, count: int) -> Any:
        place = ((index + 1) * _GOLDEN) % 1.0
        for value, share in self.shares:
            place -= share
            if place < 0.0:
                return value
        return self.shares[-1][0]


@dataclass(frozen=True, slots=True)
class Numbered:
    """`{each: "user-{n}"}`: another text in every event."""

    pattern: str

    def at(self, index: int, count: int) -> Any:
        return self.pattern.replace("{n}", str(index))
