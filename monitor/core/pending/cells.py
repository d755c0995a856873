"""Values in 8 bytes: a finite number is its own float64, anything else a code in the space of NaN.

Codes name values of a dictionary that each block of rows has for itself, so a dictionary goes with its rows.
Missing and null are one; lists, objects and texts beyond `LONGEST` characters are not kept.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from monitor.core.events import MISSING

Cells = npt.NDArray[np.uint64]
LONGEST = 4096
_BOX = 0xFFF8_0000_0000_0000
_CODE = (1 << 32) - 1
_EXACT = 2.0**53  # whole numbers up to here are exact as float64
NOTHING = np.uint64(_BOX)  # the cell of a value that is missing, whatever the block
_FIXED: tuple[Any, ...] = (MISSING, True, False, math.nan, math.inf, -math.inf)


class Dictionary:
    """The values of one block that are no plain numbers. `size` estimates their bytes, the same on every machine."""

    def __init__(self, values: Sequence[str | int] = ()) -> None:
        self.table: list[Any] = list(_FIXED)  # code -> value
        self.size = 0
        self.folded = 0  # values that were not kept
        self._codes: dict[str | int, int] = {}
        for value in values:
            self._code(value)

    def encode(self, values: Sequence[Any]) -> Cells:
        """Cells of a column's values."""
        kinds = set(map(type, values))
        if kinds == {str}:
            return self._texts(values)
        if kinds <= {float, int}:
            try:
                numbers = np.array(values, dtype=np.float64)
            except OverflowError:
                return self._boxed(values)
            if (np.abs(numbers) <= _EXACT).all():
                return (numbers + 0.0).view(np.uint64)
        return self._boxed(values)

    def values(self) -> list[str | int]:
        """What to make it from again."""
        return self.table[len(_FIXED) :]

    def _texts(self, values: Sequence[str]) -> Cells:
        codes = list(map(self._codes.get, values))
        if None in codes:
            codes = [self._text(value) for value in values]
        return np.array(codes, dtype=np.uint64) | np.uint64(_BOX)

    def _text(self, value: str) -> int:
        return self._code(value) if len(value) <= LONGEST else self._fold()

    def _boxed(self, values: Sequence[Any]) -> Cells:
        return np.array([self._cell(value) for value in values], dtype=np.uint64)

    def _cell(self, value: Any) -> int:
        if isinstance(value, str):
            return _BOX | self._text(value)
        if isinstance(value, bool):
            return _BOX | (1 if value else 2)
        if isinstance(value, float | int):
            return self._number(value)
        return _BOX | (0 if value is None or value is MISSING else self._fold())

    def _number(self, value: float | int) -> int:
        if isinstance(value, int) and abs(value) > _EXACT:
            return _BOX | (self._code(value) if value.bit_length() <= 1023 else 4 if value > 0 else 5)
        if not math.isfinite(value):
            return _BOX | (3 if math.isnan(value) else 4 if value > 0 else 5)
        return int(np.float64(value).view(np.uint64))

    def _code(self, value: str | int) -> int:
        code = self._codes.get(value)
        if code is None:
            code = self._codes[value] = len(self.table)
            self.table.append(value)
            self.size += 100 + 2 * (len(value) if isinstance(value, str) else 64)
        return code

    def _fold(self) -> int:
        self.folded += 1
        return 0


def boxed(cells: Cells) -> tuple[list[int], list[int]]:
    """Which cells are no plain numbers, and their codes in the table of their block's dictionary."""
    which = np.flatnonzero((cells & np.uint64(_BOX)) == np.uint64(_BOX))
    return which.tolist(), (cells[which] & np.uint64(_CODE)).tolist()
