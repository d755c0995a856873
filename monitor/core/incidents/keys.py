"""Names that a producer chose, in the form in which the ledger can keep them."""

from __future__ import annotations

from hashlib import sha256
from typing import Final

LENGTH: Final = 400  # characters of a segment


def kept_name(segment: str, length: int = LENGTH) -> str:
    """A segment's (or a version's) name without NUL and lone surrogates, cut (with a hash) to what the ledger holds.

    Deciding twice, once from memory and once from the ledger, must meet the same names. Applying it twice is
    applying it once.
    """
    if not segment.isascii():
        segment = segment.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    segment = segment.replace("\0", "\ufffd")
    if len(segment) <= length:
        return segment
    return f"{segment[: length - 9]}…{sha256(segment.encode()).hexdigest()[:8]}"
