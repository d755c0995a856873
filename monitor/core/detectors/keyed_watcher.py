"""What all watchers of learned detectors share: routing, bounds, findings about the watching itself, state."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, Generic

from monitor.core.detectors.forms import readable
from monitor.core.detectors.keyed import E, Key, Keyed
from monitor.core.detectors.report import trouble
from monitor.core.detectors.routing import Route, Routes
from monitor.core.events import Batch, Bools, Floats, Ints
from monitor.core.findings import Finding, Level
from monitor.core.rules.model import Rule
from monitor.core.watcher import Mark

FORMAT = 1
Edge = tuple[int, Finding]  # (row of the batch, finding)


@dataclass(frozen=True, slots=True)
class Part:
    """What one detector sees of a batch: `values` has a row per event, and counts where `usable`."""

    column: str
    values: Any
    usable: Bools


def usable_rows(rows: Ints, usable: Bools) -> Ints:
    """Those of some ascending rows that count. Most often that is all rows of a batch."""
    here = usable if len(rows) == len(usable) else usable[rows]
    return rows if here.all() else rows[here]


def values_of(part: Part, rows: Ints) -> Any:
    """The values of some ascending rows; do not write to them."""
    return part.values if len(rows) == len(part.usable) else part.values[rows]


class KeyedWatcher(Generic[E]):
    """`Watcher` of edges with one entry per version, segment and column; an entry that has reported latches.

    Cutting the stream elsewhere changes nothing: entries are made in the order of their first rows, and what an
    entry finds depends only on the values it was fed.
    """

    def __init__(self, rule: Rule, by: tuple[str, ...], form: str, entries: Keyed[E]) -> None:
        self.rule = rule
        self._form = form
        self._routes = Routes(by, rule.on_version)
        self._entries = entries
        self._since: float | None = None

    @abstractmethod
    def parts(self, batch: Batch) -> list[Part]:
        """What the detectors of one segment see of a batch."""

    @abstractmethod
    def feed(self, entry: E, key: Key, part: Part, rows: Ints, batch: Batch, clock: Floats) -> list[Edge]:
        """Feed the rows to one entry. Whatever it raises disables the entry."""

    @abstractmethod
    def about(self) -> dict[str, Any]:
        """What `describe` says beyond the common part."""

    def observe(self, batch: Batch, clock: Floats) -> list[Finding]:
        if not batch.n or self._entries.is_frozen(""):
            return []
        parts = self.parts(batch)
        if batch.truth and not parts:
            return []  # labels for other rules: no traffic of this one
        if self._since is None:
            self._since = float(clock[0])
        found: list[Edge] = []
        for route in self._routes.split(batch, self._entries.forget):
            if not self._entries.is_frozen(route.segment):
                found += self._follow(route, parts, batch, clock)
        found.sort(key=lambda edge: (edge[0], edge[1].evidence.column, edge[1].evidence.segment))
        return [finding for _, finding in found]

    def _follow(self, route: Route, parts: list[Part], batch: Batch, clock: Floats) -> list[Edge]:
        found: list[Edge] = []
        todo: list[tuple[Key, Part, Ints]] = []
        for part in parts:
            rows = usable_rows(route.rows, part.usable)
            if len(rows):
                todo.append(((route.version, route.segment, part.column), part, rows))
        told = self._entries.admit((int(rows[0]), key) for key, _, rows in todo)
        if told is not None:
            found.append((told, self._full(batch, told, clock)))
        for key, part, rows in todo:
            entry = self._entries.entries.get(key)
            if entry is not None:
                found += self._guarded(entry, key, part, rows, batch, clock)
        return found

    def _guarded(self, entry: E, key: Key, part: Part, rows: Ints, batch: Batch, clock: Floats) -> list[Edge]:
        try:
            return self.feed(entry, key, part, rows, batch, clock)
        except BaseException as problem:  # a panic of River's Rust half is no Exception
            if isinstance(problem, KeyboardInterrupt | SystemExit | GeneratorExit):
                raise
            name = type(problem).__name__
            entry.disable(f"the detector of {key[2]} stopped with {name}; re-arm the rule to start it again")
            why = f"The detector of {key[2]} stopped with {name} and is off; re-arm the rule to start it again."
            row = int(rows[-1])
            return [(row, trouble(self.rule, batch, row, clock, (key[2], key[1]), "detector_error", why))]

    def _full(self, batch: Batch, row: int, clock: Floats) -> Finding:
        why = (
            f"The rule watches {self._entries.cap:,} series and has no room for more, so further columns and segments "
            "are not watched; name fewer columns, or fewer under by."
        )
        return trouble(self.rule, batch, row, clock, ("", ""), "not_watched", why)

    def assess(self, at: float) -> Level | None:
        return None

    def apply(self, mark: Mark) -> None:
        self._entries.apply(mark)

    def save(self) -> Any:
        return {
            "v": FORMAT,
            "form": self._form,
            "since": self._since,
            "routes": self._routes.save(),
            "entries": self._entries.save(),
        }

    def load(self, saved: Any) -> None:
        with readable(f"detectors of {self.rule.key}", saved, FORMAT, self._form):
            self._since = saved["since"]
            self._routes.load(saved["routes"])
            self._entries.load(saved["entries"])

    def memory(self) -> int:
        return self._entries.memory() + 200 * len(self._routes.segments.names)

    def describe(self) -> dict[str, Any]:
        about = {"since": self._since, **self.about(), **self._entries.describe()}
        if self._routes.segments.full:
            about["notes"] = [*about["notes"], "there are more segments than are told apart; the rest share one"]
        return about
