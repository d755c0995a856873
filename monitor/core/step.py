"""The step: what the pump commits at once. `observe` is the only function that changes the bank."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from monitor.core.bank import Bank
from monitor.core.canary import is_canary
from monitor.core.columns import KINDS
from monitor.core.events import Batch
from monitor.core.findings import Evidence, Finding, Observation
from monitor.core.rules.model import Book
from monitor.core.watcher import Mark

BANK_FULL = "overloop/BankFull"  # names a finding that belongs to no rule, like the next
NO_ANOMALY = "overloop/AnomalyUnwatched"


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
    was touched (of all models when the step holds a tick). A model that has seen the step already (it was restored
    from a later snapshot than others) is left alone. Findings are ordered by batch, then rule, then row; detectors
    that failed come last, and the bank's own finding after them.
    """
    found, touched = Observation(), dict[str, None]()
    book = bank.book if step.book == bank.book.digest else books(step.book)
    for mark in step.marks:
        _apply(bank, step, mark, book, touched)
    refused = _events(bank, step, batches, book, touched, found)
    seen = min([step.at, *(mark.body["to"] for mark in step.marks if mark.kind == "behind" and mark.body)])
    for name in sorted(touched):
        part = bank.models[name]
        if part.as_of < step.seq:
            found.levels += part.assess(seen)
            found.findings += part.failures()
            found.learned += part.learned()
            found.clocks[name] = part.rule_time(seen)
    if refused is not None:
        found.findings.append(_bank_full(bank, step, refused))
    found.findings += _not_for_anomalies(bank, step)
    bank.passed(step.at, step.seq)
    return found


def _events(
    bank: Bank, step: Step, batches: Iterable[Batch], book: Book, touched: dict[str, None], found: Observation
) -> str | None:
    """Every batch to its model's part. Answers a model for which there was no room."""
    skipped = {o for mark in step.marks if mark.kind == "quarantine" and mark.body for o in mark.body["offsets"]}
    refused = None
    for batch in batches:
        if is_canary(batch.model):
            continue
        kept = bank.watched(_without(batch, skipped))
        if kept.n == 0:
            continue
        part = bank.part(batch.model, book, step.at, step.seq)
        if part is None:
            refused = batch.model if bank.owns(batch.model) and step.seq > bank.seq else refused
        elif part.as_of < step.seq:
            touched[batch.model] = None
            found.findings += part.observe(kept)
    return refused


def _apply(bank: Bank, step: Step, mark: Mark, book: Book, touched: dict[str, None]) -> None:
    if mark.kind == "book":
        bank.adopt(book, step.at, step.seq)
    elif mark.kind == "retire" and mark.model is not None:
        bank.retire(mark.model, mark.at if mark.body is None else mark.body["until"], step.seq)
        touched.pop(mark.model, None)
    elif mark.kind == "tick":
        bank.tick(step.at, step.seq)
        touched.update(dict.fromkeys(bank.models))
    elif mark.kind == "full" and mark.body is not None:
        bank.close(mark.body["full"], step.seq)
    elif mark.kind in ("quarantine", "behind"):
        pass  # they say which offsets are left out, and up to when all records were there
    else:
        if mark.kind == "reference" and mark.model is not None:
            bank.keep_waiting(mark, step.seq)
        for name in [mark.model] if mark.model is not None else list(bank.models):
            part = bank.models.get(name)
            if part is not None and part.as_of < step.seq:
                part.apply(mark)
                touched[name] = None


def _without(batch: Batch, offsets: set[int]) -> Batch:
    if not offsets:
        return batch
    return batch.take([i for i, offset in enumerate(batch.offsets.tolist()) if offset not in offsets])


def _bank_full(bank: Bank, step: Step, model: str) -> Finding:
    detail = (
        f"The bank of partition {bank.partition} has no room for more than the {len(bank.models):,} models it watches, "
        f"so {model} and other new models are not watched: retire models that are gone, or have rules tell fewer "
        "segments apart."
    )
    evidence = Evidence("", "", "not_watched", None, None, None, None, len(bank.models), step.at, detail)
    return Finding(BANK_FULL, model, None, evidence)


def _not_for_anomalies(bank: Bank, step: Step) -> list[Finding]:
    """One finding when models have come to do without anomaly and outlier rules."""
    gone = [m.model for m in step.marks if m.kind == "seat" and m.model is not None and not (m.body or {})["taken"]]
    if not gone or step.seq <= bank.seq:
        return []
    without = sum(bool(part.aside) for part in bank.models.values())
    detail = (
        f"Not watched: anomaly. {without:,} of the {len(bank.models):,} models of partition {bank.partition}, "
        f"{gone[0]} among them, do without anomaly and outlier rules, since busier models have the room for these; all "
        "their other rules go on. Retire models that are gone, or use more partitions."
    )
    evidence = Evidence("", "", "not_watched", None, None, None, None, without, step.at, detail)
    return [Finding(NO_ANOMALY, gone[0], None, evidence)]


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
