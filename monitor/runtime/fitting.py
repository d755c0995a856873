"""Fitting references to data that somebody has: a file of training data, or traffic of the past."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from monitor.core.columns import KINDS, Columns, Kind
from monitor.core.detectors.budget.fit import Fitter
from monitor.core.detectors.build import page_budget, takes_references
from monitor.core.references import Fitted
from monitor.core.rules.model import Book, Detect, Rule
from monitor.runtime.recorded import Unusable, batches_of
from monitor.spool import Record

AT_ONCE = 20_000  # lines made into columns together


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it, by rule. `events` counts those of the model; times are of the first and the last, in seconds."""

    fitted: Mapping[str, Fitted]
    events: int
    first: float
    last: float

    @property
    def watched(self) -> int:
        """How many series can be watched by it."""
        return sum(s.armed is not None for one in self.fitted.values() for s in one.series)


def fit(
    book: Book,
    model: str,
    records: Iterable[Record],
    kinds: Mapping[str, str],
    rule: str | None = None,
    version: str | None = None,
    progress: Callable[[int], None] = lambda events: None,
) -> Outcome:
    """Fit the rules of a model that are under the page budget, or the one of that key. Raises Unusable.

    `kinds` is what columns are known to be; the others are learned from the data, as they are live.
    """
    fitters = _fitters(book, model, kinds, rule, version)
    events, first, last = 0, float("inf"), float("-inf")
    for part in _together(records):
        for batch in batches_of(part, model):
            for fitter in fitters.values():
                fitter.feed_batch(batch)
            if not batch.truth:
                events += batch.n
                first, last = min(first, float(batch.recorded_at[0])), max(last, float(batch.recorded_at[-1]))
        progress(events)
    if not events:
        raise Unusable(f"There is no event of the model {model} in it: look at the name of the model.")
    return Outcome({key: fitter.result() for key, fitter in fitters.items()}, events, first, last)


def fittable(book: Book, model: str) -> list[Rule]:
    """The rules of a model that a reference can be given to."""
    rules = [rule for _, rule in book.rules_for(model)]
    return [rule for rule in rules if isinstance(rule.form, Detect) and takes_references(rule.form)]


def _fitters(
    book: Book, model: str, kinds: Mapping[str, str], rule: str | None, version: str | None
) -> dict[str, Fitter]:
    rules = [r for _, r in book.rules_for(model)]
    wanted = [r for r in fittable(book, model) if rule in (None, r.key)]
    if not wanted:
        raise Unusable(_why_none(rules, model, rule))
    pages = book.options_for(model).false_pages
    return {
        r.key: Fitter(r, model, _columns(book, model, kinds), page_budget(r, rules, pages), version) for r in wanted
    }


def _why_none(rules: list[Rule], model: str, rule: str | None) -> str:
    """Why there is no rule that a reference can be given to."""
    takes = "references are given to `shift` rules under the page budget that name no detector"
    if rule is not None and any(r.key == rule for r in rules):
        return f"The rule {rule} learns by itself: {takes}."
    which = f"No rule of {model} takes a reference" if rule is None else f"No rule {rule} watches {model}"
    return f"{which}: {takes}; `overloop rules explain` shows what watches it."


def _columns(book: Book, model: str, kinds: Mapping[str, str]) -> Columns:
    columns = Columns({path: s for pack, _ in book.rules_for(model) for path, s in pack.columns.items()})
    known: dict[str, Kind] = {kind: kind for kind in KINDS}
    for path, kind in kinds.items():
        if kind in known:
            columns.fix(path, known[kind])
    return columns


def _together(records: Iterable[Record]) -> Iterator[list[Record]]:
    part: list[Record] = []
    lines = 0
    for record in records:
        part.append(record)
        lines += record.count
        if lines >= AT_ONCE:
            yield part
            part, lines = [], 0
    if part:
        yield part
