"""Streams through systems: each stream is made once, in one process, and fed to all systems batch by batch."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from itertools import islice
from typing import TypeVar

from bench.quality.score import Row, Tally, score
from bench.quality.stream import Setting, Stream
from bench.quality.systems.base import System

Key = TypeVar("Key")
Found = list[Row] | str  # the rows of a stream, or what is wrong with it


def run_stream(stream: Stream, systems: Sequence[System]) -> list[Row]:
    """One row a system, in their order. Raises ValueError if the stream cannot be read."""
    truth = stream.truth
    setting = Setting(truth.reference_until, truth.season)
    runs = [(system.name, system.start(setting)) for system in systems]
    tally = Tally(truth)
    for batch in stream.batches():
        for _, run in runs:
            run.feed(batch)
        tally.add(batch.recorded_at)
    if tally.last < truth.reference_until:
        raise ValueError("Its last event lies before reference_until: nothing is left to watch.")
    if truth.changes and tally.last < truth.changes[-1]:
        raise ValueError("Its last event lies before its last change: nothing is there to be found.")
    return [score(stream.name, name, truth, tally, run.finish()) for name, run in runs]


def _guarded(key: Key, stream: Stream, systems: Sequence[System]) -> tuple[Key, Found]:
    try:
        return key, run_stream(stream, systems)
    except ValueError as problem:
        return key, str(problem)
    except Exception as problem:  # hours of other streams are not lost to one of them
        return key, f"{type(problem).__name__}: {problem}."


def run_all(work: Iterable[tuple[Key, Stream, Sequence[System]]], jobs: int) -> Iterator[tuple[Key, Found]]:
    """Results in the order in which they are finished, each with the key it came with."""
    if jobs <= 1:
        for key, stream, systems in work:
            yield _guarded(key, stream, systems)
        return
    pending = iter(work)
    with ProcessPoolExecutor(jobs) as pool:
        running: set[Future[tuple[Key, Found]]] = set()
        while True:
            for key, stream, systems in islice(pending, 2 * jobs - len(running)):
                running.add(pool.submit(_guarded, key, stream, systems))
            if not running:
                return
            finished, running = wait(running, return_when=FIRST_COMPLETED)
            for future in finished:
                yield future.result()


def cores() -> int:
    """How many processes this one may keep busy."""
    return len(os.sched_getaffinity(0))
