"""One event or truth as one line of JSON."""

from __future__ import annotations

import json
import math
from typing import Any


class Unencodable(ValueError):  # noqa: N818
    """This event cannot be written as JSON."""


def line(fields: dict[str, Any]) -> bytes:
    """The fields that are not None, as a line without its end. Raises Unencodable.

    Numbers of numpy and the like become plain numbers, times become RFC 3339 text, sets become lists, and what else
    JSON has no form for becomes its text. NaN and infinities become the words that the daemon expects.
    """
    fields = {key: value for key, value in fields.items() if value is not None}
    try:
        try:
            return json.dumps(fields, default=_plain, allow_nan=False, separators=(",", ":")).encode()
        except ValueError:  # not finite, or circular: the second try tells which
            return json.dumps(_finite(fields, 0), default=_plain, separators=(",", ":")).encode()
    except (TypeError, ValueError, RecursionError, OverflowError, AttributeError) as problem:
        raise Unencodable(str(problem)) from None
    except Exception as problem:  # whatever a value's own methods raise must not reach the model
        raise Unencodable(type(problem).__name__) from None


def _plain(value: Any) -> Any:
    for method in ("tolist", "item", "isoformat"):
        convert = getattr(value, method, None)
        if callable(convert):
            return _finite(convert(), 0)
    if isinstance(value, (set, frozenset)):
        return sorted(value, key=repr)
    return str(value)


def _finite(value: Any, depth: int) -> Any:
    if depth > 64:
        raise Unencodable("it is nested more than 64 levels deep, or within itself")
    if isinstance(value, float):
        return (
            value if math.isfinite(value) else "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
        )
    if isinstance(value, dict):
        return {key: _finite(item, depth + 1) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item, depth + 1) for item in value]
    if not isinstance(value, (str, int, bool)) and value is not None:
        return _finite(_plain(value), depth + 1)
    return value
