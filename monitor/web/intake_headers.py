"""What the headers of a post say of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from monitor.spool import Flags
from monitor.web.problems import Problem

Headers = Mapping[str, str]  # names in lower case


@dataclass(frozen=True, slots=True)
class Number:
    """A producer's own number for a post."""

    producer: str
    sequence: int


def flags_of(headers: Headers) -> Flags:
    """Lines of a file bring their own clock. What is old when it comes pages nobody unless the sender says `live`."""
    live = headers.get("overloop-live") == "1"
    if headers.get("overloop-source", "").lower() != "file":
        return Flags(live=live)
    return Flags(event_time=True, live=live, source="file")


def number_of(headers: Headers) -> Number | None:
    """The number of a numbered post. Raises Problem."""
    producer, sequence = headers.get("overloop-producer"), headers.get("overloop-sequence")
    if producer is None and sequence is None:
        return None
    if not producer or len(producer) > 100 or not producer.isprintable():
        raise Problem(400, "Overloop-Producer must be 1 to 100 printable characters beside an Overloop-Sequence.")
    digits = sequence is not None and len(sequence) <= 19 and sequence.isascii() and sequence.isdecimal()
    if not sequence or not digits or not 0 < int(sequence) < 1 << 63:
        raise Problem(400, "Overloop-Sequence must be a whole number from 1 on, one more for each new post.")
    return Number(producer, int(sequence))
