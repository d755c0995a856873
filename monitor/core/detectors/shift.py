"""`detect: {shift: …}`: a number column no longer is what it was. Raw detectors, until the page budget stands."""

from __future__ import annotations

import math
from collections.abc import Callable
from statistics import NormalDist
from typing import Any

from monitor.core.columns import Columns
from monitor.core.detectors.adwin import Adwin
from monitor.core.detectors.base import ScalarDetector
from monitor.core.detectors.compare import SURE, SURE_ADWIN, Guard
from monitor.core.detectors.inputs import not_numbers, number_parts
from monitor.core.detectors.methods import TOLERANCE, method_of, parameters_of
from monitor.core.detectors.report import clean, number
from monitor.core.detectors.series import Change, Settings
from monitor.core.detectors.stream_watcher import Plan, StreamWatcher
from monitor.core.rules.model import Detect, Rule

WORDS = {
    "adwin": "ADWIN",
    "page_hinkley": "Page-Hinkley",
    "kswin": "KSWIN",
    "ddm": "DDM",
    "eddm": "EDDM",
    "hddm_a": "HDDM-A",
    "hddm_w": "HDDM-W",
    "fhddm": "FHDDM",
}


def scalar_maker(method: str, parameters: dict[str, Any], **more: Any) -> Callable[[], ScalarDetector]:
    """Makes fresh detectors. River's own module is imported when the first one is made, not before."""
    own = {name: value for name, value in parameters.items() if name not in ("warm_up", "learn", "calibrate", "tail")}
    if method == "adwin":
        return lambda: Adwin(own)

    def make() -> ScalarDetector:
        from monitor.core.detectors.river_scalar import RiverScalar

        return RiverScalar(method, own | more)

    return make


def sure_of(method: str) -> float:
    return SURE_ADWIN if method == "adwin" else SURE


def least_effect(tolerance: float) -> float:
    """The shift of a normal, in standard deviations, at which a new value exceeds an old one with 1/2 + tolerance."""
    return math.sqrt(2.0) * NormalDist().inv_cdf(0.5 + tolerance)


def shift_watcher(rule: Rule, detect: Detect, columns: Columns, form: str) -> StreamWatcher:
    """Number columns only: explicit paths from the first event, patterns as their columns become known."""
    method, parameters = method_of(detect), parameters_of(detect)
    tolerance = TOLERANCE["shift"] if detect.tolerance is None else detect.tolerance
    least = least_effect(tolerance)
    guard = Guard(least, sure_of(method), spread=method == "kswin")
    plan = Plan(
        parts=lambda batch: number_parts(detect.columns, columns, batch),
        make=scalar_maker(method, parameters),
        settings=Settings(guard, parameters["warm_up"]),
        statistic=f"{method} on {'values' if method == 'kswin' else 'the mean'}",
        tell=lambda column, change: _tell(column, change, WORDS[method]),
        about=lambda: {
            "detects": "shift",
            "with": method,
            "parameters": parameters,
            "least_effect": least,
            "budget": "none: raw alarms of the detector",
            "not_numbers": not_numbers(detect.columns, columns),
            "not_covered": "category, text and vector columns; watch categories with quality: new_category",
        },
    )
    return StreamWatcher(rule, detect.by, form, plan)


def _tell(column: str, change: Change, detector: str) -> str:
    name = clean(column)
    if abs(change.effect) < 0.1 and change.spread:
        moved = f"spreads {number(change.spread)} times as far as before around a mean of {number(change.value)}"
    else:
        way = "up" if change.effect > 0 else "down"
        moved = (
            f"moved from a mean of {number(change.expected)} to {number(change.value)} "
            f"({way} {number(abs(change.effect))} standard deviations)"
        )
    return f"{name} {moved} over its last {change.n:,} values, against {change.n_before:,} before ({detector})"
