"""The detectors a rule may name under `with`, their parameters, and what is wrong with those of a rule.

Light: nothing here imports River. Defaults are River's unless a comment says otherwise.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from monitor.core.rules.model import Detect, Scalar

CHECKS = (
    "missing",
    "nonfinite",
    "type_change",
    "new_category",
    "vanished",
    "constant",
    "out_of_range",
    "duplicate_ids",
    "clock_backwards",
    "late",
)


@dataclass(frozen=True, slots=True)
class Parameter:
    """A default (whose type is the parameter's) and the range it must lie in."""

    default: int | float
    low: float
    high: float


WARM_UP = {"warm_up": Parameter(200, 30, 10_000)}  # ours: values of the first reference
LEARN = {"learn": Parameter(500, 100, 5000)}  # ours: events learned before the detector is frozen
SEED = {"seed": Parameter(1, 0, 2**31)}
ADWIN = {
    "delta": Parameter(0.002, 1e-12, 0.5),
    "clock": Parameter(32, 1, 10_000),
    "max_buckets": Parameter(5, 2, 50),
    "min_window_length": Parameter(5, 1, 10_000),
    "grace_period": Parameter(10, 1, 10_000),
}
PAGE_HINKLEY = {
    "min_instances": Parameter(30, 1, 10_000),
    "delta": Parameter(0.005, 0.0, 10.0),
    "threshold": Parameter(50.0, 0.1, 1e6),  # standard deviations: values are standardised first
    "alpha": Parameter(1 - 0.0001, 0.5, 1.0),
}
KSWIN = {
    "alpha": Parameter(0.005, 1e-12, 0.5),
    "window_size": Parameter(100, 20, 2000),
    "stat_size": Parameter(30, 10, 1000),
} | SEED
HDDM = {"drift_confidence": Parameter(0.001, 1e-12, 0.5), "warning_confidence": Parameter(0.005, 1e-12, 0.5)}
BINARY: Mapping[str, Mapping[str, Parameter]] = {
    "ddm": {
        "warm_start": Parameter(30, 1, 10_000),
        "warning_threshold": Parameter(2.0, 0.1, 100.0),
        "drift_threshold": Parameter(3.0, 0.1, 100.0),
    },
    "eddm": {
        "warm_start": Parameter(30, 1, 10_000),
        "alpha": Parameter(0.95, 0.0, 1.0),
        "beta": Parameter(0.9, 0.0, 1.0),
    },
    "hddm_a": HDDM,
    "hddm_w": HDDM | {"lambda_val": Parameter(0.05, 1e-6, 1.0)},
    "fhddm": {"sliding_window_size": Parameter(100, 10, 10_000), "confidence_level": Parameter(1e-6, 1e-300, 0.5)},
}
TREES = {
    "n_trees": Parameter(10, 1, 50),
    "height": Parameter(8, 1, 10),  # 25 trees of height 15, the paper's size, hold 368 MB
    "window_size": Parameter(250, 20, 5000),
} | SEED
VECTOR: Mapping[str, Mapping[str, Parameter]] = {
    "half_space_trees": TREES,
    "loda": {"n_bins": Parameter(10, 2, 100), "n_random_cuts": Parameter(100, 1, 200)} | SEED,
    "one_class_svm": {"nu": Parameter(0.1, 1e-6, 1.0), "intercept_lr": Parameter(0.01, 0.0, 1.0)} | SEED,
    "lof": {"n_neighbors": Parameter(10, 1, 100)},
    "gaussian": {},
    "sad": {},
}
STREAM = {"adwin": ADWIN, "page_hinkley": PAGE_HINKLEY}
OUTLIER = {"calibrate": Parameter(500, 100, 5000), "tail": Parameter(1e-6, 1e-12, 1e-3)}  # ours

# kind -> method -> parameters; the first method is the default
METHODS: Mapping[str, Mapping[str, Mapping[str, Parameter]]] = {
    "shift": {name: p | WARM_UP for name, p in (STREAM | {"kswin": KSWIN}).items()},
    "harm": {name: {**p, **WARM_UP} for name, p in (STREAM | dict(BINARY)).items()},
    "anomaly": {name: {**p, **LEARN, **WARM_UP, "delta": ADWIN["delta"]} for name, p in VECTOR.items()},
    "outlier": {name: {**p, **LEARN, **OUTLIER} for name, p in VECTOR.items()},
    "quality": {"own": {}},
    "estimated_errors": {"own": {}},
}
TOLERANCE = {"shift": 0.05, "harm": 0.01}  # what nobody would act on, where the rule does not say
TOLERATED = {"harm": 0.005, "estimated_errors": 0.01}  # the same under the page budget, in rises of a share


def method_of(detect: Detect) -> str:
    return detect.method or next(iter(METHODS[detect.kind]))


def parameters_of(detect: Detect) -> dict[str, Any]:
    """All parameters of the method, the rule's over the defaults, each of the type it has to be."""
    table = METHODS[detect.kind][method_of(detect)]
    return {name: type(p.default)(detect.parameters.get(name, p.default)) for name, p in table.items()}


def problems(detect: Detect) -> list[str]:
    """What is wrong with a `detect:` form, as whole sentences; empty if nothing is."""
    methods = METHODS[detect.kind]
    method = method_of(detect)
    if method not in methods:
        return [f"{detect.kind} has no detector {method!r}{_nearest(method, methods)}; it can be {', '.join(methods)}."]
    table = methods[method]
    found = [
        problem
        for name, value in detect.parameters.items()
        if (problem := _problem(method, name, value, table)) is not None
    ]
    return found or _together(detect, method)


def _problem(method: str, name: str, value: Scalar, table: Mapping[str, Parameter]) -> str | None:
    parameter = table.get(name)
    if parameter is None:
        known = ", ".join(table) or "none"
        return f"{method} has no parameter {name!r}{_nearest(name, table)}; it takes {known}."
    whole = isinstance(parameter.default, int)
    if isinstance(value, str | bool) or (whole and value != int(value)) or not math.isfinite(value):
        return f"{name} of {method} must be a {'whole ' if whole else ''}number, not {value!r}."
    if not parameter.low <= value <= parameter.high:
        return f"{name} of {method} must lie between {parameter.low:g} and {parameter.high:g}, not {value!r}."
    return None


def _together(detect: Detect, method: str) -> list[str]:
    p = parameters_of(detect)
    found = []
    if method == "kswin" and p["stat_size"] * 2 > p["window_size"]:
        found.append(f"stat_size of kswin ({p['stat_size']}) must be at most half its window_size.")
    if method == "eddm" and p["alpha"] < p["beta"]:
        found.append(f"alpha of eddm ({p['alpha']:g}) must not be below its beta ({p['beta']:g}).")
    if method == "half_space_trees" and p["window_size"] > p["learn"]:
        found.append(f"window_size of half_space_trees ({p['window_size']}) must not exceed learn ({p['learn']}).")
    limit = {"shift": 0.5, "harm": 1.0, "estimated_errors": 1.0}.get(detect.kind, 0.0)
    if detect.tolerance is not None and not 0 <= detect.tolerance < max(limit, 1e-300):
        found.append(f"tolerance of {detect.kind} must be 0 or more and below {limit:g}, not {detect.tolerance!r}.")
    if detect.kind == "quality" and detect.by:
        found.append("quality looks at whole columns; leave out by.")
    found += [
        f"quality has no check {check!r}{_nearest(check, CHECKS)}; it can be {', '.join(CHECKS)}."
        for check in detect.checks
        if check not in CHECKS
    ]
    return found


def _nearest(word: str, known: Any) -> str:
    close = difflib.get_close_matches(word, list(known), 1)
    return f" (did you mean {close[0]!r}?)" if close else ""
