"""What the evaluation runs: which streams, which systems, how many of each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bench.quality.stream import Stream
from bench.quality.streams import electricity, nab
from bench.quality.streams.drawn import CHANGES, FAMILIES, Drawn, changed
from bench.quality.streams.faults import FAULTS, Fault, Traffic
from bench.quality.systems.base import System
from bench.quality.systems.external import EXTERNAL, External
from bench.quality.systems.overloop import Overloop
from bench.quality.systems.river import BINARY, River, Trees
from bench.quality.systems.trivial import AlwaysSilent, Periodic, ThreeSigma

SLOW, FAST = 2016.0, 200_000.0
BERNOULLI = ("bernoulli-0.01", "bernoulli-0.05")
EXACT = Overloop("overloop, tolerance 0", detect='{shift: "inputs.*", tolerance: 0}')
TRIVIAL: tuple[System, ...] = (AlwaysSilent(), Periodic(), ThreeSigma())
RIVER: tuple[System, ...] = (River("adwin"), River("pagehinkley"))
DEAR: tuple[System, ...] = (River("kswin"), Trees())  # a hundred times the cost of the others
APART = ("iid", "ar-0.9", "daily", "season-ar-0.7")  # families that libraries in other environments are run on
AIMED = ("shift-1sd", "shift-2sd", "one-of-twenty-1sd", "all-of-twenty-1sd")  # with figures at tolerance 0 to reach
APART_CHANGES = ("shift-1sd", "shift-2sd")


@dataclass(frozen=True, slots=True)
class Job:
    """A stream with its systems; `part` and `group` say which table and which line of it the rows belong to."""

    part: str
    group: str
    stream: Stream
    systems: tuple[System, ...]


@dataclass(frozen=True, slots=True)
class Size:
    """How much of everything."""

    nulls: int = 50  # streams a family, of 10 weeks each
    wide_nulls: int = 50  # the same of twenty columns
    fast: int = 50  # the same at 200,000 a week
    wide_fast: int = 5  # the same of twenty columns
    dear: int = 10  # streams a family that the dear systems see, and the product with a tolerance of 0
    changes: int = 200  # streams a kind of change
    wide_changes: int = 40  # the same of twenty columns
    apart: int = 10
    faults: int = 10  # years of everything that must not page

    def scaled(self, by: float) -> Size:
        """At least two of each."""
        names = ("nulls", "wide_nulls", "fast", "wide_fast", "dear", "changes", "wide_changes", "apart", "faults")
        return replace(self, **{name: max(2, round(getattr(self, name) * by)) for name in names})


def nulls(size: Size) -> Iterator[Job]:
    """Every family at both rates; River's binary detectors where the values are zeros and ones."""
    for family in FAMILIES:
        binary = tuple(River(method) for method in BINARY) if family in BERNOULLI else ()
        for seed in range(size.wide_nulls if family.startswith("twenty") else size.nulls):
            dear = (EXACT, *DEAR) if seed < size.dear else ()
            systems: tuple[System, ...] = (Overloop(), *RIVER, *dear, *binary, *TRIVIAL)
            yield Job("null", family, Drawn(family, seed, SLOW), systems)


def fast_nulls(size: Size) -> Iterator[Job]:
    """The same at 200,000 values a week."""
    for family in FAMILIES:
        count = size.wide_fast if family.startswith("twenty") else size.fast
        for seed in range(count):
            systems = (Overloop(), *(RIVER if seed < size.dear else ()), ThreeSigma())
            yield Job("fast", family, Drawn(family, seed, FAST), systems)


def changes(size: Size) -> Iterator[Job]:
    """Every kind of change."""
    for kind, change in CHANGES.items():
        binary = tuple(River(method) for method in BINARY) if change.family in BERNOULLI else ()
        wide = change.family.startswith("twenty")
        for seed in range(size.wide_changes if wide else size.changes):
            dear = DEAR if seed < 2 * size.dear else ()
            exact = (EXACT,) if seed < 2 * size.dear or kind in AIMED else ()
            systems = (Overloop(), *exact, *RIVER, *dear, *binary, *TRIVIAL)
            yield Job("change", kind, changed(kind, seed), systems)


def traffic(size: Size) -> Iterator[Job]:
    """0.1 to 10 times the traffic of the reference: the budget must hold at any rate."""
    for times in (0.1, 0.3, 3.0, 10.0):
        for seed in range(size.nulls // 2):
            yield Job("traffic", f"x{times:g}", Traffic(seed, times), (Overloop(),))


def faults(size: Size) -> Iterator[Job]:
    """What must not page in a year, each."""
    for kind in FAULTS:
        for seed in range(size.faults):
            yield Job("fault", kind, Fault(kind, seed), (Overloop(), *(() if seed else RIVER)))


def apart(size: Size) -> Iterator[Job]:
    """Libraries in environments of their own: four families and two changes, since they take seconds a stream."""
    systems: tuple[System, ...] = (Overloop(), *(External(name) for name in EXTERNAL))
    for family in APART:
        for seed in range(size.apart):
            yield Job("apart", family, Drawn(family, seed, SLOW, weeks=4.0), systems)
    for kind in APART_CHANGES:
        for seed in range(2 * size.apart):
            yield Job("apart", kind, changed(kind, seed), systems)


def real(data: Path | None) -> Iterator[Job]:
    """Electricity with injected drift and the development part of NAB, if they are there."""
    systems: tuple[System, ...] = (Overloop(), *RIVER, River("kswin"), *TRIVIAL)
    if data is not None and (data / "electricity.csv.gz").is_file():
        for stream in electricity.corpus(data / "electricity.csv.gz"):
            yield Job("electricity", stream.kind, stream, systems)
    if data is not None and (data / "nab").is_dir():
        for file in nab.corpus(data / "nab"):
            yield Job("nab", file.file.partition("/")[0], file, systems)


PARTS = ("real", "null", "change", "traffic", "fault", "equal", "apart", "fast")


def jobs(part: str, size: Size, data: Path | None) -> Sequence[Job]:
    """The jobs of one part, all but those of `equal`, which depend on what others found."""
    made: dict[str, Callable[[], Iterable[Job]]] = {
        "null": lambda: nulls(size),
        "fast": lambda: fast_nulls(size),
        "change": lambda: changes(size),
        "traffic": lambda: traffic(size),
        "fault": lambda: faults(size),
        "apart": lambda: apart(size),
        "real": lambda: real(data),
    }
    return list(made[part]())
