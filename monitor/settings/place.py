"""Where in a TOML text a key stands: tomllib keeps no positions."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Sequence

Key = Sequence[str | int]  # table names and keys; a number counts the tables of an array from 0

_HEADER = re.compile(r"\s*(\[\[?)(.+?)\]\]?\s*(?:#.*)?$")
_ENTRY = re.compile(r"\s*([\w.\-\"' ]+?)\s*=")


def line_of(text: str, key: Key) -> int | None:
    """The line, from 1, of the key or of the innermost table around it that can be found."""
    wanted, best = list(key), (0, None)
    for number, path in _lines(text):
        shared = 0
        while shared < min(len(path), len(wanted)) and path[shared] == wanted[shared]:
            shared += 1
        if shared == len(path) and shared > best[0]:
            best = (shared, number)  # type: ignore[assignment]
    return best[1]


def _lines(text: str) -> Iterator[tuple[int, list[str | int]]]:
    """Each line that names a table or a key, with the full path it names."""
    table: list[str | int] = []
    seen: dict[str, int] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if header := _HEADER.match(line):
            names = _names(header[2])
            if header[1] == "[[":
                seen[header[2]] = seen.get(header[2], -1) + 1
                names = [*names, seen[header[2]]]
            table = names
            yield number, table
        elif entry := _ENTRY.match(line):
            yield number, [*table, *_names(entry[1])]


def _names(dotted: str) -> list[str | int]:
    """The parts of a dotted key; tomllib itself knows the quoting. Nothing if it is none (a comment, a long string)."""
    try:
        found = tomllib.loads(f"{dotted} = 0")
    except tomllib.TOMLDecodeError:
        return []
    names: list[str | int] = []
    inner: object = found
    while isinstance(inner, dict) and inner:
        name, inner = next(iter(inner.items()))
        names.append(name)
    return names
