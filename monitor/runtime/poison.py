"""Finding the events that crash a step, by halves, on copies of the parts concerned."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from monitor.core.bank import Bank
from monitor.core.events import Batch
from monitor.core.rules.model import Book
from monitor.core.step import Step, observe


@dataclass(frozen=True, slots=True)
class Poisoned:
    """One event that cannot be observed."""

    offset: int
    model: str
    event_id: str
    reason: str


def find_poison(bank: Bank, step: Step, batches: list[Batch], books: Callable[[str], Book]) -> list[Poisoned]:
    """The events without which the step succeeds. The bank is left as it was.

    A batch that succeeds alone is innocent; one that fails is halved until single events fail. Events before a
    poisoned one are observed again on a fresh copy each time, so that its place in the stream stays the same.
    """
    found: list[Poisoned] = []
    for batch in batches:
        found += _search(bank, step, batch, books)
    return found


def _search(bank: Bank, step: Step, batch: Batch, books: Callable[[str], Book]) -> list[Poisoned]:
    reason = _fails(bank, step, batch, books)
    if reason is None:
        return []
    if batch.n == 1:
        return [Poisoned(int(batch.offsets[0]), batch.model, batch.ids[0], reason)]
    half = batch.n // 2
    return [
        poisoned
        for rows in (range(half), range(half, batch.n))
        for poisoned in _search(bank, step, batch.take(list(rows)), books)
    ]


def _fails(bank: Bank, step: Step, batch: Batch, books: Callable[[str], Book]) -> str | None:
    """Why observing this batch alone fails on a copy of its model's part, or None."""
    scratch = Bank(bank.partition, bank.book)
    if batch.model in bank.models:
        scratch.restore(bank.dump(batch.model), books)
    try:
        observe(scratch, Step(step.partition, step.seq, step.epoch, 0, 0, step.at, step.book), [batch], books)
    except Exception as problem:
        return f"{type(problem).__name__}: {problem}"[:500]
    return None
