"""`detect: {anomaly: …}` and `detect: {outlier: …}` under the page budget."""

from __future__ import annotations

from typing import Any

import numpy as np

from monitor.core.columns import Columns
from monitor.core.detectors.base import Matrix, VectorDetector
from monitor.core.detectors.budget.points import Points
from monitor.core.detectors.budget.pool import Hit
from monitor.core.detectors.budget.series import BudgetSeries, Looks
from monitor.core.detectors.budget.watcher import BudgetWatcher
from monitor.core.detectors.inputs import is_pattern, number_parts
from monitor.core.detectors.keyed import Key
from monitor.core.detectors.keyed_watcher import Edge, Part
from monitor.core.detectors.methods import method_of, parameters_of
from monitor.core.detectors.report import clean
from monitor.core.detectors.scored.evidence import anomaly_finding
from monitor.core.detectors.scored.rows import Plan
from monitor.core.detectors.scored.series import ScoredSeries
from monitor.core.detectors.vector_methods import WORDS, fitter
from monitor.core.events import Batch, Floats
from monitor.core.findings import Finding
from monitor.core.rules.model import Detect, Rule

KEPT = {"lof": 1024, "loda": 4096, "one_class_svm": 4096}  # rows of a reference; the rest keeps MOST
MOST = 8192


class AnomalyWatcher(BudgetWatcher):
    """The scores of one frozen model for each version and segment; only their rise matters."""

    ARMS = (1.0, 0.0)
    UP = True
    GIVEN = False

    def __init__(self, rule: Rule, detect: Detect, columns: Columns, form: str, budget: float, model: str) -> None:
        self._method = method_of(detect)
        self._plan = plan(detect)
        self._label = ", ".join(detect.columns)
        self._names: list[str] = []
        super().__init__(rule, detect, columns, form, budget, model)

    def _series(self, key: Key) -> BudgetSeries:
        return ScoredSeries(self._plan) if key[2] == self._label else BudgetSeries()

    def parts(self, batch: Batch) -> list[Part]:
        return self._rows(number_parts(self._detect.columns, self._columns, batch))

    def _rows(self, columns: list[Part]) -> list[Part]:
        """All columns as one part. Events without any usable value are passed over."""
        self._names = [part.column for part in columns]
        if not columns:
            return []
        matrix = np.stack([np.where(part.usable, part.values, np.nan) for part in columns], axis=1)
        return [Part(self._label, matrix, ~np.isnan(matrix).all(axis=1))]

    def _guard(
        self, entry: BudgetSeries, points: Points, key: Key, batch: Batch, clock: Floats
    ) -> tuple[Looks | None, list[Edge]]:
        if isinstance(entry, ScoredSeries):
            entry.names = self._names
        return super()._guard(entry, points, key, batch, clock)

    def _finding(self, batch: Batch, hit: Hit, clock: float) -> Finding:
        if isinstance(hit.series, ScoredSeries):
            return anomaly_finding(self.rule, batch, hit, clock, self._method)
        return super()._finding(batch, hit, clock)

    def _told(self, key: Key, entry: BudgetSeries) -> dict[str, Any]:
        told = super()._told(key, entry)
        if isinstance(entry, ScoredSeries) and entry.model is not None:
            told |= {"columns": [clean(name) for name in entry.model.names[:20]], "one_event_in": entry.step}
        return told

    def about(self) -> dict[str, Any]:
        detector = {"detects": self._detect.kind, "with": f"the page budget and {WORDS[self._method]}"}
        return super().about() | detector | {"not_covered": "category, text and vector columns"}


class OutlierWatcher(AnomalyWatcher):
    """Single values, or the score of a single event, beyond what the reference can vouch for."""

    ARMS = (0.0, 1.0)
    UP = False

    def _told(self, key: Key, entry: BudgetSeries) -> dict[str, Any]:
        return super()._told(key, entry) | {"slow_changes": None, "finds": {}, "tolerates": None}

    def _series(self, key: Key) -> BudgetSeries:
        return super()._series(key) if self._scored else BudgetSeries()

    @property
    def _scored(self) -> bool:
        """Whether several columns may make a score: one that is named by itself has none."""
        return len(self._detect.columns) > 1 or is_pattern(self._label)

    def parts(self, batch: Batch) -> list[Part]:
        columns = number_parts(self._detect.columns, self._columns, batch)
        return columns + (self._rows(columns) if self._scored else [])


def plan(detect: Detect) -> Plan:
    """Trees take the whole reference for their window, unless the rule names one."""
    method, parameters = method_of(detect), parameters_of(detect)
    kept = KEPT.get(method, MOST)
    own = fitter(method, parameters)
    if method != "half_space_trees" or "window_size" in detect.parameters:
        return Plan(own, int(parameters["learn"]) if method in KEPT else kept, kept)

    def fit(matrix: Matrix) -> VectorDetector:
        return fitter(method, parameters | {"window_size": len(matrix)})(matrix)

    return Plan(fit, kept, kept)
