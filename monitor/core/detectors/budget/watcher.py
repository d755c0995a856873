"""`detect: {shift: …}` under a page budget: all series of a rule in one pool, two arms, one page a day and series."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from monitor.core.columns import Columns
from monitor.core.detectors.budget.arming import Reference, Terms, arm
from monitor.core.detectors.budget.collect import Collector
from monitor.core.detectors.budget.evidence import outlier_finding, shift_finding
from monitor.core.detectors.budget.given import Given, fitted_series
from monitor.core.detectors.budget.points import Blocks, Points, single
from monitor.core.detectors.budget.pool import Hit, Pool, Watched
from monitor.core.detectors.budget.series import DISABLED, LATCHED, REFUSED, WATCHING, BudgetSeries, Looks
from monitor.core.detectors.budget.shares import BudgetClock, event_times
from monitor.core.detectors.budget.tell import reference_rows
from monitor.core.detectors.budget.words import describe_armed
from monitor.core.detectors.forms import readable
from monitor.core.detectors.inputs import not_numbers, number_parts
from monitor.core.detectors.keyed import Key, Keyed
from monitor.core.detectors.keyed_watcher import Edge, KeyedWatcher, Part
from monitor.core.detectors.methods import TOLERANCE
from monitor.core.detectors.report import trouble
from monitor.core.detectors.routing import Route
from monitor.core.events import Batch, Floats, Ints
from monitor.core.findings import Finding
from monitor.core.references import Fitted, Learned, from_text
from monitor.core.rules.model import Detect, Rule
from monitor.core.rules.wording import false_pages
from monitor.core.watcher import Mark

CAP = 500  # series of one rule on one model
SHIFT, OUTLIER = 0.94, 0.06  # of the budget: what is slow and stays, what is sudden
SPREAD = 0.10  # |ln| of a ratio of standard deviations on which nobody would act; less where less is tolerated
ROLLING = 0.10  # tolerance of operational series, whose reference rolls
DAY = 86400.0


class BudgetWatcher(KeyedWatcher[BudgetSeries]):
    """At most `budget` false pages a week, on average, over all series together.

    Marks: rearm watches again by the same reference. reference with a body `{"until": T}` takes what was collected
    from events up to T as the reference and arms at once; with `{"fitted": text}` (`core.references`) it watches by
    that; without, a new reference is collected. `"version"` is its number. freeze: neither learn nor find.
    """

    ARMS = (SHIFT, OUTLIER)
    UP = False  # whether only rises matter
    GIVEN = True  # whether people can give it references, and put them back

    def __init__(self, rule: Rule, detect: Detect, columns: Columns, form: str, budget: float, model: str) -> None:
        super().__init__(rule, detect.by, form, Keyed(self._series, CAP, self._saved_series))
        self._detect, self._columns, self._budget, self._model = detect, columns, budget, model
        self._tolerance = tolerance_of(rule, detect)
        self._clock = BudgetClock()
        self._pool = self._new_pool()
        self._given = Given()

    def _series(self, key: Key) -> BudgetSeries:
        return BudgetSeries()

    def _saved_series(self, key: Key, saved: Any) -> BudgetSeries:
        """One of the kind that was saved."""
        return self._series(key)

    def _new_pool(self) -> Pool:
        return Pool(*(arm * self._budget for arm in self.ARMS))

    def allow(self, budget: float) -> None:
        """Another budget from now on, in false pages a week; references and masses stay."""
        self._budget = budget
        self._pool.allow(*(arm * budget for arm in self.ARMS))
        self._pool.adopt(self._entries.entries)

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
                rows = route.rows[part.usable[route.rows]]
                if len(rows):
                    streams.append(((route.version, route.segment, part.column), part, rows))
        found: list[Edge] = []
        full = self._entries.admit((int(rows[0]), key) for key, _, rows in streams)
        if full is not None:
            found.append((full, self._full(batch, full, clock)))
        streams = [stream for stream in streams if stream[0] in self._entries.entries]
        at, start = event_times(batch), 0
        while start < batch.n and streams:
            self._wake(float(told[start]))
            stop, due = self._stretch(streams, told, start)
            found += self._feed(streams, (start, stop), batch, told, at, clock)
            due = [key for key in due if self._entries.entries[key].collector is not None]  # a page may have ended it
            if due:
                self._arm(due, np.inf, float(told[stop - 1]))
            start = stop
        return found

    def _stretch(self, streams: list[tuple[Key, Part, Ints]], told: Floats, start: int) -> tuple[int, list[Key]]:
        """Where the stretch from `start` ends, and which references are complete then."""
        entries = self._entries.entries
        limit = min([told[start] + DAY / 2, *(entries[key].wakes() for key in entries)])
        stop = max(int(told.searchsorted(limit, side="left")), start + 1)
        due: list[Key] = []
        for key, _, rows in streams:
            inside = rows[(rows >= start) & (rows < stop)]
            row = entries[key].due(inside, told)
            if row is not None and row + 1 <= stop:
                due = [*(due if row + 1 == stop else []), key]
                stop = row + 1
        return stop, due

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
        for key, part, rows in streams:
            entry = self._entries.entries[key]
            low, high = rows.searchsorted(stretch)
            inside = rows[low:high]
            if not len(inside) or entry.state == DISABLED:
                continue
            points = single(inside, told[inside], at[inside], part.values[inside])
            looks, broken = self._guard(entry, points, key, batch, clock)
            found += broken
            if looks is not None and entry.state == WATCHING:
                watched.append(Watched(key, entry, looks))
        for hit in self._pool.run(self._entries.entries, watched):
            found.append((hit.row, self._finding(batch, hit, float(clock[hit.row]))))
        return found

    def _finding(self, batch: Batch, hit: Hit, clock: float) -> Finding:
        make = shift_finding if hit.arm == "shift" else outlier_finding
        return make(self.rule, batch, hit, clock)

    def _guard(
        self, entry: BudgetSeries, points: Points, key: Key, batch: Batch, clock: Floats
    ) -> tuple[Looks | None, list[Edge]]:
        try:
            return entry.take(points), []
        except Exception as problem:
            name = type(problem).__name__
            entry.disable(f"the detector of {key[2]} stopped with {name}; re-arm the rule to start it again")
            why = f"The detector of {key[2]} stopped with {name} and is off; re-arm the rule to start it again."
            row = int(points.rows[-1])
            return None, [(row, trouble(self.rule, batch, row, clock, (key[2], key[1]), "detector_error", why))]

    # -- references --

    def _wake(self, now: float) -> None:
        for entry in self._entries.entries.values():
            if entry.wakes() <= now:
                entry.wake(now)

    def _arm(self, keys: list[Key], until: float, now: float) -> None:
        """Make references of what some series have collected from events up to `until`."""
        entries = self._entries.entries
        keys = sorted(keys)
        references = []
        for key in keys:
            collector = entries[key].collector
            assert collector is not None
            points, blocks = collector.until(until)
            references.append(Reference(" ".join(key), points, blocks))
        names = (self.rule.key, self._model, *(reference.name for reference in references))
        spread = min(SPREAD, 2 * self._tolerance)
        terms = Terms(self._budget * self.ARMS[0], self._tolerance, spread, names, self.UP)
        for key, reference, made in zip(keys, references, arm(references, terms), strict=True):
            self._adopt(key, made, reference.blocks, until, now)
        self._given.note(keys)
        self._pool.adopt(entries)

    def _adopt(self, key: Key, made: Any, blocks: Blocks | None, until: float, now: float) -> None:
        """Hand its series the outcome of arming."""
        entry = self._entries.entries[key]
        entry.arm(made, blocks, self._is_complete(entry, until), now)

    def _is_complete(self, entry: BudgetSeries, until: float) -> bool:
        """Whether a reference needs no more: a person said so, or it is the second one."""
        return not np.isinf(until) or entry.state in (WATCHING, REFUSED)

    def _place(self, fitted: Fitted, version: int, models: list[str]) -> None:
        self._given.give(fitted, version, self._tolerance, self._entries, self._pool, models)

    def _followed(self) -> list[str]:
        """The versions of the model that have series of their own."""
        return [""] if self._routes.on_version != "compare" else sorted(self._routes.versions)

    def fitted(self, keys: Iterable[Key] | None = None) -> Fitted:
        """What the series (None: all) watch by, as far as it can be given to others."""
        wanted = self._entries.entries if keys is None else [k for k in keys if k in self._entries.entries]
        given = sorted(wanted) if self.GIVEN else []
        found = (fitted_series(key, self._entries.entries[key]) for key in given)
        return Fitted(self.rule.key, self._form, self._tolerance, tuple(s for s in found if s is not None))

    def learned(self) -> list[Learned]:
        """The references that were completed, or refused, since the last call."""
        fresh = self.fitted(self._given.learned())
        return [Learned(self._model, self._given.version, fresh)] if fresh.series else []

    def nearness(self) -> tuple[float, str, str] | None:
        """How near to a page for a slow change: (part of it, column, segment); None while nothing is watched."""
        armed = [key for key, entry in self._entries.entries.items() if entry.armed is not None]
        return max(((self._pool.now(key) or 0.0, key[2], key[1]) for key in armed), default=None)

    def inherit(self, older: BudgetWatcher) -> None:
        """Go on by the references of a rule that this one replaces, if they vouch for it.

        They do if the rule looks at the same series and is at most as sensitive as it was.
        """
        theirs = older.fitted()
        same = (self._detect.columns, self._detect.by) == (older._detect.columns, older._detect.by)
        if same and self._routes.on_version == older._routes.on_version and self._tolerance >= older._tolerance:
            self._routes.load(older._routes.save())
            self._since, self._clock = older._since, older._clock
            if theirs.series:
                self._place(theirs, older._given.version, self._followed())
                self._keep_parts(older._entries.entries)
            elif older._given.waiting is not None:
                self._place(older._given.waiting, older._given.version, [])

    def _keep_parts(self, older: Mapping[Key, BudgetSeries]) -> None:
        """Nobody has vouched for references that are inherited: one of a week is one of a week, and goes on to two."""
        for key, entry in self._entries.entries.items():
            before = older.get(key)
            if before is not None and before.armed is not None and entry.armed is not None:
                entry.share, entry.collector = before.share, before.collector
                if before.state == LATCHED and before.spoiled:  # a page has spoiled what it had collected
                    entry.collector = Collector()
        self._pool.adopt(self._entries.entries)

    # -- marks --

    def apply(self, mark: Mark) -> None:
        body = mark.body or {}
        until = body.get("until")
        if mark.kind == "reference" and "fitted" in body:
            if self.GIVEN:  # the rule may have become another since
                self._place(from_text(body["fitted"]), int(body.get("version", 0)), self._followed())
            return
        if mark.kind == "reference":
            self._given.again(int(body.get("version", self._given.version)))
        if mark.kind == "reference" and until is not None:
            mine = [
                k for k, e in self._entries.entries.items() if mark.segment in ("", k[1]) and e.collector is not None
            ]
            if mine:
                self._arm(mine, float(until), self._clock.now)
            return
        super().apply(mark)
        if mark.kind in ("freeze", "unfreeze", "gap"):
            for entry in self._entries.entries.values():
                entry.since = np.nan
        self._pool.adopt(self._entries.entries, fresh=mark.segment if mark.kind == "rearm" else None)

    # -- state --

    def save(self) -> Any:
        parts = {"clock": self._clock.save(), "pool": self._pool.save(), "given": self._given.save()}
        return super().save() | parts

    def load(self, saved: Any) -> None:
        super().load(saved)
        with readable(f"detectors of {self.rule.key}", saved, saved["v"], self._form):
            self._clock.load(saved["clock"])
            self._pool.load(saved["pool"], self._entries.entries)
            self._given.load(saved["given"])

    def about(self) -> dict[str, Any]:
        return {
            "detects": "shift",
            "with": "the page budget",
            "budget": f"{false_pages(self._budget)} over all series of this rule",
            "tolerance": self._tolerance,
            "reference_version": self._given.version,
            "waiting": self._given.waiting is not None,
            "references": reference_rows(self._entries.entries, self._pool, self._told, given=self.GIVEN),
            "not_numbers": not_numbers(self._detect.columns, self._columns),
            "not_covered": "category, text and vector columns; watch categories with quality: new_category",
        }

    def _told(self, key: Key, entry: BudgetSeries) -> dict[str, Any]:
        assert entry.armed is not None
        return describe_armed(entry.armed, self._pool.delays(key))


def tolerance_of(rule: Rule, detect: Detect) -> float:
    """What a rule tolerates, in probability."""
    usual = TOLERANCE["shift"] if rule.reference is None else ROLLING
    return usual if detect.tolerance is None else detect.tolerance
