"""Events as columns: the unit that moves through the core.

A `Batch` holds events of one model, in spool order, as one Python list per dotted path. Typed arrays are made
once, when the first rule asks for them, and kept for the rest of the batch.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Codes = npt.NDArray[np.uint8]
Bools = npt.NDArray[np.bool_]
T = TypeVar("T")


class Missing:
    """The value of a column in an event that did not have it; JSON null counts as missing too."""

    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = Missing()

# Why a cell of a number column is what it is (`Batch.numbers`).
OK, ABSENT, NONFINITE, MISTYPED = 0, 1, 2, 3

# JSON has no word for these; producers write them as text, and so do we when a body held them bare.
NONFINITE_WORDS: Final = {
    "nan": float("nan"),
    "infinity": float("inf"),
    "-infinity": float("-inf"),
    "inf": float("inf"),
    "-inf": float("-inf"),
}


@dataclass(slots=True)
class Batch:
    """Events of one model as columns, in the order of their offsets.

    Every array and list has length `n`. Times are seconds since 1970 UTC. `at` is the producer's time, or
    `recorded_at` where the producer gave none. `truth` batches carry labels that came later: their columns are
    `truth.*` only and `ids` name the events they belong to.
    """

    model: str
    ids: list[str]
    at: Floats
    recorded_at: Floats
    offsets: Ints
    columns: dict[str, list[Any]]
    versions: list[str | None]
    truth: bool = False
    event_time: bool = False  # the source (a file, a replay) asks that `at` be the clock
    live: bool = True  # old events of a source that is not live open historical incidents only
    _cache: dict[tuple[str, str], Any] = field(default_factory=dict, repr=False)

    @property
    def n(self) -> int:
        return len(self.ids)

    def derived(self, what: str, path: str, make: Callable[[], T]) -> T:
        """Make a typed form of a column once per batch."""
        key = (what, path)
        if key not in self._cache:
            self._cache[key] = make()
        return self._cache[key]  # type: ignore[no-any-return]

    def raw(self, path: str) -> list[Any]:
        """The values as they came, `MISSING` where an event has none."""
        values = self.columns.get(path)
        return [MISSING] * self.n if values is None else values

    def numbers(self, path: str) -> tuple[Floats, Codes]:
        """Values as float64 (NaN unless the code is OK) and a code per cell: OK, ABSENT, NONFINITE, MISTYPED.

        Text that spells a number is MISTYPED: a column that starts to come as text is a finding, not a value.
        Booleans are numbers 0 and 1.
        """
        return self.derived("numbers", path, lambda: _numbers(self.raw(path)))

    def types(self, path: str) -> set[type]:
        """The types of the values as they came."""
        return self.derived("types", path, lambda: {*map(type, self.raw(path))})

    def texts(self, path: str) -> list[str | None]:
        """Values as text, None where missing; booleans as `true`/`false`, numbers in their shortest form. Do not write
        to it."""
        if self.types(path) == {str}:
            return self.raw(path)
        return self.derived("texts", path, lambda: [_text(value) for value in self.raw(path)])

    def present(self, path: str) -> Bools:
        """True where the event has a value (null is none)."""
        return self.derived("present", path, lambda: self._present(path))

    def _present(self, path: str) -> Bools:
        if self.types(path).isdisjoint((Missing, type(None))):
            return np.ones(self.n, dtype=bool)
        return np.fromiter((v is not MISSING and v is not None for v in self.raw(path)), bool, self.n)

    def distinct_versions(self) -> set[str | None]:
        return self.derived("distinct_versions", "", lambda: set(self.versions))

    def take(self, rows: Sequence[int] | Ints) -> Batch:
        """The same columns for some rows, in the order given."""
        index = np.asarray(rows, dtype=np.int64)
        picked = index.tolist()
        return Batch(
            model=self.model,
            ids=[self.ids[i] for i in picked],
            at=self.at[index],
            recorded_at=self.recorded_at[index],
            offsets=self.offsets[index],
            columns={path: [values[i] for i in picked] for path, values in self.columns.items()},
            versions=[self.versions[i] for i in picked],
            truth=self.truth,
            event_time=self.event_time,
            live=self.live,
        )


def _numbers(values: list[Any]) -> tuple[Floats, Codes]:
    found = _plain_numbers(values)
    if found is not None:
        return found
    array = np.empty(len(values), dtype=np.float64)
    codes = np.zeros(len(values), dtype=np.uint8)
    for i, value in enumerate(values):
        array[i], codes[i] = number(value)
    array[codes != OK] = np.nan
    return array, codes


def _plain_numbers(values: list[Any]) -> tuple[Floats, Codes] | None:
    """The fast way, for columns of nothing but floats, integers, booleans and what is missing."""
    absent = None
    try:
        try:
            array = _doubles(values)
        except struct.error:
            absent = np.fromiter((value is MISSING or value is None for value in values), bool, len(values))
            filled = [0.0 if gone else value for gone, value in zip(absent.tolist(), values, strict=True)]
            array = _doubles(filled)
    except struct.error:  # something else, or an integer beyond 1e308
        return None
    codes = np.zeros(len(array), dtype=np.uint8)
    finite = np.isfinite(array)
    if not finite.all():
        codes[~finite] = NONFINITE
        array[~finite] = np.nan
    if absent is not None:
        codes[absent] = ABSENT
        array[absent] = np.nan
    return array, codes


def _doubles(values: list[Any]) -> Floats:
    """Half the time that `array.array` takes. Raises struct.error for anything but a number that a double can hold."""
    return np.frombuffer(bytearray(struct.pack(f"{len(values)}d", *values)))


def number(value: Any) -> tuple[float, int]:
    """One value as (float, code). The float is meaningful only with code OK."""
    if value is None or value is MISSING:
        return np.nan, ABSENT
    if isinstance(value, bool | int | float):
        try:
            as_float = float(value)
        except OverflowError:
            return np.nan, NONFINITE
        return as_float, OK if np.isfinite(as_float) else NONFINITE
    if isinstance(value, str) and value.strip().lower() in NONFINITE_WORDS:
        return np.nan, NONFINITE
    return np.nan, MISTYPED


def _text(value: Any) -> str | None:
    if value is None or value is MISSING:
        return None
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return str(value)
