"""The step: what the pump commits at once. `observe` is the only function that changes the bank."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from monitor.core.bank import Bank
from monitor.core.columns import KINDS
from monitor.core.events import Batch
from monitor.core.findings import Observation
from monitor.core.rules.model import Book
from monitor.core.watcher import Mark


@dataclass(frozen=True, slots=True)
class Step:
    """Records `first <= offset < end` of a partition, and marks. Recorded, so that it can be run again.

    `book` is the digest of the rule book in force after the marks.
    """

    partition: int
    seq: int
    epoch: int
    first: int
    end: int
    at: float
    book: str
    marks: tuple[Mark, ...] = ()


def observe(bank: Bank, step: Step, batches: Iterable[Batch], books: Callable[[str], Book]) -> Observation:
    """Run one step over the bank. Depends on the step and its records, and on nothing else.

    `books` resolves a digest. Marks come first, then events in the order given, then the levels of every model that
    was touched (of all models when the step holds a tick). A model that has seen the step already (restored from
    a later snapshot than others) is left alone. Findings are ordered by batch, then rule, then row;
    detectors that failed come last.
    """
    found = Observation()
    touched: dict[str, None] = {}
    for mark in step.marks:
        _apply(bank, step, mark, books, touched)
    skipped = {o for mark in step.marks if mark.kind == "quarantine" and mark.body for o in mark.body["offsets"]}
    for batch in batches:
        kept = _without(batch, skipped)
        part = bank.part(batch.model, step.at)
        if kept.n == 0 or part is None or part.seq >= step.seq:
            continue
        touched[batch.model] = None
        found.findings += part.observe(kept)
    for name in sorted(touched):
        part = bank.models[name]
        if part.seq < step.seq:
            found.levels += part.assess(step.at)
            found.findings += part.failures()
            found.clocks[name] = part.rule_time(step.at)
            part.seq = step.seq
    bank.at, bank.seq = step.at, step.seq
    return found


def _apply(bank: Bank, step: Step, mark: Mark, books: Callable[[str], Book], touched: dict[str, None]) -> None:
    if mark.kind == "book":
        bank.adopt(books(step.book), step.at, step.seq)
    elif mark.kind == "retire" and mark.model is not None:
        bank.retire(mark.model)
        touched.pop(mark.model, None)
    elif mark.kind == "tick":
        touched.update(dict.fromkeys(bank.models))
    elif mark.kind == "quarantine":
        pass  # says which offsets this step leaves out; see `observe`
    else:
        for name in [mark.model] if mark.model is not None else list(bank.models):
            part = bank.models.get(name)
            if part is not None and part.seq < step.seq:
                part.apply(mark)
                touched[name] = None


def _without(batch: Batch, offsets: set[int]) -> Batch:
    if not offsets:
        return batch
    return batch.take([i for i, offset in enumerate(batch.offsets.tolist()) if offset not in offsets])


def mark_to_json(mark: Mark) -> dict[str, Any]:
    """A mark as the ledger stores it."""
    names = ("kind", "at", "model", "rule", "segment", "body")
    return {name: getattr(mark, name) for name in names if getattr(mark, name) not in (None, "")}


def mark_from_json(stored: dict[str, Any]) -> Mark:
    """The mark that `mark_to_json` was given. Raises ValueError for one that cannot be a mark."""
    mark = Mark(**stored)
    if mark.kind == "kinds" and (mark.body is None or mark.body.get("kind") not in KINDS):
        raise ValueError(f"mark {stored!r} names no kind of column")
    return mark
