"""Which number columns a rule looks at, and what a batch has of them."""

from __future__ import annotations

import numpy as np

from monitor.core.columns import Columns
from monitor.core.detectors.keyed_watcher import Part
from monitor.core.events import OK, Batch, Bools


def is_pattern(path: str) -> bool:
    return any(mark in path for mark in "*?[")


def number_parts(paths: tuple[str, ...], columns: Columns, batch: Batch) -> list[Part]:
    """The number columns of a batch that `paths` name, sorted, usable where the value is a finite number.

    Explicit paths count from the first event; columns that match a pattern from the event after the one at which
    they became known to be numbers.
    """
    explicit = [path for path in paths if not is_pattern(path)]
    patterns = [path for path in paths if is_pattern(path)]
    matching = columns.expand(patterns, ("number",)) if patterns else []
    parts = []
    for path in sorted({*explicit, *matching}):
        if path not in batch.columns:
            continue
        values, codes = batch.numbers(path)
        first = 0 if path in explicit else columns.first_row(path, batch)
        parts.append(Part(path, values, usable_from(batch, first, codes == OK)))
    return parts


def usable_from(batch: Batch, first_row: int, ok: Bools) -> Bools:
    """`ok`, from one row on."""
    return ok & (np.arange(batch.n) >= first_row) if first_row else ok


def not_numbers(paths: tuple[str, ...], columns: Columns) -> list[str]:
    """Columns named one by one that turned out to be no numbers: a rule on them sees nothing."""
    return [path for path in paths if not is_pattern(path) and columns.kind(path) not in (None, "number")]
