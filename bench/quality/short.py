"""The form of the evaluation that runs with every change: fixed seeds, a few minutes, and limits that must hold."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bench.quality.jobs import SLOW, Job
from bench.quality.results import Result, Table
from bench.quality.streams.drawn import Drawn, changed
from bench.quality.systems.base import System

FAMILIES = (
    "iid",
    "ar-0.9",
    "season-ar-0.7",
    "daily-weekly",
    "student-3",
    "bernoulli-0.05",
    "day-effects",
    "twenty-0.7",
)
STREAMS, WIDE, WEEKS, BUDGET = 5, 2, 8.0, 1.0
POOLED, SLOWEST = 0.5, 12.0  # of the budget, all families together; values, the median, to a shift of 2 sd


def jobs(system: System) -> Iterator[Job]:
    """Nulls of eight families and one change that nobody may miss."""
    for family in FAMILIES:
        for seed in range(WIDE if family.startswith("twenty") else STREAMS):
            yield Job("null", family, Drawn(family, 500 + seed, SLOW, WEEKS), (system,))
    for seed in range(2 * STREAMS):
        yield Job("change", "shift-2sd", changed("shift-2sd", 500 + seed, weeks=0.5), (system,))


def broken(results: Sequence[Result]) -> list[str]:
    """What does not hold, as sentences. A family breaks the budget when even the lower limit of its rate (exact, 95 %)
    is above it; all together when their rate is."""
    nulls, changes = Table(results, "null"), Table(results, "change")
    said = []
    for family in nulls.groups:
        rate, (refused, of) = nulls.false(family, "overloop"), nulls.refused(family, "overloop")
        if rate is not None and rate.low > BUDGET:
            said.append(
                f"{family}: {rate.value:.2f} pages a week [{rate.low:.2f}, {rate.high:.2f}], budget {BUDGET:g}."
            )
        if refused > 0.2 * of:
            said.append(f"{family}: {refused} of {of} streams were refused, at most one in five may be.")
    watched = [r for r in results if r.part == "null" and r.watched]
    weeks = sum(r.weeks for r in watched)
    pooled = sum(r.false_pages for r in watched) / weeks if weeks else float("inf")
    if pooled > POOLED * BUDGET:
        said.append(
            f"All families together: {pooled:.2f} pages a week over {weeks:.0f} stream-weeks, at most "
            f"{POOLED * BUDGET:g} are to be expected."
        )
    delay = changes.delay("shift-2sd", "overloop")
    if delay is None or delay.missed > 0.1 or delay.median > SLOWEST:
        said.append(f"A shift of two standard deviations is not found as it should be: {delay}.")
    return said
