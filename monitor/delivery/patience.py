"""How long a server asks to be left alone."""

from __future__ import annotations

from email.utils import parsedate_to_datetime
from typing import Final

_LONGEST_WAIT: Final = 3600.0  # seconds; a Retry-After beyond it is taken as this


def retry_after(value: str | None, date: str | None) -> float | None:
    """Seconds, from either form of Retry-After (RFC 9110, 10.2.3); a date is taken against the server's own `date`."""
    text = (value or "").strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:9]), _LONGEST_WAIT)
    try:
        until, now = parsedate_to_datetime(text).timestamp(), parsedate_to_datetime(date or "").timestamp()
    except (ValueError, TypeError):
        return None
    return min(max(0.0, until - now), _LONGEST_WAIT)
