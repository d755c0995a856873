"""What a column, or a rule's condition, did around a moment: read back from the spool for the charts of an incident."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import compress
from typing import Final

import numpy as np

from monitor.core.events import OK, Batch, Bools, Floats
from monitor.core.findings import NO, YES
from monitor.core.rules.expressions import compile_condition, compile_number
from monitor.core.segments import Segments
from monitor.formats.decode import to_batches
from monitor.spool import Record, Spool

LOOKS: Final = 24  # records read on each side of the moment,
SPREAD: Final = 20_000  # spread evenly over so many lines,
BYTES: Final = 8 << 20  # and no more than so much of them
LINES, DECODED = 3000, 1 << 20  # lines, and bytes, of each side that are decoded
GROUPS: Final = 8  # values of a category, or segments, that are told apart


@dataclass(frozen=True, slots=True)
class Subject:
    """What is looked at: a `column`, a `number` made of columns, or how often a `condition` holds.

    `by` are the columns that make segments. Without a `segment` a condition with `by` is looked at by segment.
    """

    column: str = ""
    number: str = ""
    condition: str = ""
    by: tuple[str, ...] = ()
    segment: str = ""


@dataclass(frozen=True, slots=True)
class Side:
    """Events before the moment, or since. `values` are numbers, or 1 and 0 where a condition holds or not; `at` are
    their times; `labels` is what each event is counted under."""

    at: Floats
    values: Floats
    labels: tuple[str | None, ...]


@dataclass(frozen=True, slots=True)
class Signal:
    """Events before a moment and since, both in order. `groups` are there where numbers are not: of a category or a
    segment its name, its share before, and its share since (None: no event of it)."""

    before: Side
    after: Side
    groups: tuple[tuple[str, float | None, float | None], ...] = ()


Batches = tuple[list[Batch], list[Batch]]  # of one model: before a moment, and since


def read_around(spool: Spool, partition: int, model: str, moment: float) -> Batches:
    """Events of a model before and since `moment` (daemon time), as far as the spool still has them.

    Raises SpoolError. Bounded whatever the spool holds: some 50 records are read and 6,000 lines decoded.
    """
    pivot = _offset_at(spool, partition, moment)
    first = max(spool.oldest_replayable(partition).offset, pivot - SPREAD)
    last = min(spool.end(partition), pivot + SPREAD)
    earlier = np.linspace(pivot - 1, first, LOOKS) if first < pivot else np.empty(0)
    later = np.linspace(pivot, last - 1, LOOKS) if pivot < last else np.empty(0)
    return _decoded(spool, partition, model, earlier), _decoded(spool, partition, model, later)


def signal_of(batches: Batches, subject: Subject, seen: float | None = None) -> Signal | None:
    """What these events say of a subject; None if nothing.

    `seen`: when it was found, by the times of the events. These part what was recorded at once.
    """
    before, after = (_side(part, subject) for part in batches)
    if seen is not None and not (before.at.size and after.at.size):
        before, after = _parted(before if before.at.size else after, seen)
    known = sum(int(np.isfinite(side.values).sum()) for side in (before, after))
    if subject.condition and subject.by and not subject.segment:
        return Signal(before, after, _rates(before, after)) if known else None
    if known and (not subject.column or known * 2 >= before.values.size + after.values.size):
        return Signal(_known(before), _known(after))
    groups = _shares(before, after) if subject.column else ()
    return Signal(before, after, groups) if groups else None


def _parted(side: Side, seen: float) -> tuple[Side, Side]:
    """Events before a time of their own, and since; as they are if all lie on one side of it."""
    since = side.at >= seen
    before, after = (
        Side(side.at[mask], side.values[mask], tuple(compress(side.labels, mask))) for mask in (~since, since)
    )
    return before, after


def _known(side: Side) -> Side:
    good = np.isfinite(side.values)
    return replace(side, at=side.at[good], values=side.values[good])


def _shares(before: Side, after: Side) -> tuple[tuple[str, float | None, float | None], ...]:
    """How large a part of the events each value had."""
    counted = [Counter(label for label in side.labels if label is not None) for side in (before, after)]
    top = [value for value, _ in (counted[0] + counted[1]).most_common(GROUPS)]
    sums = [count.total() for count in counted]
    return tuple((v, *(c[v] / n if n else None for c, n in zip(counted, sums, strict=True))) for v in top)  # type: ignore[misc]


def _rates(before: Side, after: Side) -> tuple[tuple[str, float | None, float | None], ...]:
    """How often the condition held in each segment."""
    common = Counter(label for side in (before, after) for label in side.labels if label is not None)
    return tuple((name, _rate(before, name), _rate(after, name)) for name, _ in common.most_common(GROUPS))


def _rate(side: Side, name: str) -> float | None:
    mine = np.array([label == name for label in side.labels], dtype=bool) & np.isfinite(side.values)
    return float(side.values[mine].mean()) if mine.any() else None


# -- events into numbers ------------------------------------------------------------------------------------------


def _side(batches: list[Batch], subject: Subject) -> Side:
    at: list[Floats] = [np.empty(0)]
    values: list[Floats] = [np.empty(0)]
    labels: list[str | None] = []
    for batch in batches:
        rows = _rows(batch, subject)
        at.append(batch.at[rows])
        values.append(_values(batch, subject)[rows])
        labels += [label for label, row in zip(_labels(batch, subject), rows, strict=True) if row]
    return Side(np.concatenate(at), np.concatenate(values), tuple(labels))


def _rows(batch: Batch, subject: Subject) -> Bools:
    if not subject.segment:
        return np.ones(batch.n, dtype=bool)
    return np.array([name == subject.segment for name in _segments(batch, subject)], dtype=bool)


def _values(batch: Batch, subject: Subject) -> Floats:
    if subject.condition:
        codes = compile_condition(subject.condition).evaluate(batch)
        return np.select([codes == YES, codes == NO], [1.0, 0.0], np.nan)
    if subject.number:
        values, known = compile_number(subject.number).evaluate(batch)
        return np.where(known, values, np.nan)
    numbers, codes = batch.numbers(subject.column)
    return np.where(codes == OK, numbers, np.nan)


def _labels(batch: Batch, subject: Subject) -> list[str | None]:
    if subject.condition or subject.number:
        return list(_segments(batch, subject))
    return [None if text is None else text[:60] for text in batch.texts(subject.column)]


def _segments(batch: Batch, subject: Subject) -> list[str]:
    segments = Segments(subject.by)
    codes = segments.codes(batch)
    return [segments.names[code] for code in codes]


# -- out of the spool ---------------------------------------------------------------------------------------------


def _decoded(spool: Spool, partition: int, model: str, offsets: Floats) -> list[Batch]:
    records = list(_thinned(_records(spool, partition, offsets), model))
    return [batch for batch in to_batches(records) if batch.model == model]


def _offset_at(spool: Spool, partition: int, at: float) -> int:
    """The start of the first record written at or after a time, by bisection over offsets."""
    low, high = spool.oldest_replayable(partition).offset, spool.end(partition)
    while low < high:
        middle = (low + high) // 2
        place = spool.holding(partition, middle)
        if place is None or place.recorded_at >= at:
            high = middle if place is None else min(place.first, middle)
        else:
            low = max(place.end, low + 1)
    return low


def _records(spool: Spool, partition: int, offsets: Floats) -> list[Record]:
    """The records of events that hold these offsets, in order; they are read from the first offset on until enough."""
    found: dict[int, Record] = {}
    left = BYTES
    for offset in offsets:
        place = spool.holding(partition, int(offset))
        if place is None or place.first in found:
            continue
        for record in spool.read(partition, place.first, 1)[:1]:
            left -= len(record.payload)
            found[record.first] = record
        if left <= 0:
            break
    return [record for _, record in sorted(found.items()) if record.kind == "events"]


def _thinned(records: list[Record], model: str) -> Iterator[Record]:
    """Every so manieth line of a model, so that what is left can be decoded in no time."""
    name = model.encode()  # escaped in JSON in no line that a program wrote, if it is of plain letters
    plain = model.isascii() and not set(model) & set('"\\/')
    lines = [[x for x in r.payload.split(b"\n") if not plain or name in x] for r in records]
    count, size = sum(map(len, lines)), sum(len(x) for part in lines for x in part)
    stride = max(1, -(-count // LINES), -(-size // DECODED))
    for record, part in zip(records, lines, strict=True):
        kept = part[::stride]
        if kept:
            yield replace(record, count=len(kept), payload=b"\n".join(kept))
