"""Competitors at the false-page rate that the product realised: thresholds are swept on streams of their own.

Nothing is chosen on a stream that is reported: calibration streams have seeds from 10,000 on.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from bench.quality.plan import SLOW, Job, Size
from bench.quality.results import Result
from bench.quality.stream import Setting
from bench.quality.streams.drawn import CHANGES, Drawn, changed
from bench.quality.systems.base import Run, System
from bench.quality.systems.river import River
from bench.quality.systems.trivial import ThreeSigma

FIRST_SEED = 10_000
FLOOR = 0.05  # pages a week: less cannot be told apart with the exposure at hand
MARK = " at equal rate"


@dataclass(frozen=True, slots=True)
class Named:
    """A system under another name."""

    name: str
    system: System

    def start(self, setting: Setting) -> Run:
        return self.system.start(setting)


Grid = Callable[[float], System]
# From lenient to strict: the value of the one parameter that says how much evidence is asked for.
GRIDS: Mapping[str, tuple[Grid, tuple[float, ...]]] = {
    "river-adwin": (lambda v: River("adwin", (("delta", v),)), tuple(10.0**-e for e in (0.5, 1, 2, 4, 8, 16, 32, 64))),
    "river-pagehinkley": (
        lambda v: River("pagehinkley", (("threshold", v),)),
        (12, 25, 50, 75, 100, 150, 200, 300, 400, 600, 800, 1600),
    ),
    "river-kswin": (lambda v: River("kswin", (("alpha", v),)), (5e-3, 5e-4, 5e-5, 5e-6, 5e-7, 5e-8, 5e-9, 5e-12)),
    "three-sigma": (lambda v: ThreeSigma(k=v), (3, 3.5, 4, 4.5, 5, 6, 8, 12)),
}
BINARY_GRIDS: Mapping[str, tuple[Grid, tuple[float, ...]]] = {
    "river-ddm": (lambda v: River("ddm", (("drift_threshold", v),)), (3, 3.5, 4, 5, 6, 8, 12)),
    "river-hddm-a": (lambda v: River("hddm-a", (("drift_confidence", v),)), (1e-3, 1e-4, 1e-5, 1e-6, 1e-8, 1e-12)),
}


def families() -> dict[str, list[str]]:
    """The kinds of change by the family they happen to."""
    grouped: dict[str, list[str]] = defaultdict(list)
    for kind, change in CHANGES.items():
        grouped[change.family].append(kind)
    return grouped


def grids(family: str) -> Mapping[str, tuple[Grid, tuple[float, ...]]]:
    """What is swept on a family. KSWIN on twenty columns would take an hour."""
    found = {**GRIDS, **(BINARY_GRIDS if family.startswith("bernoulli") else {})}
    return {name: grid for name, grid in found.items() if not (name == "river-kswin" and family.startswith("twenty"))}


def sweep(size: Size) -> Iterable[Job]:
    """Every setting on the calibration streams of every family that a change happens to."""
    for family in families():
        settings = tuple(
            Named(f"{name}|{i}", make(value))
            for name, (make, values) in grids(family).items()
            for i, value in enumerate(values)
        )
        for seed in range(size.dear):
            yield Job("calibration", family, Drawn(family, FIRST_SEED + seed, SLOW), settings)


def chosen(found: Iterable[Result], targets: Mapping[str, float]) -> dict[tuple[str, str], tuple[float, float]]:
    """(family, system) -> the most lenient value that keeps the family's target, and the rate it had; the strictest
    where none does."""
    pages: dict[tuple[str, str, int], list[float]] = defaultdict(lambda: [0.0, 0.0])
    for result in found:
        name, _, number = result.system.partition("|")
        entry = pages[result.group, name, int(number)]
        entry[0] += result.false_pages
        entry[1] += result.weeks
    picked: dict[tuple[str, str], tuple[float, float]] = {}
    for family in families():
        for name, (_, values) in grids(family).items():
            rates = [pages[family, name, i][0] / max(pages[family, name, i][1], 1e-9) for i in range(len(values))]
            good = [i for i, rate in enumerate(rates) if rate <= targets[family]]
            place = good[0] if good else len(values) - 1
            picked[family, name] = values[place], rates[place]
    return picked


def equal(size: Size, picked: Mapping[tuple[str, str], tuple[float, float]]) -> Iterable[Job]:
    """The chosen settings on the reported streams: changes, and nulls for what they realise there."""
    for family, kinds in families().items():
        systems = tuple(Named(name + MARK, make(picked[family, name][0])) for name, (make, _) in grids(family).items())
        for seed in range(size.dear):
            yield Job("equal-null", family, Drawn(family, seed, SLOW), systems)
        for kind in kinds:
            for seed in range(2 * size.dear):
                yield Job("equal", kind, changed(kind, seed), systems)
