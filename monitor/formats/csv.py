"""Tables of text: rows with a header, and numbers where a whole column is numbers."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from itertools import chain, islice
from typing import Any, TextIO

from monitor.formats import limits
from monitor.formats.mapping import MappingError

_SAMPLE = 1_000  # rows that decide what a column holds
_NUMBER = re.compile(r"[+-]?(?:0|[1-9]\d*)(?:\.\d*)?(?:[eE][+-]?\d+)?|[+-]?\.\d+(?:[eE][+-]?\d+)?")
_WORDS = {"true": True, "false": False}
_NONFINITE = {"nan", "inf", "-inf", "infinity", "-infinity"}

Row = tuple[int, dict[str, Any]]


class Table:
    """A CSV file: `header`, and rows as they are read. Cells that are empty are None.

    A column whose first thousand cells are all numbers (none with leading zeros: those are codes) holds numbers, and
    a cell further down that is none stays text, so that the change is seen. The separator is the one of , ; | and
    tab that the header has most of.
    """

    def __init__(self, stream: TextIO) -> None:
        try:
            first = stream.readline(limits.LINE_BYTES)
        except UnicodeDecodeError as problem:
            raise MappingError("The file is not UTF-8: convert it first.") from problem
        separator = max(",;\t|", key=first.count) if first else ","
        self._reader = csv.reader(chain([first], stream), delimiter=separator)
        self.header = [name.strip() for name in next(self._reader, [])]
        if not any(self.header):
            raise MappingError("The file has no header: its first line must name the columns.")
        repeated = [name for name in self.header if self.header.count(name) > 1]
        if repeated:
            raise MappingError(f"The header names the column {repeated[0]!r} twice: rename one of them.")

    def rows(self, as_text: Sequence[str] = ()) -> Iterator[Row]:
        """Line numbers and rows. Columns of `as_text` stay text whatever they hold. Raises MappingError."""
        rows = self._cells()
        sample = list(islice(rows, _SAMPLE))
        convert = [
            _text if name in as_text else _converter([cells[place] for _, cells in sample])
            for place, name in enumerate(self.header)
        ]
        for number, cells in chain(sample, rows):
            yield (
                number,
                {
                    name: None if cell == "" else make(cell)
                    for name, cell, make in zip(self.header, cells, convert, strict=True)
                },
            )

    def _cells(self) -> Iterator[tuple[int, list[str]]]:
        try:
            for cells in self._reader:
                if len(cells) == len(self.header):
                    yield self._reader.line_num, cells
                elif cells:
                    raise MappingError(
                        f"Line {self._reader.line_num} has {len(cells)} cells and the header has "
                        f"{len(self.header)}: quote the cells that contain the separator."
                    )
        except csv.Error as problem:
            raise MappingError(f"Line {self._reader.line_num} is no CSV: {problem}.") from problem
        except UnicodeDecodeError as problem:
            raise MappingError(
                f"The file is not UTF-8 after line {self._reader.line_num}: convert it first."
            ) from problem


def _converter(cells: list[str]) -> Any:
    full = [cell.strip() for cell in cells if cell.strip()]
    if full and all(cell.lower() in _WORDS for cell in full):
        return _boolean
    if full and all(_NUMBER.fullmatch(cell) or cell.lower() in _NONFINITE for cell in full):
        return _number
    return _text


def _text(cell: str) -> str:
    return cell


def _boolean(cell: str) -> Any:
    return _WORDS.get(cell.strip().lower(), cell)


def _number(cell: str) -> Any:
    text = cell.strip()
    if not _NUMBER.fullmatch(text) or len(text) > 400:
        return cell
    return int(text) if re.fullmatch(r"[+-]?\d+", text) else float(text)
