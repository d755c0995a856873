"""Objects into columns, with few steps of Python per value."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from monitor.core.events import MISSING, NONFINITE_WORDS
from monitor.formats import limits

Columns = dict[str, list[Any]]


class Table:
    """Columns under dotted paths that grow by rows; every column has one value a row, `MISSING` where it has none.

    Nested objects are spread in turn. Lists of numbers stay lists (vectors), other lists become their JSON text.
    There are `limits.COLUMNS` columns at most, since rows that share no keys would multiply each other; `left_out`
    names those beyond.
    """

    def __init__(self) -> None:
        self.rows = 0
        self.columns: Columns = {}
        self.left_out: set[str] = set()

    def extend(self, rows: int, sections: Iterable[tuple[str, list[dict[str, Any] | None]]]) -> None:
        """Add rows: under each prefix one object a row, None for an empty one."""
        piece: Columns = {}
        for prefix, objects in sections:
            self._spread(prefix, objects, piece)
        self._append(rows, piece)

    def extend_by_columns(self, rows: int, columns: Iterable[tuple[str, list[Any], bool]]) -> None:
        """Add rows: dotted paths, one value a row, and whether values may be objects or lists."""
        piece: Columns = {}
        for path, values, loose in columns:
            if loose:
                self._place(path, values, piece)
            else:
                piece[path] = values
        self._append(rows, piece)

    def _append(self, rows: int, piece: Columns) -> None:
        for path, values in piece.items():
            before = self.columns.get(path)
            if before is not None:
                before += values
            elif len(self.columns) < limits.COLUMNS:
                self.columns[path] = [MISSING] * self.rows + values if self.rows else values
            else:
                self.left_out.add(path)
        self.rows += rows
        if len(piece) < len(self.columns):
            for path, values in self.columns.items():
                if path not in piece:
                    values += [MISSING] * rows

    def _spread(self, prefix: str, objects: list[dict[str, Any] | None], piece: Columns) -> None:
        for path, values in self._transposed(prefix, objects).items():
            self._place(path, values, piece)

    def _place(self, path: str, values: list[Any], piece: Columns) -> None:
        """One column into the piece, its objects and lists spread out."""
        kinds = set(map(type, values))
        if dict in kinds:
            self._spread(path, [value if type(value) is dict else None for value in values], piece)
            values = [MISSING if type(value) is dict else value for value in values]
            if all(value is MISSING for value in values):
                return
        if list in kinds:
            values = [_vector_or_text(value) if type(value) is list else value for value in values]
        if path in piece:  # once as a dotted key and once as a nested object, in different rows
            values = [b if a is MISSING else a for a, b in zip(piece[path], values, strict=True)]
        elif len(piece) >= limits.COLUMNS:
            self.left_out.add(path)
            return
        piece[path] = values

    def _transposed(self, prefix: str, objects: list[dict[str, Any] | None]) -> Columns:
        empty = objects.count(None)
        if empty == len(objects):
            return {}
        if not empty:
            full: list[Any] = objects
            shapes = list(map(tuple, full))
            if shapes.count(shapes[0]) == len(shapes):  # the usual case, without a step of Python per row
                columns = map(list, zip(*map(dict.values, full), strict=True))
                return {f"{prefix}.{key}": values for key, values in zip(shapes[0], columns, strict=True)}
        return self._transposed_by_shape(prefix, objects)

    def _transposed_by_shape(self, prefix: str, objects: list[dict[str, Any] | None]) -> Columns:
        shapes: dict[tuple[str, ...], list[int]] = {}
        for row, item in enumerate(objects):
            if item:
                shapes.setdefault(tuple(item), []).append(row)
        made: Columns = {}
        for keys, rows in shapes.items():
            same: Any = [objects[row] for row in rows]
            for key, values in zip(keys, zip(*map(dict.values, same), strict=True), strict=True):
                path = f"{prefix}.{key}"
                if path not in made and len(made) >= limits.COLUMNS:
                    self.left_out.add(path)
                    continue
                column = made.get(path)
                if column is None:
                    column = made[path] = [MISSING] * len(objects)
                for row, value in zip(rows, values, strict=True):
                    column[row] = value
        return made


def _vector_or_text(value: list[Any]) -> Any:
    kinds = set(map(type, value))
    if value and kinds <= {int, float}:
        return value
    if value and kinds <= {int, float, str}:
        numbers = [NONFINITE_WORDS.get(item.lower()) if type(item) is str else item for item in value]
        if None not in numbers:
            return numbers
    return msgspec.json.encode(value).decode()
