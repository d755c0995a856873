"""Times as people and programs read them: RFC 3339, UTC."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Final

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def rfc3339(at: float) -> str:
    """Seconds since 1970 UTC as text ending in `Z`, with microseconds only when they are not zero.

    Times outside the years 1 to 9999 come as the bare number.
    """
    if not math.isfinite(at):
        return repr(float(at))
    try:
        moment = _EPOCH + timedelta(microseconds=round(at * 1_000_000))
    except OverflowError:
        return repr(float(at))
    return moment.isoformat().replace("+00:00", "Z")


def parse_time(text: str) -> float:
    """Seconds since 1970 UTC. Raises ValueError with a sentence if it is no RFC 3339 time, or has no zone."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text[:60]!r} is no RFC 3339 time such as 2026-11-24T08:00:00Z.") from None
    if moment.tzinfo is None:
        raise ValueError(f"{text[:60]!r} has no zone: add Z for UTC, or an offset such as +01:00.")
    return (moment - _EPOCH).total_seconds()
