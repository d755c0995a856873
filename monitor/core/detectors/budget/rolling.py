"""References that refit by themselves: when, of which series, from what."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from monitor.core.detectors.budget.collect import Collector
from monitor.core.detectors.budget.given import takes_references
from monitor.core.detectors.budget.points import Points
from monitor.core.detectors.budget.pool import Hit
from monitor.core.detectors.budget.predictor import DAY
from monitor.core.detectors.budget.series import REFUSED, WATCHING, BudgetSeries
from monitor.core.detectors.budget.window import Window
from monitor.core.detectors.keyed import Key
from monitor.core.watcher import Mark

Entries = Mapping[Key, BudgetSeries]


class Rolling:
    """The windows of the series of one rule on one model, refitted once a day of the budget clock.

    When in the day follows from the rule and the model, so that not all of them do it in the same minute. A series
    rolls once its reference is complete. While a page of it is open it does not: only a person ends that.
    """

    def __init__(self, span: float, name: str) -> None:
        self.span = span
        self.windows: dict[Key, Window] = {}
        self.refused: dict[Key, str] = {}  # why the last refit was not taken
        self.count = 0  # refits of the rule
        self.last = np.nan  # clock of the last one
        self.due = np.inf  # clock of the next one
        digest = hashlib.sha256(name.encode()).digest()
        self._hour = int.from_bytes(digest[:4], "little") % int(DAY)  # of the day, in seconds

    def begin(self, clock: float) -> None:
        """The first event, or a refit: the next is at that time of the day, at least an hour from now."""
        at = np.ceil((clock + 3600.0 - self._hour) / DAY)
        self.due = float(at * DAY + self._hour)

    def take_over(self, key: Key, entry: BudgetSeries, collector: Collector | None) -> None:
        """A series has its reference: go on from what that was made of."""
        if takes_references(entry) and entry.collector is None:
            held = key in self.windows and self.windows[key].held
            self.windows[key] = Window(self.span, collector)
            self.windows[key].held = held

    def take(self, given: Iterable[tuple[Key, BudgetSeries, Points]], hits: Iterable[Hit], entries: Entries) -> None:
        """Points of single values that series have shown, and the pages that came of them."""
        pages: dict[Key, tuple[int, float]] = {}  # the row of the first one, and since when things are not normal
        for hit in hits:
            row, since = pages.get(hit.key, (hit.row, np.inf))
            pages[hit.key] = (min(row, hit.row), min(since, _since(hit)))
        for key, entry, points in given:
            if entry.collector is None and takes_references(entry):
                stop = int(points.rows.searchsorted(pages[key][0], side="right")) if key in pages else points.n
                self._window(key).add(points.take(slice(0, stop)))
        for key, (_, since) in pages.items():
            if takes_references(entries[key]):
                self._window(key).hold(since)

    def _window(self, key: Key) -> Window:
        return self.windows.setdefault(key, Window(self.span))

    def apply(self, mark: Mark, entries: Entries, clock: float) -> None:
        """What a mark that series have seen already means for their windows."""
        self.keep(entries)
        if mark.kind in ("rearm", "promote"):  # what had paged was looked at, or has reached nobody
            for key in self.windows:
                if mark.segment in ("", key[1]):
                    entry = entries[key]
                    self.windows[key].release(clock, (entry.offset, entry.ratio) != (0.0, 1.0))

    def keep(self, entries: Entries) -> None:
        """Forget series that are gone."""
        self.windows = {key: window for key, window in self.windows.items() if key in entries}
        self.refused = {key: why for key, why in self.refused.items() if key in entries}

    def inherit(self, older: Rolling, entries: Entries) -> None:
        """Go on from the windows of the same series under another form of the rule."""
        if self.span == older.span:
            self.windows, self.count, self.last = dict(older.windows), older.count, older.last
            self.keep(entries)

    def forget(self, keys: Iterable[Key]) -> None:
        """Series that a person gave a reference: it stands until there is enough after it."""
        for key in keys:
            self.windows.pop(key, None)
            self.refused.pop(key, None)

    def ready(self, entries: Entries, clock: float) -> list[Key]:
        """A day has passed: the series that can be refitted now."""
        found = []
        for key in sorted(self.windows):
            entry, window = entries.get(key), self.windows[key]
            window.roll(clock)
            if entry is not None and self.open(key, entry) and window.covers():
                found.append(key)
        self.begin(clock)
        return found

    def open(self, key: Key, entry: BudgetSeries) -> bool:
        """Whether a refit of a series may be taken."""
        complete = entry.collector is None and entry.state in (WATCHING, REFUSED)
        return complete and key in self.windows and not self.windows[key].held

    def describe(self, key: Key, entry: BudgetSeries, in_turn: bool) -> str:
        """Whether the reference of a series rolls, and why it does not now, in a sentence."""
        days, window = f"{self.span / DAY:g} days", self.windows.get(key)
        if not takes_references(entry):
            return "Its reference does not roll: only those of numbers do."
        if window is not None and window.held:
            return "Its reference does not roll while what it paged for is open: close its incident."
        if window is not None and window.moved:
            return "It has been elsewhere since its page: its reference rolls on once there is a week of that."
        if key in self.refused:
            return f"The last {days} make no reference, so the one before stays. {self.refused[key]}"
        if in_turn:
            return "It is being fitted."
        return f"Its reference is refitted every day to the last {days}."

    def about(self) -> dict[str, Any]:
        """For programs: seconds it rolls over, refits so far, and the clock of the last one."""
        return {"over": self.span, "refits": self.count, "last": None if np.isnan(self.last) else self.last}

    def memory(self) -> int:
        return sum(window.memory() for window in self.windows.values())

    def save(self) -> Any:
        windows = [[list(key), self.windows[key].save(), self.refused.get(key)] for key in sorted(self.windows)]
        return {"windows": windows, "numbers": [self.count, self.last, self.due]}

    def load(self, saved: Any) -> None:
        self.windows, self.refused = {}, {}
        for (version, segment, column), state, why in saved["windows"]:
            key = (version, segment, column)
            self.windows[key] = Window(self.span)
            self.windows[key].load(state)
            if why is not None:
                self.refused[key] = why
        self.count, self.last, self.due = saved["numbers"]


def _since(hit: Hit) -> float:
    """The time of the events from which what a series showed is not normal any more."""
    return hit.since()[2] if hit.arm == "shift" else float(hit.looks.points.at[hit.place])
