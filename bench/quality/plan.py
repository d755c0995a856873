"""What the evaluation runs: which streams, which systems, how many of each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from bench.quality.calibrate import LENGTH, equal, equal_apart
from bench.quality.jobs import FAST, SLOW, Job, Size
from bench.quality.stream import Stream
from bench.quality.streams import electricity, nab
from bench.quality.streams.drawn import CHANGES, FAMILIES, Drawn, changed
from bench.quality.streams.faults import FAULTS, Fault, Traffic
from bench.quality.systems.ablation import STEPS, Ablation
from bench.quality.systems.base import System
from bench.quality.systems.external import EXTERNAL, External
from bench.quality.systems.overloop import Overloop
from bench.quality.systems.river import BINARY, River, Trees
from bench.quality.systems.trivial import AlwaysSilent, Periodic, ThreeSigma

BERNOULLI = ("bernoulli-0.01", "bernoulli-0.05")
EXACT = Overloop("overloop, tolerance 0", detect='{shift: "inputs.*", tolerance: 0}')
HARM = Overloop("overloop, harm", detect='{harm: "inputs.x0 == 1"}')
TRIVIAL: tuple[System, ...] = (AlwaysSilent(), Periodic(), ThreeSigma())
RIVER: tuple[System, ...] = (River("adwin"), River("pagehinkley"))
DEAR: tuple[System, ...] = (River("kswin"), Trees())  # a hundred times the cost of the others
LIBRARIES: tuple[System, ...] = tuple(External(name) for name in EXTERNAL)
APART = ("ar-0.9", "daily")  # families that libraries in other environments are run on at their defaults only
AIMED = ("shift-1sd", "shift-2sd", "one-of-twenty-1sd", "all-of-twenty-1sd")  # with figures at tolerance 0 to reach
ABLATED = (
    "shift-0.5sd",
    "shift-1sd",
    "shift-2sd",
    "variance-x2",
    "ar-0.9-shift-1sd",
    "season-ar-0.7-shift-1sd",
    "rate-.05-.20",
    "one-of-twenty-1sd",
    "all-of-twenty-1sd",
)
APART_EVERY = 8 * electricity.APART  # rows between starts of the electricity that they see


def binary(family: str) -> tuple[System, ...]:
    """River's detectors that take zeros and ones."""
    return tuple(River(method) for method in BINARY) if family in BERNOULLI else ()


def nulls(size: Size) -> Iterator[Job]:
    """Every family at both rates; River's binary detectors where the values are zeros and ones."""
    for family in FAMILIES:
        for seed in range(size.nulls):
            exact = (EXACT,) if seed < size.exact else ()
            dear = DEAR if seed < size.dear else ()
            rivals = (*RIVER, *dear, *binary(family), *TRIVIAL) if seed < size.rivals else ()
            harm = (HARM,) if family in BERNOULLI else ()
            yield Job("null", family, Drawn(family, seed, SLOW), (Overloop(), *exact, *harm, *rivals))


def fast_nulls(size: Size) -> Iterator[Job]:
    """The same at 200,000 values a week."""
    for family in FAMILIES:
        for seed in range(size.fast):
            seen = seed < (1 if family.startswith("twenty") else size.rivals_fast)
            yield Job(
                "fast", family, Drawn(family, seed, FAST), (Overloop(), *((*RIVER, ThreeSigma()) if seen else ()))
            )


def changes(size: Size) -> Iterator[Job]:
    """Every kind of change."""
    for kind, change in CHANGES.items():
        wide = change.family.startswith("twenty")
        for seed in range(size.wide_changes if wide else size.changes):
            exact = (EXACT,) if seed < 2 * size.exact or kind in AIMED else ()
            dear = DEAR if seed < (size.dear if wide else size.dear_changes) else ()
            rivals = (*RIVER, *dear, *binary(change.family), *TRIVIAL) if seed < size.rival_changes else ()
            harm = (HARM,) if change.family in BERNOULLI else ()
            yield Job("change", kind, changed(kind, seed), (Overloop(), *exact, *harm, *rivals))


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


def apart(size: Size, data: Path | None) -> Iterator[Job]:
    """Libraries in environments of their own, which take seconds a stream: two families (two more and the changes are
    in `equal-apart`), the Numenta files, and a few starts of electricity."""
    for family in APART:
        for seed in range(size.apart):
            yield Job("apart", family, Drawn(family, seed, SLOW, LENGTH), (Overloop(), *LIBRARIES))
    for job in real(data):
        if job.part == "nab" or _is_start(job.stream):
            yield Job(job.part, job.group, job.stream, LIBRARIES)


def _is_start(stream: Stream) -> bool:
    """Whether a stream of electricity is one of the few that libraries see."""
    return isinstance(stream, electricity.Electricity) and (stream.start - electricity.FIRST) % APART_EVERY == 0


def real(data: Path | None) -> Iterator[Job]:
    """Electricity with injected drift and the development part of NAB, if they are there."""
    systems: tuple[System, ...] = (Overloop(), *RIVER, River("kswin"), *TRIVIAL)
    if data is not None and (data / "electricity.csv.gz").is_file():
        for stream in electricity.corpus(data / "electricity.csv.gz"):
            yield Job("electricity", stream.kind, stream, systems)
    if data is not None and (data / "nab").is_dir():
        for file in nab.corpus(data / "nab"):
            yield Job("nab", file.file.partition("/")[0], file, systems)


def ablation(size: Size) -> Iterator[Job]:
    """The parts of the detector, one more a step. Of twenty columns half as many streams."""
    steps = tuple(Ablation(step) for step in range(len(STEPS)))
    for family in FAMILIES:
        for seed in range(size.ablation // (2 if family.startswith("twenty") else 1)):
            yield Job("ablation", family, Drawn(family, seed, SLOW), steps)
    for kind in ABLATED:
        for seed in range(size.ablation // 2 if "twenty" in kind else 2 * size.ablation):
            yield Job("ablation", kind, changed(kind, seed), steps)


# In the order in which they are run, each kept in a file of its own.
PARTS = ("real", "null", "change", "traffic", "fault", "ablation", "equal", "apart", "equal-apart", "fast")


def jobs(part: str, size: Size, data: Path | None) -> Sequence[Job]:
    """The jobs of one part."""
    made: dict[str, Callable[[], Iterable[Job]]] = {
        "null": lambda: nulls(size),
        "fast": lambda: fast_nulls(size),
        "change": lambda: changes(size),
        "traffic": lambda: traffic(size),
        "fault": lambda: faults(size),
        "ablation": lambda: ablation(size),
        "equal": lambda: equal(size),
        "apart": lambda: apart(size, data),
        "equal-apart": lambda: equal_apart(size),
        "real": lambda: real(data),
    }
    return list(made[part]())
