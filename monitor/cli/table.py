"""Tables and paragraphs: on a terminal they fit its width, in a pipe every row is one line and nothing is cut."""

from __future__ import annotations

import math
import shutil
import sys
import textwrap
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

GAP = 2  # blanks between columns
LEAST = 8  # what is left of a cell that has to be cut
ROOM = 24  # columns that the last cell needs to stand beside the others; with less it goes below them


def plain(value: Any) -> str:
    """A value in a line of text; control characters from outside never reach the terminal."""
    if value is None or value == "":
        return "-"
    if isinstance(value, float):
        return f"{value:.0f}" if math.isfinite(value) and value == int(value) else f"{value:.4g}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    return visible(text)


def visible(text: str) -> str:
    """The text with a blank for everything that is no printable character."""
    return text if text.isprintable() else "".join(c if c.isprintable() else " " for c in text)


def terminal_width() -> int | None:
    """How many columns the terminal has that we print to; None if it is none."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], width: int | None) -> list[str]:
    """Lines: a heading, and each row. The last column is the free text of a row and takes what room is left."""
    cells = [
        [name.replace("_", " ") for name in columns],
        *([plain(row.get(name)) for name in columns] for row in rows),
    ]
    widths = [max(map(_length, column)) for column in zip(*cells, strict=True)]
    if width is None or sum(widths) + GAP * (len(widths) - 1) <= width:
        return [_line(row, widths) for row in cells]
    *others, _ = widths
    room = width - sum(others) - GAP * len(others)
    below = room < ROOM and len(others) > 0
    if below:
        others = _narrowed(others, width)
    lines: list[str] = []
    for row in cells:
        head = _line([_cut(cell, size) for cell, size in zip(row, others, strict=False)], others)
        lines += _with_text(head, row[-1], sum(others) + GAP * len(others), width, below)
    return lines


def paragraph(label: str, text: str, indent: int, width: int | None) -> list[str]:
    """A text behind its label, its further lines under its beginning."""
    label = f"{label:<{indent}}"
    if width is None or width < indent + ROOM:
        return [(label + text).rstrip()]
    wrapped = textwrap.wrap(text, width - indent, break_on_hyphens=False) or [""]
    return [((label if n == 0 else " " * indent) + line).rstrip() for n, line in enumerate(wrapped)]


def _with_text(head: str, text: str, indent: int, width: int, below: bool) -> list[str]:
    if below:
        return [head, *paragraph("", text, 4, width)]
    return paragraph(head, text, indent, width)


def _narrowed(widths: list[int], width: int) -> list[int]:
    """Widths that fit: the widest column gives first."""
    widths = list(widths)
    while sum(widths) + GAP * (len(widths) - 1) > width and max(widths) > LEAST:
        widths[widths.index(max(widths))] -= 1
    return widths


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    padded = (cell + " " * (size - _length(cell)) for cell, size in zip(row, widths, strict=False))
    return (" " * GAP).join(padded).rstrip()


def _cut(cell: str, size: int) -> str:
    while _length(cell) > size:
        cell = cell[: -2 if cell.endswith("…") else -1] + "…"
    return cell


def _length(text: str) -> int:
    """Columns a terminal takes for it."""
    if text.isascii():
        return len(text)
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)
