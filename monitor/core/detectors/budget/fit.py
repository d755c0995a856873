"""A reference from data that somebody gives: collected, fitted, armed and refused as live ones are, without waiting."""

from __future__ import annotations

from dataclasses import replace

from monitor.core.columns import Columns
from monitor.core.detectors.budget.series import BudgetSeries
from monitor.core.detectors.budget.watcher import BudgetWatcher
from monitor.core.detectors.build import takes_references
from monitor.core.detectors.forms import form_of
from monitor.core.events import Batch, Floats, Ints
from monitor.core.references import Fitted
from monitor.core.rules.model import Detect, Rule

EVER = 1e300  # a time that no event reaches


class Fitter(BudgetWatcher):
    """Feed it batches in the order of time, then ask for `result`.

    `version`: only events of that version of the model count, and the reference is for it; else all of them are taken
    for one, and the reference is for whichever version comes first.
    """

    def __init__(self, rule: Rule, model: str, columns: Columns, budget: float, version: str | None = None) -> None:
        detect = rule.form
        if not isinstance(detect, Detect) or not takes_references(detect):
            raise ValueError(
                f"{rule.key} has no reference that could be given: only shifts of numbers under the page budget have."
            )
        super().__init__(replace(rule, on_version="keep"), detect, columns, form_of(rule, detect), budget, model)
        self._of = version
        self.events = 0

    def feed_batch(self, batch: Batch) -> None:
        """Take in a batch. What its columns are is learned from it, and the values that decided it count too."""
        if batch.truth:
            return
        self._columns.learn(batch)
        self._columns.known_at = dict.fromkeys(self._columns.known_at, -1)
        if self._of is not None:
            batch = batch.take([i for i, version in enumerate(batch.versions) if version == self._of])
        self.events += batch.n
        self.observe(batch, batch.recorded_at)

    def result(self) -> Fitted:
        """What was fitted, series by series, or why it was refused."""
        keys = [key for key, entry in self._entries.entries.items() if entry.collector is not None]
        if keys:
            self._arm(keys, EVER, self._clock.now)
        found = self.fitted()
        return replace(found, series=tuple(replace(s, version=self._of or "") for s in found.series))

    def _due(self, entry: BudgetSeries, rows: Ints, told: Floats) -> int | None:
        return None
