"""What a system is to the harness."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Protocol

import numpy as np

from bench.quality.score import Alarm, Outcome
from bench.quality.stream import Setting
from monitor.core.columns import Columns
from monitor.core.events import OK, Batch, Floats, Ints


class Run(Protocol):
    """A system on one stream."""

    def feed(self, batch: Batch) -> None:
        """The next events of one model; their offsets are their places in the stream."""
        ...

    def finish(self) -> Outcome: ...


class System(Protocol):
    """A way to watch. `start` begins a stream; a system must survive pickling. Add one to the catalogue by name."""

    @property
    def name(self) -> str: ...

    def start(self, setting: Setting) -> Run: ...


class NumberColumns:
    """The number columns of a model's inputs, as the product itself infers them: everybody watches the same ones."""

    def __init__(self) -> None:
        self._columns: dict[str, Columns] = {}

    def series(self, batch: Batch) -> Iterator[tuple[str, Floats, Ints]]:
        """Column, its finite values and their rows."""
        known = self._columns.setdefault(batch.model, Columns())
        known.learn(batch)
        for path in batch.columns:
            if fnmatchcase(path, "inputs.*") and known.kind(path) == "number":
                values, codes = batch.numbers(path)
                rows = np.flatnonzero(codes == OK)
                yield path, values[rows], rows


def alarms_at(batch: Batch, rows: Ints) -> list[Alarm]:
    """Alarms at rows of a batch."""
    return [Alarm(float(batch.recorded_at[row]), int(batch.offsets[row]), batch.model) for row in rows.tolist()]
