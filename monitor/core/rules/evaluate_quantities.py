"""What a rule measures: how it is read from a batch, in which window it is kept, and what the window then says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, cast

import numpy as np
import numpy.typing as npt

from monitor.core.events import Batch, Bools, Floats, Ints
from monitor.core.findings import UNKNOWN
from monitor.core.rules.aggregates import Aggregate, parse_aggregate
from monitor.core.rules.expressions import Condition, compile_condition
from monitor.core.rules.model import Windowed
from monitor.core.windows.distinct import Distinct
from monitor.core.windows.hashing import hashes
from monitor.core.windows.quantiles import Quantile
from monitor.core.windows.totals import Extreme, Moments, Yes
from monitor.core.windows.window import Window

Values = tuple[npt.NDArray[Any], Bools]  # a value for each row, and whether it is known
EXTENSIVE = ("count", "rate", "sum", "distinct")  # grow with the number of events: an empty window means 0


@dataclass(frozen=True, slots=True)
class Quantity:
    """`function` is count, rate, share, or an aggregate of `core.rules.aggregates`."""

    function: str
    columns: tuple[str, ...]
    values: Callable[[Batch], Values]
    window: Callable[[float, int], Window]  # over, periods

    @property
    def extensive(self) -> bool:
        return self.function in EXTENSIVE

    def read(self, window: Window, columns: Bools, seconds: float, size: int) -> tuple[Floats, Ints, Ints]:
        """Value, known and unknown rows of each of `size` segments over columns of the ring that span `seconds`."""
        n, unknown = window.counts(columns, size)
        value = window.value(columns, size)
        if self.function == "share":
            value = np.where(n > 0, value / np.maximum(n, 1), np.nan)
        elif self.function == "rate":
            value = value / seconds
        elif self.function == "sum":
            value = np.where(n > 0, value, 0.0)
        return value, n, unknown


def quantity_of(form: Windowed) -> Quantity:
    """What a form measures. Raises ExpressionError if `of` is not what its kind wants."""
    if form.kind in ("measure", "compare"):
        return _of_aggregate(parse_aggregate(form.of))
    return _of_condition("count" if form.kind == "count" else "share", compile_condition(form.of))


def _of_aggregate(aggregate: Aggregate) -> Quantity:
    function, columns = aggregate.function, aggregate.columns
    if aggregate.condition is not None:
        return _of_condition(function, aggregate.condition)
    if aggregate.column is not None:
        path = aggregate.column
        return Quantity(function, columns, lambda batch: _texts(batch, path), Distinct)
    if aggregate.argument is None:
        return Quantity(function, columns, _every_row, Yes)
    argument, make = aggregate.argument, _numeric_window(function, aggregate.quantile)
    return Quantity(function, columns, argument.evaluate, make)


def _of_condition(function: str, condition: Condition) -> Quantity:
    return Quantity(function, condition.columns, lambda batch: _answers(batch, condition), Yes)


def _numeric_window(function: str, quantile: float | None) -> Callable[[float, int], Window]:
    if quantile is not None:
        return lambda over, periods: Quantile(over, quantile, periods)
    if function in ("min", "max"):
        return lambda over, periods: Extreme(over, cast(Literal["min", "max"], function), periods)
    return lambda over, periods: Moments(over, cast(Literal["sum", "mean", "stddev"], function), periods)


def _answers(batch: Batch, condition: Condition) -> Values:
    answers = condition.evaluate(batch)
    return answers, answers != UNKNOWN


def _texts(batch: Batch, path: str) -> Values:
    return batch.derived("hash64", path, lambda: hashes(batch.texts(path))), batch.present(path)


def _every_row(batch: Batch) -> Values:
    return np.ones(batch.n, dtype=np.int64), np.ones(batch.n, dtype=bool)
