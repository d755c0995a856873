"""`detect: {shift: …, with: adwin}` and the like, under the page budget."""

from __future__ import annotations

import dataclasses
from typing import Any

from monitor.core.columns import Columns
from monitor.core.detectors.budget.pool import Hit, Pool
from monitor.core.detectors.budget.series import BudgetSeries
from monitor.core.detectors.keyed import Key
from monitor.core.detectors.methods import method_of, parameters_of
from monitor.core.detectors.ranked.calibrate import DRIFT, rounded
from monitor.core.detectors.ranked.pool import RankedPool
from monitor.core.detectors.ranked.series import RankedHarm, RankedSeries
from monitor.core.detectors.shift import WORDS
from monitor.core.detectors.staked.watcher import HarmWatcher, Indicator, StakedWatcher
from monitor.core.events import Batch
from monitor.core.findings import Finding
from monitor.core.rules.model import Detect, Rule


class _ByRiver(StakedWatcher):
    """What both have in common: a detector of River for each series, tuned to the budget."""

    ARMS = (1.0, 0.0)
    LONGER = False  # River's detectors are tuned to the pace of single values
    GIVEN = False
    _method: str

    def _new_pool(self) -> Pool:
        return RankedPool(*(arm * self._budget for arm in self.ARMS))

    def _finding(self, batch: Batch, hit: Hit, clock: float) -> Finding:
        return renamed(super()._finding(batch, hit, clock), self._method, hit)

    def _told(self, key: Key, entry: BudgetSeries) -> dict[str, Any]:
        return super()._told(key, entry) | told(self._pool, key, self._method)

    def about(self) -> dict[str, Any]:
        return super().about() | {"with": f"the page budget and {WORDS[self._method]}"}


class RankedWatcher(_ByRiver):
    """Columns of numbers, each by its ranks."""

    def __init__(self, rule: Rule, detect: Detect, columns: Columns, form: str, budget: float, model: str) -> None:
        self._method, self._parameters = method_of(detect), tuned_parameters(detect)
        super().__init__(rule, detect, columns, form, budget, model)

    def _series(self, key: Key) -> BudgetSeries:
        return RankedSeries(self._method, self._parameters)

    def about(self) -> dict[str, Any]:
        return super().about() | {"not_covered": "category, text and vector columns"}


class RankedHarmWatcher(_ByRiver, HarmWatcher):
    """How often a condition holds, found by a detector of River."""

    def __init__(
        self, rule: Rule, detect: Detect, columns: Columns, form: str, budget: float, model: str, condition: Indicator
    ) -> None:
        self._method, self._parameters = method_of(detect), tuned_parameters(detect)
        HarmWatcher.__init__(self, rule, detect, columns, form, budget, model, condition)

    def _series(self, key: Key) -> BudgetSeries:
        return RankedHarm(self._method, self._parameters)


def tuned_parameters(detect: Detect) -> dict[str, Any]:
    """The rule's parameters but for the one that is calibrated."""
    parameters = {name: value for name, value in parameters_of(detect).items() if name != "warm_up"}
    if method_of(detect) == "page_hinkley" and "delta" not in detect.parameters:
        parameters["delta"] = DRIFT
    return parameters


def renamed(found: Finding, method: str, hit: Hit) -> Finding:
    """The finding of a River detector: it knows no likelihood, but how rare its alarms are on noise."""
    said = found.evidence.detail.rsplit("; what was seen", 1)[0]
    detail = f"{said} ({WORDS[method]}, set to one false alarm in {rounded(hit.strength):,.0f} values)."
    statistic = f"{method} on {'answers' if isinstance(hit.series, RankedHarm) else 'ranks'}"
    return dataclasses.replace(found, evidence=dataclasses.replace(found.evidence, statistic=statistic, detail=detail))


def told(pool: Pool, key: Key, method: str) -> dict[str, Any]:
    assert isinstance(pool, RankedPool)
    every = pool.asked(key)
    return {"detector": WORDS[method], "sudden_changes": False, "false_alarm_every": every if every < 1e12 else None}
