"""The electricity market of New South Wales (Elec2) with drift put into it at a known time.

The series drifts by itself, so what is said before the change is also what a real null costs. The file is not part of
the project: say where it is.
"""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from bench.quality.stream import DAY, WEEK, Truth, cut
from monitor.core.events import Batch, Bools, Floats, Ints

INPUTS = ("nswprice", "nswdemand", "vicprice", "vicdemand", "transfer")
KINDS = ("none", "permutation", "filtering", "class-prior", "label-swap")
BEGIN = 831_427_200.0  # 1996-05-07
STEP = 1800.0
FIRST = 17_760  # before it Victoria's columns are constant
REFERENCE, CALM, AFTER = 1344, 600, 336  # rows: 28, 12.5 and 7 days; calm is no whole number of weeks
APART = 672  # rows between starts


@dataclass(frozen=True, slots=True)
class Electricity:
    """28 days of reference, 12.5 days as they were, then 7 days with the drift; `start` is a row.

    permutation: the columns of the two states are exchanged. filtering: only half-hours of high demand arrive.
    class-prior: four in five of the half-hours whose price fell are lost. label-swap: the labels turn round; it cannot
    be seen in inputs, so the stream is the errors of a linear classifier fitted on the 28 days before.
    """

    path: str
    kind: str
    start: int

    @property
    def name(self) -> str:
        return f"electricity/{self.kind}#{self.start}"

    @property
    def truth(self) -> Truth:
        until = BEGIN + STEP * (self.start + REFERENCE)
        change = until + STEP * CALM
        return Truth(until, self.kind == "none", () if self.kind == "none" else (change,), WEEK, DAY)

    def batches(self) -> Iterator[Batch]:
        inputs, up = read(self.path)
        rows = np.arange(self.start, self.start + REFERENCE + CALM + AFTER)
        after = np.arange(len(rows)) >= REFERENCE + CALM
        values = inputs[:, rows].copy()
        kept = np.ones(len(rows), bool)
        if self.kind == "permutation":
            values[:, after] = values[[2, 3, 0, 1, 4]][:, after]
        elif self.kind == "filtering":
            kept = ~after | (values[1] > np.median(values[1, :REFERENCE]))
        elif self.kind == "class-prior":
            kept = ~after | up[rows] | (np.random.default_rng(self.start).random(len(rows)) < 0.2)
        columns = {f"inputs.{name}": values[i, kept] for i, name in enumerate(INPUTS)}
        if self.kind == "label-swap":
            columns = {"inputs.error": self._errors(inputs, up, rows, after)}
        at: Floats = BEGIN + STEP * rows[kept].astype(np.float64)
        return cut("electricity", at, columns)

    def _errors(self, inputs: Floats, up: Bools, rows: Ints, after: Bools) -> Floats:
        fitted = np.arange(self.start - REFERENCE, self.start)
        weights, *_ = np.linalg.lstsq(_design(inputs[:, fitted]), np.where(up[fitted], 1.0, -1.0), rcond=None)
        wrong = (_design(inputs[:, rows]) @ weights > 0) != (up[rows] ^ after)
        return np.where(wrong, 1.0, 0.0)


def _design(inputs: Floats) -> Floats:
    return np.array([*inputs, np.ones(inputs.shape[1])], dtype=np.float64).T


def corpus(path: Path) -> list[Electricity]:
    """Every kind of drift at starts two weeks apart."""
    rows = len(read(str(path))[1])
    starts = range(FIRST, rows - REFERENCE - CALM - AFTER, APART)
    return [Electricity(str(path), kind, start) for kind in KINDS for start in starts]


@lru_cache(maxsize=1)
def read(path: str) -> tuple[Floats, Bools]:
    """The inputs, one row a column, and whether the price went up."""
    with gzip.open(path, "rt", newline="") as lines:
        table = list(csv.DictReader(lines))
    inputs = np.array([[float(row[name]) for row in table] for name in INPUTS])
    return inputs, np.array([row["class"] == "UP" for row in table])
