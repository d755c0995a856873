"""The text format of Prometheus, as prometheus_client writes it, in a tenth of its time.

The names and labels of series seldom change, so what stands before a value is taken from the library once and kept. At
a scrape only the values are read, and only those that moved are written anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.utils import floatToGoString


class Exposition:
    """Not for two threads at once. Without series of when others were created, which `registry` turns off."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self._kept: dict[Any, _Kept] = {}

    def text(self) -> bytes:
        """The same bytes as `generate_latest(registry)`."""
        return b"".join(map(self._of, list(self._registry._collector_to_names)))

    def _of(self, collector: Any) -> bytes:
        read = _READERS.get(type(collector))
        if read is None:
            return generate_latest(collector)
        children = _children(collector) if collector._is_parent() else [collector]
        if any("_child_samples" in vars(child) for child in children):  # a function gives the value
            return generate_latest(collector)
        kept = self._kept.get(collector)
        if kept is None or kept.children != children:
            kept = self._kept[collector] = _keep(collector, children)
        kept.write([value for child in children for value in read(child)])
        return kept.text


def _children(collector: Any) -> list[Any]:
    with collector._lock:
        return list(collector._metrics.values())


@dataclass(slots=True)
class _Kept:
    """One metric as it was last written: its head, and for each series what stands before the value, value, line."""

    children: list[Any]
    head: str
    before: list[str]
    values: list[float]
    lines: list[str] = field(default_factory=list)
    text: bytes = b""

    def write(self, values: list[float]) -> None:
        if values == self.values and self.text:
            return
        old = zip(self.before, self.lines, self.values, values, strict=True)
        self.lines = [line if value == was else f"{before} {_number(value)}\n" for before, line, was, value in old]
        self.values = values
        self.text = (self.head + "".join(self.lines)).encode()


def _keep(collector: Any, children: list[Any]) -> _Kept:
    rows = [f"{row}\n" for row in generate_latest(collector).decode().split("\n")[:-1]]
    series = [row for row in rows if not row.startswith("#")]
    before = [row.rpartition(" ")[0] for row in series]
    return _Kept(children, "".join(rows[: len(rows) - len(series)]), before, [float("nan")] * len(series), series)


def _one(child: Any) -> Iterator[float]:
    yield child._value.get()


def _distribution(child: Any) -> Iterator[float]:
    """Buckets, the number of all, and their sum where it means something."""
    yield from (counts := list(accumulate(bucket.get() for bucket in child._buckets)))
    yield counts[-1]
    if child._upper_bounds[0] >= 0:
        yield child._sum.get()


_number: Callable[[float], str] = floatToGoString
_READERS: dict[type, Callable[[Any], Iterator[float]]] = {Counter: _one, Gauge: _one, Histogram: _distribution}
