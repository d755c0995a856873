"""Cells of a batch as arrays with masks, for expressions: a value, and whether it is known.

A cell is unknown where it is missing, where a number is not finite, and where text stands where a number is due or
the other way round. The last is *mistyped*: it is counted, because a column that changes its type is a finding.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from monitor.core.events import MISTYPED, NONFINITE, OK, Batch, Bools, Floats

Objects = npt.NDArray[np.object_]
Numbers = tuple[Floats, Bools]  # value (NaN where unknown), known
Texts = tuple[Objects, Bools]  # text ("" where unknown), known
Truths = tuple[Bools, Bools]  # certainly yes, certainly no; neither is unknown


class Frame:
    """One batch while one expression runs over it; gathers which cells were mistyped."""

    def __init__(self, batch: Batch) -> None:
        self.batch = batch
        self._mistyped: dict[str, Bools] = {}

    @property
    def n(self) -> int:
        return self.batch.n

    def mistyped(self) -> int:
        """How many cells were of the wrong type, each counted once."""
        return int(sum(mask.sum() for mask in self._mistyped.values()))

    def blame(self, path: str, rows: Bools) -> None:
        """Note cells of a column whose type does not fit."""
        if rows.any():
            self._mistyped[path] = rows | self._mistyped.get(path, False)

    def numbers(self, path: str) -> Numbers:
        """A column where numbers are due; booleans are 0 and 1."""
        values, codes = self.batch.numbers(path)
        self.blame(path, codes == MISTYPED)
        return values, codes == OK

    def texts(self, path: str) -> Texts:
        """A column where text is due; booleans are `true` and `false`."""
        values, known = self._texts(path)
        self.blame(path, ~known & self.batch.present(path))
        return values, known

    def same(self, left: str, right: str) -> Truths:
        """Whether two columns are equal, cell by cell: text with text, number with number."""
        (left_text, a), (right_text, b) = self._texts(left), self._texts(right)
        equal: Bools = np.asarray(left_text == right_text, dtype=bool)
        known, both = a & b, self.batch.present(left) & self.batch.present(right)
        if (both & ~known).any():  # telling numbers apart costs more, and most pairs of columns are labels
            (left_number, left_codes), (right_number, right_codes) = self.batch.numbers(left), self.batch.numbers(right)
            equal = np.where(known, equal, left_number == right_number)
            known = known | ((left_codes == OK) & (right_codes == OK))
            nonfinite = (left_codes == NONFINITE) | (right_codes == NONFINITE)
            self.blame(left, both & ~known & ~nonfinite)
        return equal & known, ~equal & known

    def flags(self, path: str) -> Truths:
        """A column where true or false is due: booleans, the words, and the numbers 1 and 0."""
        texts, known_text = self._texts(path)
        numbers, codes = self.batch.numbers(path)
        yes = (known_text & (texts == "true")) | ((codes == OK) & (numbers == 1.0))
        no = (known_text & (texts == "false")) | ((codes == OK) & (numbers == 0.0))
        self.blame(path, self.batch.present(path) & ~yes & ~no)
        return yes, no

    def lengths(self, path: str) -> Numbers:
        """Characters of a text, items of a list."""
        sizes = self._each("rule_lengths", path, _length)
        known = sizes >= 0.0
        self.blame(path, ~known & self.batch.present(path))
        return np.where(known, sizes, np.nan), known

    def _texts(self, path: str) -> Texts:
        values, plain = self.batch.raw(path), self.batch.types(path) == {str}
        return self.batch.derived("rule_texts", path, lambda: all_texts(values) if plain else as_texts(values))

    def _each(self, what: str, path: str, function: Callable[[Any], float]) -> Floats:
        raw = self.batch.raw(path)
        return self.batch.derived(what, path, lambda: np.fromiter(map(function, raw), np.float64, self.n))


def all_texts(values: list[Any]) -> Texts:
    """Values that are all texts."""
    texts = np.empty(len(values), dtype=object)
    texts[:] = values
    return texts, np.ones(len(values), dtype=bool)


def as_texts(values: list[Any]) -> Texts:
    """Values as text and whether each is one."""
    texts = np.empty(len(values), dtype=object)
    texts[:] = [v if isinstance(v, str) else ("true" if v else "false") if isinstance(v, bool) else "" for v in values]
    return texts, np.fromiter((isinstance(v, str | bool) for v in values), bool, len(values))


def _length(value: Any) -> float:
    return float(len(value)) if isinstance(value, str | list) else -1.0
