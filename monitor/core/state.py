"""State as bytes: a nested value of dicts, lists, scalars, bytes and numpy arrays, deterministic and self-contained.

Equal values give equal bytes, whatever their history, so that a sha256 over a bank means something. Layout: the
length of a JSON header (8 bytes, little-endian), the header with arrays and bytes replaced by references, then the
buffers one after another. A reference is an object with the one key `$`. Both ways the nodes are walked by the
standard library's C code: a start reads those of thousands of models.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import partial
from operator import itemgetter
from typing import Any

import numpy as np

_NESTED = (dict, list, tuple)


class StateError(ValueError):
    """These bytes are not a state this version can read."""


def dump(value: Any) -> bytes:
    """Bytes of `value`. Dict keys must be strings; dict order is not kept. Raises TypeError on other types."""
    buffers = _Buffers()
    plain = _escaped(value) if _ambiguous(value) else value
    text = json.dumps(plain, separators=(",", ":"), sort_keys=True, check_circular=False, default=buffers.put)
    header = text.encode()
    return b"".join((len(header).to_bytes(8, "little"), header, *buffers.parts))


def load(data: bytes) -> Any:
    """The value that `dump` was given; tuples come back as lists. Raises StateError."""
    try:
        start = 8 + int.from_bytes(data[:8], "little")
        if start > len(data):
            raise StateError("it was cut short")
        return json.loads(data[8:start], object_hook=partial(_decoded, data, start))
    except (ValueError, KeyError, TypeError, RecursionError, SyntaxError) as problem:  # numpy parses names of types
        raise StateError(f"state of {len(data)} bytes cannot be read: {problem}") from problem


class _Buffers:
    """What goes behind the header, in the order it is met."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self._size = 0

    def put(self, node: Any) -> Any:
        """What stands in the header for something that JSON does not know."""
        if isinstance(node, np.ndarray) and not node.dtype.hasobject:
            return self._reference(node.tobytes(), node.dtype.str, list(node.shape))
        if isinstance(node, bytes):
            return self._reference(node)
        if isinstance(node, np.bool_ | np.number):
            return node.item()
        raise TypeError(f"state cannot hold {type(node).__name__}")

    def _reference(self, data: bytes, *more: Any) -> Any:
        self.parts.append(data)
        self._size += len(data)
        return {"$": [self._size - len(data), len(data), *more]}


def _ambiguous(node: Any) -> bool:
    """Whether a dict in it has the key `$`. Raises TypeError on keys that are no text: JSON would make text of them."""
    if not isinstance(node, _NESTED):
        return False
    items: Iterable[Any] = node
    found = False
    if isinstance(node, dict):
        if wrong := [key for key in node if not isinstance(key, str)]:
            raise TypeError(f"state keys must be text, not {wrong[0]!r}")
        items, found = node.values(), "$" in node
    for item in items:
        if isinstance(item, _NESTED) and _ambiguous(item):
            found = True
    return found


def _escaped(node: Any) -> Any:
    """The same, with pairs of key and value for a dict that has the key `$`."""
    if isinstance(node, list | tuple):
        return [_escaped(item) for item in node]
    if not isinstance(node, dict):
        return node
    inner = {key: _escaped(item) for key, item in node.items()}
    return {"$": {"": sorted(inner.items(), key=itemgetter(0))}} if "$" in inner else inner


def _decoded(data: bytes, start: int, node: dict[str, Any]) -> Any:
    """An object of the header, those within it first; `start` is where the buffers begin."""
    if len(node) != 1 or "$" not in node:
        return node
    body = node["$"]
    if isinstance(body, dict):
        return dict(body[""])
    at, length, *more = body
    if at < 0 or length < 0 or start + at + length > len(data):
        raise StateError(f"a buffer of {length} bytes is missing")
    if not more:
        return data[start + at : start + at + length]
    kind, shape = np.dtype(more[0]), tuple(more[1])
    if kind.hasobject:
        raise StateError(f"arrays of {kind} are no state")
    return np.ndarray(shape, kind, data, start + at).copy()
