"""What one piece of the evaluation is, and how much there is of everything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

from bench.quality.stream import Stream
from bench.quality.streams.drawn import Drawn
from bench.quality.systems.base import System

SLOW, FAST = 2016.0, 200_000.0
# What a value costs, in that of the cheap systems: for the estimate of what remains only.
COSTS = {"overloop: ": 30.0, "overloop": 10.0, "river-kswin": 25.0, "river-halfspacetrees": 25.0, "frouros": 250.0,
         "alibi": 250.0, "evidently": 150.0}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Job:
    """A stream with its systems; `part` and `group` say which table and which line of it the rows belong to."""

    part: str
    group: str
    stream: Stream
    systems: tuple[System, ...]

    @property
    def work(self) -> float:
        """About how much time it takes, in units of its own."""
        if not isinstance(self.stream, Drawn):
            return 25_000.0
        columns = 20 if self.stream.family.startswith("twenty") else 1
        each = sum(next((cost for name, cost in COSTS.items() if s.name.startswith(name)), 1.0) for s in self.systems)
        return columns * self.stream.rate * (2 + self.stream.weeks) * each


@dataclass(frozen=True, slots=True)
class Size:
    """How much of everything."""

    nulls: int = 50  # streams a family, of 10 weeks each
    fast: int = 50  # the same at 200,000 a week
    exact: int = 10  # those that the product sees with a tolerance of 0
    rivals: int = 10  # those that competitors see
    dear: int = 4  # those that the dear competitors see
    rivals_fast: int = 3
    changes: int = 200  # streams a kind of change
    wide_changes: int = 40  # the same of twenty columns
    rival_changes: int = 40
    dear_changes: int = 10
    sweep: int = 20  # streams a family and kind of change for each setting; the dear ones see fewer
    ablation: int = 10  # streams a family and kind of change
    apart: int = 5  # streams for libraries in environments of their own
    faults: int = 10  # years of everything that must not page

    def scaled(self, by: float) -> Size:
        """At least two of each."""
        names = [field.name for field in fields(self)]
        return replace(self, **{name: max(2, round(getattr(self, name) * by)) for name in names})


def only(todo: Sequence[Job], name: str, others: bool = False) -> list[Job]:
    """The same jobs for the systems whose name begins with `name`, or for all the others."""
    less = [replace(job, systems=tuple(s for s in job.systems if s.name.startswith(name) != others)) for job in todo]
    return [job for job in less if job.systems]
