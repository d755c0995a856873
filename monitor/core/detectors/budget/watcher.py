"""`detect: {shift: …}` under a page budget: all series of a rule in one pool, two arms, one page a day and series."""

from __future__ import annotations

from typing import Any

import numpy as np

from monitor.core.columns import Columns
from monitor.core.detectors.budget.evidence import outlier_finding, shift_finding
from monitor.core.detectors.budget.learning import LearningWatcher
from monitor.core.detectors.budget.points import Points, single
from monitor.core.detectors.budget.pool import Hit, Pool, Watched
from monitor.core.detectors.budget.series import DISABLED, WATCHING, BudgetSeries, Looks
from monitor.core.detectors.budget.shares import event_times
from monitor.core.detectors.budget.tell import reference_rows
from monitor.core.detectors.budget.width import split
from monitor.core.detectors.budget.words import describe_armed
from monitor.core.detectors.inputs import not_numbers, number_parts
from monitor.core.detectors.keyed import Key, Keyed
from monitor.core.detectors.keyed_watcher import Edge, Part, usable_rows
from monitor.core.detectors.routing import Route
from monitor.core.events import Batch, Floats, Ints
from monitor.core.findings import Finding
from monitor.core.rules.model import Detect, Rule
from monitor.core.rules.wording import false_pages

CAP = 500  # series of one rule on one model
SHIFT, OUTLIER = 0.94, 0.06  # of the budget: what is slow and stays, what is sudden
DAY = 86400.0


class BudgetWatcher(LearningWatcher):
    """At most `budget` false pages a week, on average, over all series together.

    Marks: rearm watches again by the same reference. reference with a body `{"until": T}` takes what was collected
    from events up to T as the reference and arms at once; with `{"fitted": text}` (`core.references`) it watches by
    that; without, a new reference is collected. `"version"` is its number. freeze: neither learn nor find.
    """

    ARMS = (SHIFT, OUTLIER)

    def __init__(self, rule: Rule, detect: Detect, columns: Columns, form: str, budget: float, model: str) -> None:
        super().__init__(rule, detect, form, Keyed(self._series, CAP, self._saved_series), budget, model)
        self._columns = columns

    def _series(self, key: Key) -> BudgetSeries:
        return BudgetSeries()

    def _saved_series(self, key: Key, saved: Any) -> BudgetSeries:
        """One of the kind that was saved."""
        return self._series(key)

    def _new_pool(self) -> Pool:
        return Pool(*(arm * self._budget for arm in self.ARMS))

    # -- observe --

    def observe(self, batch: Batch, clock: Floats) -> list[Finding]:
        if not batch.n or batch.truth:
            return []
        return self._take(batch, clock, self._clock.advance(batch))

    def _take(self, batch: Batch, clock: Floats, told: Floats) -> list[Finding]:
        """What is found in a batch whose rows come at `told` by the budget's clock."""
        if self._entries.is_frozen(""):
            return []
        parts = self.parts(batch)
        if self._since is None:
            self._since = float(clock[0])
        found: list[Edge] = []
        routes: list[Route] = []

        def forget(version: str | None) -> None:
            found.extend(self._watch(routes, parts, batch, told, clock))
            routes.clear()
            self._entries.forget(version)
            self._pool.adopt(self._entries.entries)

        routes_of_batch = self._routes.split(batch, forget)
        for route in routes_of_batch:
            if not self._entries.is_frozen(route.segment):
                routes.append(route)
        found += self._watch(routes, parts, batch, told, clock)
        found.sort(key=lambda edge: (edge[0], edge[1].evidence.column, edge[1].evidence.segment))
        return [finding for _, finding in found]

    def parts(self, batch: Batch) -> list[Part]:
        return number_parts(self._detect.columns, self._columns, batch)

    def feed(self, entry: BudgetSeries, key: Key, part: Part, rows: Ints, batch: Batch, clock: Floats) -> list[Edge]:
        raise NotImplementedError("series of a budget are fed together")

    def _watch(self, routes: list[Route], parts: list[Part], batch: Batch, told: Floats, clock: Floats) -> list[Edge]:
        """Feed the rows of some routes, in stretches between which series are armed or watched on."""
        if self._given.waiting is not None and routes:
            self._place(self._given.waiting, self._given.version, [routes[0].version])
        streams: list[tuple[Key, Part, Ints]] = []
        for route in routes:
            for part in parts:
                rows = usable_rows(route.rows, part.usable)
                if len(rows):
                    streams.append(((route.version, route.segment, part.column), part, rows))
        found: list[Edge] = []
        full = self._entries.admit((int(rows[0]), key) for key, _, rows in streams)
        if full is not None:
            found.append((full, self._full(batch, full, clock)))
        streams = [stream for stream in streams if stream[0] in self._entries.entries]
        at, place = event_times(batch), 0
        pace = np.maximum.accumulate(batch.recorded_at) + told  # in a backfill one of the two stands still
        active = _active([rows for _, _, rows in streams], batch.n)
        while place < len(active):  # only rows that have a value count: in which batches the others come is chance
            row = int(active[place])
            self._wake(float(told[row]))
            found += self._work(batch, row, float(told[row]), float(pace[row]), clock)
            place, due = self._stretch(streams, told[active], pace[active], active, place)
            stop = int(active[place]) if place < len(active) else batch.n
            found += self._feed(streams, (row, stop), batch, told, at, clock)
            due = [key for key in due if self._entries.entries[key].collector is not None]  # a page may have ended it
            self._rounds.add(due, float(pace[active[place - 1]]))
        return found

    def _stretch(
        self, streams: list[tuple[Key, Part, Ints]], told: Floats, pace: Floats, active: Ints, place: int
    ) -> tuple[int, list[Key]]:
        """Where the stretch from `active[place]` ends, and which references are complete then. `told` and `pace` are
        of the active rows."""
        entries = self._entries.entries
        rolls = np.inf if self._rolling is None else self._rolling.due
        limit = min([told[place] + DAY / 2, rolls, *(entries[key].wakes() for key in entries)])
        ends = (told.searchsorted(limit, side="left"), pace.searchsorted(self._rounds.next, side="left"))
        stop = max(int(min(ends)), place + 1)
        due: list[Key] = []
        for key, _, rows in streams:
            low, high = rows.searchsorted(active[place]), rows.searchsorted(active[stop - 1], side="right")
            inside = rows[low:high]
            if not len(inside) or key in self._rounds:
                continue
            whole = len(inside) == stop - place  # most often: then they are the rows from `place` on
            row = self._due(entries[key], inside, told[place:stop] if whole else told[active.searchsorted(inside)])
            if row is not None:
                end = int(active.searchsorted(row)) + 1
                due, stop = [*(due if end == stop else []), key], end
        return stop, due

    def _due(self, entry: BudgetSeries, rows: Ints, told: Floats) -> int | None:
        """The row behind which a reference is complete, if it is one of `rows`, which came at `told`."""
        place = entry.due(np.arange(len(rows)), told)
        return None if place is None else int(rows[place])

    def _feed(
        self,
        streams: list[tuple[Key, Part, Ints]],
        stretch: tuple[int, int],
        batch: Batch,
        told: Floats,
        at: Floats,
        clock: Floats,
    ) -> list[Edge]:
        found: list[Edge] = []
        watched: list[Watched] = []
        given: list[tuple[Key, BudgetSeries, Points]] = []
        for key, part, rows in streams:
            entry = self._entries.entries[key]
            low, high = rows.searchsorted(stretch)
            inside = rows[low:high]
            if not len(inside) or entry.state == DISABLED:
                continue
            first, last = int(inside[0]), int(inside[-1])
            places = slice(first, last + 1) if last - first == len(inside) - 1 else inside  # most often all of them
            points = single(inside, told[places], at[places], part.values[places])
            looks, broken = self._guard(entry, points, key, batch, clock)
            found += broken
            given.append((key, entry, points))
            if looks is not None and entry.state == WATCHING:
                watched.append(Watched(key, entry, looks))
        hits = self._pool.run(self._entries.entries, watched)
        for hit in hits:
            found.append(self._told_of(batch, hit, clock))
        self._rounds.drop(hit.key for hit in hits)
        if self._rolling is not None:
            self._rolling.take(given, hits, self._entries.entries)
        return found

    def _told_of(self, batch: Batch, hit: Hit, clock: Floats) -> Edge:
        try:
            return hit.row, self._finding(batch, hit, float(clock[hit.row]))
        except Exception as problem:
            return self._stopped(hit.key, problem, batch, hit.row, clock)

    def _finding(self, batch: Batch, hit: Hit, clock: float) -> Finding:
        make = shift_finding if hit.arm == "shift" else outlier_finding
        return make(self.rule, batch, hit, clock)

    def _guard(
        self, entry: BudgetSeries, points: Points, key: Key, batch: Batch, clock: Floats
    ) -> tuple[Looks | None, list[Edge]]:
        try:
            looks = entry.take(points)
            if looks is not None:
                _check(looks, entry)
        except Exception as problem:
            return None, [self._stopped(key, problem, batch, int(points.rows[-1]), clock)]
        return looks, []

    def about(self) -> dict[str, Any]:
        return {
            "detects": "shift",
            "with": "the page budget",
            "budget": f"{false_pages(self._budget)} over all series of this rule",
            "tolerance": self._tolerance,
            "reference_version": self._given.version,
            "waiting": self._given.waiting is not None,
            "rolling": None if self._rolling is None else self._rolling.about(),
            "references": self._reference_rows(),
            "not_numbers": not_numbers(self._detect.columns, self._columns),
            "not_covered": "category, text and vector columns; watch categories with quality: new_category",
        }

    def _reference_rows(self) -> list[dict[str, Any]]:
        entries = self._entries.entries
        rows = reference_rows(entries, self._pool, self._told, given=self.GIVEN)
        if self._rolling is not None:
            for row in rows:
                key = (row["version"], row["segment"], row["column"])
                row["rolling"] = self._rolling.describe(key, entries[key], key in self._rounds)
        return rows

    def _told(self, key: Key, entry: BudgetSeries) -> dict[str, Any]:
        assert entry.armed is not None
        return describe_armed(entry.armed, self._pool.delays(key))


def _active(streams: list[Ints], n: int) -> Ints:
    """Those of `n` rows in which at least one of the series has a value, ascending."""
    if any(len(rows) == n for rows in streams):
        return np.arange(n)
    there = np.zeros(n, dtype=bool)
    for rows in streams:
        there[rows] = True
    return np.flatnonzero(there)


def _check(looks: Looks, entry: BudgetSeries) -> None:
    """Raises where what a series shows would break the pool, and all others with it."""
    seen = getattr(entry.armed, "seen", None)
    if seen is not None:
        cells = looks.bet_on.cells
        rows = cells if seen.width is None else np.concatenate(split(cells))
        if ((rows < 0) | (rows >= len(seen.table))).any():
            raise IndexError("a cell beyond the table")
    if np.isnan(looks.waited).any() or np.isnan(looks.odds).any():
        raise ArithmeticError("odds that are no numbers")
