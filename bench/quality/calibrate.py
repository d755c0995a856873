"""Competitors at the false-page rate that the product realises: thresholds are swept on streams of their own.

Nothing is chosen on a stream that is reported: calibration streams have seeds from 10,000 on. Every setting is run on
everything, and which one counts is chosen afterwards from the rows: they need not be made anew for another detector.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from bench.quality.jobs import SLOW, Job, Size
from bench.quality.results import Result, Table
from bench.quality.stream import Setting
from bench.quality.streams.drawn import CHANGES, Drawn, changed
from bench.quality.systems.base import Run, System
from bench.quality.systems.external import External
from bench.quality.systems.overloop import Overloop
from bench.quality.systems.river import River, Trees
from bench.quality.systems.trivial import ThreeSigma

FIRST_SEED = 10_000
FLOOR = 0.05  # pages a week: less cannot be told apart with the exposure at hand
LENGTH = 4.0  # weeks of a stream for the libraries
DEAR_KINDS = ("shift-1sd", "shift-2sd", "variance-x2", "season-ar-0.7-shift-1sd")


@dataclass(frozen=True, slots=True)
class Named:
    """A system under another name."""

    name: str
    system: System

    def start(self, setting: Setting) -> Run:
        return self.system.start(setting)


@dataclass(frozen=True, slots=True)
class Grid:
    """Settings of the one parameter that says how much evidence is asked for, from lenient to strict."""

    parameter: str
    make: Callable[[float], System]
    values: tuple[float, ...]
    dear: bool = False  # a hundred times the cost of the others

    def systems(self, name: str) -> list[System]:
        return [Named(f"{name}|{i}", self.make(value)) for i, value in enumerate(self.values)]


def _river(method: str, parameter: str, *values: float, dear: bool = False) -> tuple[str, Grid]:
    return f"river-{method}", Grid(parameter, lambda v: River(method, ((parameter, v),)), values, dear)


def _library(name: str, parameter: str, *values: float) -> tuple[str, Grid]:
    return name, Grid(parameter, lambda v: External(name, v), values)


NUMBERS: Mapping[str, Grid] = dict(
    (
        _river("adwin", "delta", 0.9, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 2e-3, 1e-3, 1e-4, 1e-6, 1e-8, 1e-16, 1e-32),
        _river("pagehinkley", "threshold", 12, 25, 50, 65, 80, 100, 125, 150, 200, 300, 400, 600, 900, 1600, 3200),
        _river("kswin", "alpha", 5e-3, 1e-4, 5e-6, 1e-7, 1e-9, 1e-12, dear=True),
        ("three-sigma", Grid("sigma", lambda v: ThreeSigma(k=v), (2.5, 3, 3.5, 3.75, 4, 4.25, 4.5, 4.75, 5, 6, 8))),
        ("river-halfspacetrees", Grid("q", lambda v: Trees(q=v), (0.95, 0.999, 0.99999, 1 - 1e-9), dear=True)),
    )
)  # fmt: skip
BINARY: Mapping[str, Grid] = dict(
    (
        _river("ddm", "drift_threshold", 2, 2.5, 3, 3.25, 3.5, 4, 5, 6),
        _river("eddm", "beta", 0.95, 0.9, 0.85, 0.8, 0.7, 0.6, 0.5, 0.3),
        _river("hddm-a", "drift_confidence", 0.2, 0.1, 0.05, 0.02, 0.01, 1e-3, 1e-4, 1e-6),
        _river("hddm-w", "drift_confidence", 0.2, 0.1, 0.05, 0.02, 0.01, 1e-3, 1e-4, 1e-6),
        _river("fhddm", "confidence_level", 0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 1e-3, 1e-6),
    )
)
LIBRARIES: Mapping[str, Grid] = dict(
    (
        _library("evidently", "times its threshold", 0.5, 0.75, 1, 1.25, 1.5, 1.75, 2, 2.5, 3, 4, 6, 10),
        _library("nannyml", "times its threshold", 0.75, 1, 1.1, 1.2, 1.35, 1.5, 2, 3, 4),
        _library("frouros", "power of 0.01", 0.5, 1, 1.5, 2, 2.5, 3, 4, 6, 10),
        _library("alibi-detect", "weeks of expected run time", 1, 8),
    )
)
ALL: Mapping[str, Grid] = {**NUMBERS, **BINARY, **LIBRARIES}
FAMILIES = ("iid", "season-ar-0.7", "bernoulli-0.05")


def kinds(family: str) -> list[str]:
    """The changes that happen to a family."""
    return [kind for kind, change in CHANGES.items() if change.family == family]


def grids(family: str) -> Mapping[str, Grid]:
    """What is swept on a family."""
    if not family.startswith("bernoulli"):
        return NUMBERS
    return {**{name: grid for name, grid in NUMBERS.items() if not grid.dear}, **BINARY}


def _settings(found: Mapping[str, Grid], dear: bool) -> tuple[System, ...]:
    return tuple(system for name, grid in found.items() if dear or not grid.dear for system in grid.systems(name))


def equal(size: Size) -> Iterator[Job]:
    """Every setting of the cheap systems: on calibration streams, on the reported nulls, and on changes."""
    few = size.sweep // 6
    for family in FAMILIES:
        for part, first in (("calibration", FIRST_SEED), ("equal-null", 0)):
            for seed in range(size.sweep):
                settings = _settings(grids(family), seed < few)
                yield Job(part, family, Drawn(family, first + seed, SLOW), settings)
        for kind in kinds(family):
            for seed in range(size.sweep):
                settings = _settings(grids(family), seed < few and kind in DEAR_KINDS)
                yield Job("equal", kind, changed(kind, seed), settings)


def equal_apart(size: Size) -> Iterator[Job]:
    """The same for the libraries in environments of their own, on shorter streams."""
    own: tuple[System, ...] = (Overloop(),)
    settings = _settings(LIBRARIES, False)
    for family in FAMILIES[:2]:
        for part, first in (("calibration", FIRST_SEED), ("equal-null", 0)):
            for seed in range(size.apart):
                yield Job(part, family, Drawn(family, first + seed, SLOW, LENGTH), (*own, *settings))
        for kind in (kind for kind in kinds(family) if kind in DEAR_KINDS):
            for seed in range(size.apart):
                yield Job("equal", kind, changed(kind, seed), (*own, *settings))


@dataclass(frozen=True, slots=True)
class Choice:
    """The setting of a system on a family: which one of its grid, and the rate it had in calibration."""

    family: str
    system: str
    place: int
    rate: float
    target: float

    @property
    def grid(self) -> Grid:
        return ALL[self.system]

    @property
    def kept(self) -> bool:
        return self.rate <= self.target

    @property
    def label(self) -> str:
        """The name that its rows have."""
        return f"{self.system}|{self.place}"


def chosen(found: Iterable[Result], targets: Mapping[str, float]) -> list[Choice]:
    """For each family and system the most lenient setting that keeps the family's target; the strictest where none
    does."""
    pages: dict[tuple[str, str], dict[int, list[float]]] = defaultdict(lambda: defaultdict(lambda: [0.0, 0.0]))
    for result in found:
        name, _, number = result.system.partition("|")
        if result.part == "calibration" and number and result.watched:
            entry = pages[result.group, name][int(number)]
            entry[0] += result.false_pages
            entry[1] += result.weeks
    picked = []
    for (family, name), places in pages.items():
        rates = {place: count / weeks for place, (count, weeks) in sorted(places.items()) if weeks}
        good = [place for place, rate in rates.items() if rate <= targets[family]]
        place = good[0] if good else max(rates)
        picked.append(Choice(family, name, place, rates[place], targets[family]))
    return picked


def at_defaults(found: Iterable[Result]) -> list[Result]:
    """The rows of the libraries' default settings, under the libraries' names."""
    labels = {f"{name}|{grid.values.index(1)}": name for name, grid in LIBRARIES.items()}
    return [replace(row, system=labels[row.system]) for row in found if row.system in labels]


def realised(found: Iterable[Result]) -> dict[str, float]:
    """By family, the rate that the others are to keep: the product's, or what exposure can tell apart."""
    table = Table(found, "null")
    rates = {family: table.false(family, "overloop") for family in FAMILIES}
    return {family: max(FLOOR, rate.value if rate else FLOOR) for family, rate in rates.items()}
