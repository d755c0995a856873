"""State as bytes: a nested value of dicts, lists, scalars, bytes and numpy arrays, deterministic and self-contained.

Equal values give equal bytes, whatever their history, so that a sha256 over a bank means something. Layout: the
length of a JSON header (8 bytes, little-endian), the header with arrays and bytes replaced by references, then the
buffers one after another.
"""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np


class StateError(ValueError):
    """These bytes are not a state this version can read."""


def dump(value: Any) -> bytes:
    """Bytes of `value`. Dict keys must be strings; dict order is not kept. Raises TypeError on other types."""
    buffers: list[bytes] = []
    offset = 0

    def encode(node: Any) -> Any:
        nonlocal offset
        if isinstance(node, np.ndarray):
            data = np.ascontiguousarray(node).tobytes()
            reference = {"$array": [node.dtype.str, list(node.shape), offset, len(data)]}
        elif isinstance(node, bytes):
            data = node
            reference = {"$bytes": [offset, len(data)]}
        elif isinstance(node, dict):
            return {"$dict": {_key(k): encode(node[k]) for k in sorted(node)}}
        elif isinstance(node, list | tuple):
            return [encode(item) for item in node]
        else:
            return _scalar(node)
        buffers.append(data)
        offset += len(data)
        return reference

    header = json.dumps(encode(value), separators=(",", ":"), ensure_ascii=True).encode()
    return len(header).to_bytes(8, "little") + header + b"".join(buffers)


def load(data: bytes) -> Any:
    """The value that `dump` was given; tuples come back as lists. Raises StateError."""
    try:
        size = int.from_bytes(data[:8], "little")
        header = json.loads(data[8 : 8 + size])
        return _decode(header, memoryview(data)[8 + size :])
    except (ValueError, KeyError, TypeError, RecursionError, SyntaxError) as problem:  # numpy parses names of types
        raise StateError(f"state of {len(data)} bytes cannot be read: {problem}") from problem


def _key(key: Any) -> str:
    if not isinstance(key, str):
        raise TypeError(f"state keys must be text, not {key!r}")
    return key


def _scalar(node: Any) -> Any:
    if isinstance(node, np.generic):
        node = node.item()
    if isinstance(node, float) and not math.isfinite(node):
        return {"$float": repr(node)}
    if node is None or isinstance(node, bool | int | float | str):
        return node
    raise TypeError(f"state cannot hold {type(node).__name__}")


def _decode(node: Any, buffers: memoryview) -> Any:
    if isinstance(node, list):
        return [_decode(item, buffers) for item in node]
    if not isinstance(node, dict):
        return node
    ((tag, body),) = node.items()
    if tag == "$dict":
        return {key: _decode(item, buffers) for key, item in body.items()}
    if tag == "$array":
        dtype, shape, start, length = body
        flat = np.frombuffer(bytes(buffers[start : start + length]), dtype=np.dtype(dtype))
        return flat.reshape(shape).copy()
    if tag == "$bytes":
        start, length = body
        return bytes(buffers[start : start + length])
    if tag == "$float":
        return float(body)
    raise StateError(f"unknown tag {tag!r}")
