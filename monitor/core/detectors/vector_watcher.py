"""Anomaly and outlier rules: one learned reference per version and segment. Raw forms, until the page budget stands."""

from __future__ import annotations

from typing import Any, cast

import numpy as np

from monitor.core.columns import Columns
from monitor.core.detectors.adwin import Adwin
from monitor.core.detectors.anomaly import Anomaly
from monitor.core.detectors.anomaly import tell as tell_anomaly
from monitor.core.detectors.compare import SURE_ADWIN, Guard
from monitor.core.detectors.inputs import not_numbers, number_parts
from monitor.core.detectors.keyed import Key, Keyed
from monitor.core.detectors.keyed_watcher import Edge, KeyedWatcher, Part
from monitor.core.detectors.methods import ADWIN, TOLERANCE, method_of, parameters_of
from monitor.core.detectors.outlier import Outliers
from monitor.core.detectors.outlier import tell as tell_outlier
from monitor.core.detectors.reference import Reference
from monitor.core.detectors.report import finding, in_segment
from monitor.core.detectors.series import Series, Settings
from monitor.core.detectors.shift import least_effect
from monitor.core.detectors.vector_methods import WORDS, fitter
from monitor.core.events import Batch, Bools, Floats, Ints
from monitor.core.findings import Evidence
from monitor.core.rules.model import Detect, Rule

CAP = 200  # references of one rule on one model: default trees hold 180 kB


class VectorWatcher(KeyedWatcher[Any]):
    """`Watcher` around `Anomaly` or `Outliers`. Events without any usable value are passed over."""

    def __init__(self, rule: Rule, detect: Detect, columns: Columns, form: str, cap: int = CAP) -> None:
        self._detect = detect
        self._columns = columns
        self._method = method_of(detect)
        self._parameters = parameters_of(detect)
        super().__init__(rule, detect.by, form, Keyed(self._make, cap))

    def _make(self, key: Key) -> Any:
        p = self._parameters
        reference = Reference(p["learn"], fitter(self._method, p))
        if self._detect.kind == "outlier":
            return Outliers(reference, p["calibrate"], p["tail"])
        tolerance = TOLERANCE["shift"] if self._detect.tolerance is None else self._detect.tolerance
        adwin = {name: parameter.default for name, parameter in ADWIN.items()} | {"delta": p["delta"]}
        guard = Guard(least_effect(tolerance), SURE_ADWIN, up=True)
        return Anomaly(reference, Series(lambda: Adwin(adwin), Settings(guard, p["warm_up"])))

    def parts(self, batch: Batch) -> list[Part]:
        if batch.truth:
            return []
        columns = number_parts(self._detect.columns, self._columns, batch)
        if not columns:
            return []
        matrix: Floats = np.stack([_or_nothing(part) for part in columns], axis=1)
        names = [part.column for part in columns]
        usable: Bools = np.logical_or.reduce([part.usable for part in columns])
        return [Part(", ".join(self._detect.columns), (names, matrix), usable)]

    def feed(self, entry: Any, key: Key, part: Part, rows: Ints, batch: Batch, clock: Floats) -> list[Edge]:
        names, matrix = cast(tuple[list[str], Any], part.values)
        if isinstance(entry, Anomaly):
            rise = entry.feed(names, matrix if len(rows) == len(matrix) else matrix[rows])
            return [] if rise is None else [self._anomaly(rise, key, int(rows[rise.index]), batch, clock)]
        found = entry.feed(names, matrix[rows], clock[rows])
        return [self._outlier(outlier, key, int(rows[outlier.index]), batch, clock) for outlier in found]

    def _anomaly(self, rise: Any, key: Key, row: int, batch: Batch, clock: Floats) -> Edge:
        change = rise.change
        evidence = Evidence(
            column=key[2],
            segment=key[1],
            statistic=f"score of {self._method}",
            value=change.value,
            expected=change.expected,
            effect=change.effect,
            interval=change.interval,
            n=change.n,
            at=float(clock[row]),
            detail=_sentence(tell_anomaly(rise, WORDS[self._method]), key),
        )
        return row, finding(self.rule, batch, row, evidence)

    def _outlier(self, outlier: Any, key: Key, row: int, batch: Batch, clock: Floats) -> Edge:
        evidence = Evidence(
            column=outlier.column or key[2],
            segment=key[1],
            statistic="value" if outlier.column else f"score of {self._method}",
            value=outlier.value,
            expected=None if np.isnan(outlier.expected) else outlier.expected,
            effect=outlier.effect,
            interval=None,
            n=1,
            at=float(clock[row]),
            detail=_sentence(tell_outlier(outlier, batch.ids[row], WORDS[self._method]), key),
        )
        return row, finding(self.rule, batch, row, evidence)

    def about(self) -> dict[str, Any]:
        entries = self._entries.entries
        return {
            "detects": self._detect.kind,
            "with": self._method,
            "parameters": self._parameters,
            "budget": "none: raw alarms of the detector",
            "not_numbers": not_numbers(self._detect.columns, self._columns),
            "references": [
                {"version": key[0], "segment": key[1], "state": entries[key].state, **entries[key].about()}
                for key in sorted(entries)[:20]
            ],
        }


def vector_watcher(rule: Rule, detect: Detect, columns: Columns, form: str) -> VectorWatcher:
    return VectorWatcher(rule, detect, columns, form)


def _or_nothing(part: Part) -> Floats:
    """The values of a column, NaN where they do not count."""
    values: Floats = part.values if part.usable.all() else np.where(part.usable, part.values, np.nan)
    return values


def _sentence(text: str, key: Key) -> str:
    return f"{text[0].upper()}{text[1:]}{in_segment(key[1])}."
