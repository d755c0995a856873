"""`detect: {shift: …}` over columns of numbers and of categories, and `detect: {harm: …}`, under the page budget."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from monitor.core.columns import Columns
from monitor.core.detectors.budget.arming import Terms
from monitor.core.detectors.budget.learning import SPREAD
from monitor.core.detectors.budget.points import Points
from monitor.core.detectors.budget.pool import Hit, Pool
from monitor.core.detectors.budget.series import BudgetSeries, Looks
from monitor.core.detectors.budget.watcher import BudgetWatcher
from monitor.core.detectors.descriptors import descriptor_parts, is_distance
from monitor.core.detectors.distances import DistanceSeries
from monitor.core.detectors.inputs import is_pattern, number_parts, usable_from
from monitor.core.detectors.keyed import Key
from monitor.core.detectors.keyed_watcher import Edge, Part
from monitor.core.detectors.methods import TOLERATED
from monitor.core.detectors.staked.evidence import news_finding, staked_finding
from monitor.core.detectors.staked.fitting import arm_categories, arm_harm
from monitor.core.detectors.staked.pool import MixedPool
from monitor.core.detectors.staked.series import StakedLooks, StakedSeries
from monitor.core.detectors.staked.words import describe_staked
from monitor.core.events import Batch, Codes, Floats
from monitor.core.findings import UNKNOWN, YES, Finding
from monitor.core.rules.model import Detect, Rule


class Indicator(Protocol):
    """A compiled condition."""

    def evaluate(self, batch: Batch) -> Codes: ...


class StakedWatcher(BudgetWatcher):
    """A budgeted watcher some of whose series are of codes."""

    def _new_pool(self) -> Pool:
        return MixedPool(*(arm * self._budget for arm in self.ARMS))

    def _guard(
        self, entry: BudgetSeries, points: Points, key: Key, batch: Batch, clock: Floats
    ) -> tuple[Looks | None, list[Edge]]:
        looks, edges = super()._guard(entry, points, key, batch, clock)
        if not isinstance(looks, StakedLooks) or not isinstance(entry, StakedSeries):
            return looks, edges
        where = (key[2], key[1])
        for row, name, last in looks.news:
            news = (name, entry.armed.n, float(clock[row]), last)
            edges.append((row, news_finding(self.rule, batch, row, where, news)))
        return (looks if looks.points.n else None), edges

    def _apart(self, key: Key) -> bool:
        return isinstance(self._entries.entries.get(key), StakedSeries)

    def _arm(self, keys: list[Key], until: float, now: float) -> None:
        entries = self._entries.entries
        numbers = [key for key in keys if not isinstance(entries[key], StakedSeries)]
        if numbers:
            super()._arm(numbers, until, now)
        mixed = any(e.armed is not None and not isinstance(e, StakedSeries) for e in entries.values())
        budget = self._budget * (self.ARMS[0] if mixed else sum(self.ARMS))
        for key in sorted(set(keys) - set(numbers)):
            entry = entries[key]
            assert isinstance(entry, StakedSeries)
            terms = Terms(budget, self._tolerance, SPREAD, (self.rule.key, self._model, " ".join(key)))
            complete = self._is_complete(entry, until)
            self._fit(entry, until, terms, complete, now)
        self._pool.adopt(entries)

    def _fit(self, entry: StakedSeries, until: float, terms: Terms, complete: bool, now: float) -> None:
        """Make what is bet on of what a series has collected from events up to `until`."""
        if entry.kind == "harm":
            entry.adopt(arm_harm(entry.collector, until, terms), None, complete, now)
            return
        made = arm_categories(entry.collector, until, terms)
        staked, words = (made, None) if isinstance(made, str) else made
        entry.adopt(staked, words, complete, now)

    def _finding(self, batch: Batch, hit: Hit, clock: float) -> Finding:
        if isinstance(hit.series, StakedSeries):
            return staked_finding(self.rule, batch, hit, clock)
        return super()._finding(batch, hit, clock)

    def _told(self, key: Key, entry: BudgetSeries) -> dict[str, Any]:
        if isinstance(entry, StakedSeries):
            return describe_staked(entry, self._pool.delays(key))
        return super()._told(key, entry)


class ShiftWatcher(StakedWatcher):
    """Columns of numbers and of categories, as their kinds become known."""

    def _series(self, key: Key) -> BudgetSeries:
        if is_distance(key[2]):
            return DistanceSeries()
        return StakedSeries("categories") if self._columns.kind(key[2]) == "category" else BudgetSeries()

    def _saved_series(self, key: Key, saved: Any) -> BudgetSeries:
        """A column may be another kind by now: then the series goes with the next event, and the others stay."""
        if "centre" in saved:
            return DistanceSeries()
        return StakedSeries("categories") if "kind" in saved else BudgetSeries()

    def parts(self, batch: Batch) -> list[Part]:
        known = [p for p in self._detect.columns if is_pattern(p) or self._columns.kind(p) in (None, "number")]
        parts = number_parts(tuple(known), self._columns, batch)
        parts += category_parts(self._detect.columns, self._columns, batch)
        return parts + descriptor_parts(self._detect.columns, self._columns, batch)

    def about(self) -> dict[str, Any]:
        watched = ("number", "category", "text", "vector")
        plain = [path for path in self._detect.columns if not is_pattern(path)]
        strange = [path for path in plain if self._columns.kind(path) not in (None, *watched)]
        return super().about() | {"not_numbers": strange, "not_covered": ""}

    def _take(self, batch: Batch, clock: Floats, told: Floats) -> list[Finding]:
        self._drop_changed()
        return super()._take(batch, clock, told)

    def _drop_changed(self) -> None:
        """Forget series of columns that are another kind by now: a person said so, or it had not been known."""
        entries = self._entries.entries
        kinds = {key: self._columns.kind(key[2]) == "category" for key in entries}
        changed = [key for key, is_one in kinds.items() if is_one != isinstance(entries[key], StakedSeries)]
        for key in changed:
            del entries[key]
        if changed:
            self._pool.adopt(entries)


class HarmWatcher(StakedWatcher):
    """How often a condition holds where it is known, by the rule clock: truth counts when it arrives."""

    ARMS = (1.0, 0.0)
    GIVEN = False

    def __init__(
        self, rule: Rule, detect: Detect, columns: Columns, form: str, budget: float, model: str, condition: Indicator
    ) -> None:
        super().__init__(rule, detect, columns, form, budget, model)
        self._condition = condition
        self._tolerance = TOLERATED["harm"] if detect.tolerance is None else detect.tolerance

    def _series(self, key: Key) -> BudgetSeries:
        return StakedSeries("harm")

    def parts(self, batch: Batch) -> list[Part]:
        known = self._condition.evaluate(batch)
        return [Part(self._detect.of or "", (known == YES).astype(float), known != UNKNOWN)]

    def observe(self, batch: Batch, clock: Floats) -> list[Finding]:
        if not batch.n:
            return []
        told = np.maximum(np.maximum.accumulate(clock), self._clock.now)
        self._clock.now = float(told[-1])
        return self._take(batch, clock, told)

    def about(self) -> dict[str, Any]:
        return super().about() | {"detects": "harm", "not_covered": ""}


def category_parts(paths: tuple[str, ...], columns: Columns, batch: Batch) -> list[Part]:
    """The category columns of a batch that `paths` name, sorted, usable where there is a value of a known kind."""
    parts = []
    for path in columns.expand(paths, ("category",)):
        if path in batch.columns:
            texts = np.array(batch.texts(path), dtype=object)
            parts.append(Part(path, texts, usable_from(batch, columns.first_row(path, batch), batch.present(path))))
    return parts
