"""How insensitive a River detector has to be to alarm on noise no more often than once in so many values.

It is played on noise that is always the same: uniform for ranks, of a given rate for harm. Done when a series is
armed, and kept for the process. KSWIN needs no noise: each of its tests has the level it says.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from monitor.core.detectors.budget.replay import generator
from monitor.core.detectors.shift import scalar_maker
from monitor.core.events import Floats

LENGTH = 100_000  # values of noise
PIECE = 4096  # of it that are played at a time
ENOUGH, MANY = 10, 40  # alarms that say how often they come; as many are not exceeded
MARGIN = 0.2  # of the logarithm of a run length that is not measured but expected
STEPS = 4  # a run length is rounded up to 2 to a whole part of this
DRIFT = 0.25  # of PageHinkley, where the rule does not say: half of the smallest shift worth finding
UNIFORM = math.sqrt(12.0)


@dataclass(frozen=True, slots=True)
class Knob:
    """What is turned: `settings` of a place on it, places from the most sensitive on. Run lengths grow with it."""

    places: tuple[float, ...]
    settings: Callable[[float], dict[str, float]]


KNOBS: Mapping[str, Knob] = {
    "adwin": Knob(
        (0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 1.5, 2, 2.5, 3, 4, 5), lambda x: {"delta": math.exp(-x), "clock": 1}
    ),
    "page_hinkley": Knob((4, 6, 8, 11, 15, 20, 27, 36, 48, 64, 85, 110, 150), lambda x: {"threshold": x}),
    "ddm": Knob((2, 2.2, 2.4, 2.6, 2.8, 3, 3.5, 4, 5), lambda x: {"drift_threshold": x}),
    "eddm": Knob((0.05, 0.1, 0.2, 0.3, 0.5, 0.7), lambda x: {"beta": 1 - x, "alpha": max(0.95, 1 - x)}),
    "hddm_a": Knob(tuple(range(1, 16)), lambda x: {"drift_confidence": math.exp(-x)}),
    "hddm_w": Knob(tuple(range(1, 16)), lambda x: {"drift_confidence": math.exp(-x)}),
    "fhddm": Knob(tuple(range(1, 20)), lambda x: {"confidence_level": math.exp(-x)}),
}


def rounded(run: float) -> float:
    """A run length as it is calibrated for: not shorter than asked for."""
    return float(2.0 ** (math.ceil(STEPS * math.log2(max(run, 64.0)) - 1e-9) / STEPS))


def calibrated(method: str, parameters: Mapping[str, Any], run: float, rate: float | None) -> dict[str, Any] | None:
    """Parameters with which `method` alarms at most once in `run` values of noise; None if it cannot be had.

    `rate`: the noise is 1 that often and 0 else; None: it is uniform between 0 and 1.
    """
    if method == "kswin":
        return dict(parameters) | {"alpha": min(1.0 / run, 0.5)}
    fixed = tuple(sorted(parameters.items()))
    level = None if rate is None else _coarse(rate)
    place = _place(method, fixed, rounded(run), level)
    return None if place is None else dict(parameters) | KNOBS[method].settings(place)


def _coarse(rate: float) -> float:
    """The rate on a grid of eighths of a doubling: near ones share what was calibrated."""
    return float(min(2.0 ** (math.ceil(8 * math.log2(rate)) / 8), 0.999))


def answers(method: str, bad: Any, rate: float) -> Floats:
    """Answers as the detector takes them: PageHinkley's threshold is in standard deviations."""
    values = np.asarray(bad, dtype=np.float64)
    return (values - rate) / math.sqrt(rate * (1 - rate)) if method == "page_hinkley" else values


def prepared(method: str, ranks: Floats) -> Floats:
    """Ranks as the detector takes them: PageHinkley's threshold is in standard deviations."""
    return (ranks - 0.5) * UNIFORM if method == "page_hinkley" else ranks


@cache
def _place(method: str, fixed: tuple[tuple[str, Any], ...], run: float, rate: float | None) -> float | None:
    """The most sensitive place of the knob that is good enough; beyond the last one, by how run lengths have grown."""
    told: list[tuple[float, float]] = []
    for place in KNOBS[method].places:
        alarms, length = _play(method, fixed, place, rate)
        if length / (alarms + math.sqrt(alarms) + 1) >= run:
            return place
        if alarms >= ENOUGH:
            told.append((place, math.log(length / alarms)))
    (x0, y0), (x1, y1) = told[-2:] if len(told) > 1 else ((0.0, 0.0), (0.0, 0.0))
    if y1 <= y0 or method == "eddm":
        return None
    return x1 + (math.log(run) + MARGIN - y1) * (x1 - x0) / (y1 - y0)


@cache
def _play(method: str, fixed: tuple[tuple[str, Any], ...], place: float, rate: float | None) -> tuple[int, int]:
    """Alarms on noise, and how many values were played: until there are `MANY` of them, or no more noise."""
    noise = generator(("noise for detectors of change",)).random(LENGTH)
    values = prepared(method, noise) if rate is None else answers(method, noise < rate, rate)
    up = {"mode": "up"} if method == "page_hinkley" and rate is not None else {}
    detector = scalar_maker(method, dict(fixed) | KNOBS[method].settings(place), **up)()
    alarms = start = 0
    while start < LENGTH and alarms < MANY:
        hit = -1
        for end in range(start, LENGTH, PIECE):
            hit = detector.first(values[end : end + PIECE])
            if hit >= 0:
                start = end + hit + 1
                break
        if hit < 0:
            return alarms, LENGTH
        alarms += 1
    return alarms, start
