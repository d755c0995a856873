"""Events that make a step fail: found by halving, set aside, the rest goes on."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace

from monitor.core.bank import Bank
from monitor.core.events import Batch
from monitor.core.rules.model import Book
from monitor.core.step import Step, observe
from monitor.core.watcher import Mark
from monitor.formats.decode import DecodeError, to_batches
from monitor.formats.typed import Shapes
from monitor.spool import Record

SINGLY = 64  # events of one step that are told apart; what fails beyond them is set aside in larger parts
PATIENCE = 10.0  # seconds of looking after which the same holds: a large model takes long to copy


@dataclass(frozen=True, slots=True)
class Poisoned:
    """One line that cannot be observed. Model and id are empty where the line cannot even be read."""

    offset: int
    model: str
    event_id: str
    reason: str
    truth: bool = False


def decode(
    records: Sequence[Record], skip: Collection[int] = (), shapes: Shapes | None = None
) -> tuple[list[Batch], list[Poisoned]]:
    """Records as batches, and the lines that cannot be read back; those at offsets `skip` are not worth a word."""
    try:
        return to_batches(records, shapes), []
    except DecodeError:
        kept: list[Record] = []
        found: list[Poisoned] = []
        for line in _lines_where_broken(records):
            reason = _unreadable(line)
            if reason is None:
                kept.append(line)
            elif line.first not in skip:
                found.append(Poisoned(line.first, "", "", reason, line.kind == "truth"))
        return to_batches(kept), found


def left_out(step: Step) -> set[int]:
    """The offsets that a recorded step left out."""
    return {o for mark in step.marks if mark.kind == "quarantine" and mark.body for o in mark.body["offsets"]}


def quarantining(step: Step, poisoned: Sequence[Poisoned]) -> Step:
    """The step, leaving these out."""
    if not poisoned:
        return step
    offsets = sorted(p.offset for p in poisoned)
    return replace(step, marks=(*step.marks, Mark("quarantine", step.at, body={"offsets": offsets})))


def find_poison(
    bank: Bank,
    step: Step,
    batches: Sequence[Batch],
    books: Callable[[str], Book],
    progress: Callable[[], None] = lambda: None,
    patience: float = PATIENCE,
) -> list[Poisoned]:
    """The events without which the step succeeds; none if they are not to blame. The bank is left as it was.

    `bank` is as of the step before. Each model is tried on a copy of its part, its events in their order, those
    found to be poisoned left out: what an event meets is what it would have met. `progress` is called for each try.
    """
    search = _Search(bank, step, books, progress, time.monotonic() + patience)
    return [poisoned for batch in batches for poisoned in search.within(batch)]


class _Search:
    def __init__(
        self, bank: Bank, step: Step, books: Callable[[str], Book], progress: Callable[[], None], until: float
    ) -> None:
        self.bank, self.step, self.books, self.progress, self.until = bank, step, books, progress, until
        self.plain = replace(step, marks=())
        self.states: dict[str, bytes | None] = {}
        self.singly = SINGLY

    def within(self, batch: Batch) -> list[Poisoned]:
        if batch.model not in self.states:
            known = batch.model in self.bank.models
            self.states[batch.model] = self.bank.dump(batch.model) if known else None
            reason = self._attempt(batch.model, self.step, [])
            if reason is not None:
                return []  # a mark fails, whatever comes after it
        reason = self._attempt(batch.model, self.plain, [batch])
        if reason is None:
            return []
        if batch.n == 1 or self.singly <= 0 or time.monotonic() > self.until:
            self.singly -= 1
            rows = zip(batch.offsets.tolist(), batch.ids, strict=True)
            return [Poisoned(offset, batch.model, id_, reason, batch.truth) for offset, id_ in rows]
        half = batch.n // 2
        parts = (batch.take(range(half)), batch.take(range(half, batch.n)))
        return [poisoned for part in parts for poisoned in self.within(part)]

    def _attempt(self, model: str, step: Step, batches: list[Batch]) -> str | None:
        """Why it fails on a copy of the model's part, or None; the copy is kept if it does not."""
        self.progress()
        scratch = Bank(step.partition, self.bank.book)
        state = self.states[model]
        try:
            if state is not None:
                scratch.restore(state, step.seq - 1, 0, self.books)
            observe(scratch, step, batches, self.books)
            self.states[model] = scratch.dump(model) if model in scratch.models else None
        except MemoryError:
            raise
        except Exception as problem:
            return f"{type(problem).__name__}: {problem}"[:500]
        return None


def _unreadable(line: Record) -> str | None:
    try:
        to_batches([line])
    except DecodeError as problem:
        return str(problem)[:500]
    return None


def _lines_where_broken(records: Sequence[Record]) -> Iterator[Record]:
    """The same lines: records that can be read as they are, the others line by line."""
    for record in records:
        if _unreadable(record) is None:
            yield record
            continue
        for i, line in enumerate(record.payload.split(b"\n")):
            yield replace(record, first=record.first + i, count=1, payload=line)
