"""How far a long run is, on standard error: a bar on a terminal, else a line now and then."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from bench.quality.run import Found

Key = TypeVar("Key")
EVERY = 30.0  # seconds between lines


def with_progress(
    what: str, results: Iterable[tuple[Key, Found]], total: float, work: Callable[[Key], float] = lambda _: 1.0
) -> Iterator[tuple[Key, Found]]:
    """The same results. `work` is each one's part of `total`, for the estimate of what remains."""
    if sys.stderr.isatty():
        yield from _with_bar(what, results, total, work)
    else:
        yield from _with_lines(what, results, total, work)


def _with_bar(
    what: str, results: Iterable[tuple[Key, Found]], total: float, work: Callable[[Key], float]
) -> Iterator[tuple[Key, Found]]:
    times = (TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn(compact=True))
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), *times)
    with Progress(*columns, console=Console(stderr=True), speed_estimate_period=600) as bar:
        task = bar.add_task(what, total=total)
        for key, found in results:
            yield key, found
            bar.advance(task, work(key))


def _with_lines(
    what: str, results: Iterable[tuple[Key, Found]], total: float, work: Callable[[Key], float]
) -> Iterator[tuple[Key, Found]]:
    started = said = time.monotonic()
    done, count = 0.0, 0
    for key, found in results:
        yield key, found
        done, count, now = done + work(key), count + 1, time.monotonic()
        if now - said >= EVERY:
            said = now
            spent = now - started
            left = spent * (total / done - 1)
            told = f"{done / total:.0%}, {count} streams in {spent / 60:.1f} minutes, about {left / 60:.0f} more"
            print(f"{what}: {told}", file=sys.stderr, flush=True)
    if count:
        print(f"{what}: {count} streams in {(time.monotonic() - started) / 60:.1f} minutes", file=sys.stderr)
