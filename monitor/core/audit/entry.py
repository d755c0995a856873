"""One entry as the bytes that are hashed: RFC 8785 canonical JSON of `{"seq", "at", "kind", "actor", "body"}`.

JSON has no words for some values and other programs read big numbers wrongly, so these travel as text: numbers
beyond 2^53 - 1, NaN and the infinities, bytes (hex). Text that is no Unicode (lone surrogates) gets U+FFFD.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Set
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import numpy as np
import rfc8785

from monitor.core.audit.kinds import require_kind

_SAFE_INTEGER: Final = 2**53 - 1
_DEPTH: Final = 40  # deeper values are cut; far below Python's own limit
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def encode(seq: int, at: float, kind: str, actor: str, body: Mapping[str, Any]) -> bytes:
    """Canonical bytes of an entry. Never raises on what a producer can send; ValueError on an unknown kind."""
    entry = {
        "seq": seq,
        "at": timestamp(at),
        "kind": require_kind(kind),
        "actor": _text(actor),
        "body": _plain(body, _DEPTH),
    }
    return rfc8785.dumps(entry)


def decode(data: bytes) -> dict[str, Any]:
    """The entry in canonical bytes. Raises ValueError if they are not one."""
    entry = json.loads(data)
    if not isinstance(entry, dict) or set(entry) != {"seq", "at", "kind", "actor", "body"}:
        raise ValueError("these bytes are no audit entry")
    return entry


def timestamp(at: float) -> str:
    """Seconds since 1970 UTC as RFC 3339 text, with microseconds only when they are not zero."""
    if not math.isfinite(at):
        return repr(float(at))
    try:
        moment = _EPOCH + timedelta(microseconds=round(at * 1_000_000))
    except OverflowError:
        return repr(float(at))
    return moment.isoformat().replace("+00:00", "Z")


def _plain(value: Any, depth: int) -> Any:
    if isinstance(value, np.generic | np.ndarray):
        value = value.tolist()
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, int):
        return int(value) if -_SAFE_INTEGER <= value <= _SAFE_INTEGER else _digits(value)
    if isinstance(value, float):
        return float(value) if abs(value) <= _SAFE_INTEGER else _word(value)
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).hex()
    if depth == 0:
        return "…"
    if isinstance(value, Mapping):
        return {_text(str(key)): _plain(item, depth - 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item, depth - 1) for item in value]
    if isinstance(value, Set):
        return [_plain(item, depth - 1) for item in sorted(value, key=repr)]
    return _text(str(value))


def _text(text: str) -> str:
    """Joins surrogate pairs; a lone surrogate becomes U+FFFD."""
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _word(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return repr(float(value))


def _digits(value: int) -> str:
    """Hexadecimal where Python refuses to print that many decimal digits (4,300)."""
    return hex(value) if value.bit_length() > 10_000 else str(value)
