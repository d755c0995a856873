"""What a column did around a moment, read back from the spool for the chart on an incident's page."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from monitor.core.events import OK, Floats
from monitor.formats.decode import to_batches
from monitor.spool import Record, Spool

LOOKS = 24  # records read on each side of the moment
SPREAD = 20_000  # lines on each side they are spread over


@dataclass(frozen=True, slots=True)
class Signal:
    """Values of one column of one model, in order, with the producer's times; `moment` splits before from after."""

    at: Floats
    values: Floats
    moment: float
    before: Floats
    after: Floats
    shares: tuple[tuple[str, float, float], ...] = ()  # of a category column: value, share before, share after


def read_signal(spool: Spool, partition: int, model: str, column: str, opened_at: float) -> Signal | None:
    """The column around `opened_at` (daemon time), or None when nothing of it is left in the spool.

    Bounded: at most 2 x `LOOKS` records are read, evenly spread over `SPREAD` lines on each side.
    """
    pivot = _offset_at(spool, partition, opened_at)
    records = _around(spool, partition, pivot)
    at: list[float] = []
    raw: list[object] = []
    numbers: list[float] = []
    late: list[bool] = []
    for batch in to_batches([record for record in records if record.kind == "events"]):
        if batch.model != model or column not in batch.columns:
            continue
        values, codes = batch.numbers(column)
        at += batch.at.tolist()
        late += (batch.offsets >= pivot).tolist()
        numbers += np.where(codes == OK, values, np.nan).tolist()
        raw += batch.texts(column)
    if not at:
        return None
    return _signal(np.array(at), np.array(numbers), np.array(late), raw)


def _signal(at: Floats, numbers: Floats, late: np.ndarray[tuple[int], np.dtype[np.bool_]], raw: list[object]) -> Signal:
    moment = float(at[late][0]) if late.any() else float(at[-1])
    known = np.isfinite(numbers)
    if known.sum() * 2 >= len(numbers):
        return Signal(at[known], numbers[known], moment, numbers[known & ~late], numbers[known & late])
    before = Counter(str(v)[:60] for v, is_late in zip(raw, late, strict=True) if v is not None and not is_late)
    after = Counter(str(v)[:60] for v, is_late in zip(raw, late, strict=True) if v is not None and is_late)
    top = [value for value, _ in (before + after).most_common(8)]
    sums = max(1, before.total()), max(1, after.total())
    shares = tuple((value, before[value] / sums[0], after[value] / sums[1]) for value in top)
    empty = np.empty(0)
    return Signal(empty, empty, moment, empty, empty, shares)


def _offset_at(spool: Spool, partition: int, at: float) -> int:
    """The start of the first record written at or after a time, by bisection over offsets."""
    low, high = spool.oldest_replayable(partition).offset, spool.end(partition)
    while low < high:
        place = spool.holding(partition, (low + high) // 2)
        if place is None or place.recorded_at >= at:
            high = (low + high) // 2 if place is None else min(place.first, (low + high) // 2)
        else:
            low = max(place.end, low + 1)
    return low


def _around(spool: Spool, partition: int, pivot: int) -> list[Record]:
    """Records spread evenly over `SPREAD` lines before and after a record boundary."""
    first = max(spool.oldest_replayable(partition).offset, pivot - SPREAD)
    last = min(spool.end(partition), pivot + SPREAD)
    offsets = (*np.linspace(first, pivot - 1, LOOKS), *np.linspace(pivot, last - 1, LOOKS))
    places = (spool.holding(partition, int(offset)) for offset in offsets if first <= offset < last)
    starts = sorted({place.first for place in places if place is not None})
    return [record for start in starts for record in spool.read(partition, start, 1)[:1]]
