"""What goes into the spool and what comes out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Final, Literal, NamedTuple, overload

Kind = Literal["events", "truth"]
KINDS: tuple[Kind, ...] = ("events", "truth")


class Flags(NamedTuple):
    """How the lines of a post are to be understood.

    event_time: the producer's `at` is the clock. live: old events may page. source: where they came from.
    """

    event_time: bool = False
    live: bool = True
    source: Literal["http", "file"] = "http"

    def bits(self) -> int:
        return self.event_time | self.live << 1 | (self.source == "file") << 2

    @classmethod
    def of(cls, bits: int) -> Flags:
        return cls(bool(bits & 1), bool(bits & 2), "file" if bits & 4 else "http")


LIVE: Final = Flags()


class Lines(Sequence[bytes]):
    """Lines that are one text, NDJSON without a last line end: split only where they are wanted one by one."""

    def __init__(self, text: bytes, count: int) -> None:
        self.text, self._count = text, count
        self._apart: list[bytes] | None = None

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.apart)

    @overload
    def __getitem__(self, index: int) -> bytes: ...
    @overload
    def __getitem__(self, index: slice) -> list[bytes]: ...
    def __getitem__(self, index: int | slice) -> bytes | list[bytes]:
        return self.apart[index]

    @property
    def apart(self) -> list[bytes]:
        if self._apart is None:
            self._apart = self.text.split(b"\n")
        return self._apart


@dataclass(slots=True)
class Post:
    """What one post brought for one partition: checked lines without line ends, and how many were rejected.

    `hashes` has one `id_hash` per line for events, one by one or as one, and is empty for truth. `sequence` numbers
    the posts of `producer`, rising; `digest` is a fingerprint of the body, so that a number used twice for different
    bodies is noticed.
    """

    kind: Kind
    lines: Sequence[bytes]
    hashes: Sequence[bytes] | bytes = b""
    partition: int = 0
    flags: Flags = LIVE
    rejected: int = 0
    producer: str | None = None
    sequence: int = 0
    digest: bytes = b""


class Receipt(NamedTuple):
    """What became of one post. `conflict`: its sequence number was used before for other bytes; nothing was kept."""

    accepted: int
    duplicates: int
    conflict: bool = False


@dataclass(frozen=True, slots=True)
class Record:
    """Lines of one kind that were accepted together. `payload` is NDJSON without a last line end."""

    partition: int
    first: int  # offset of its first line
    count: int
    kind: Kind
    recorded_at: float  # seconds since 1970 UTC, never falling within a partition
    flags: Flags
    payload: bytes = field(repr=False)

    @property
    def end(self) -> int:
        return self.first + self.count


class Totals(NamedTuple):
    """Counts since the spool was made: events, truth lines apart, and posts refused as a whole."""

    accepted: int = 0
    rejected: int = 0
    duplicates: int = 0
    refused: int = 0
    truth_accepted: int = 0
    truth_rejected: int = 0
    truth_duplicates: int = 0

    @property
    def received(self) -> int:
        return self.accepted + self.rejected + self.duplicates

    @property
    def truth_received(self) -> int:
        return self.truth_accepted + self.truth_rejected + self.truth_duplicates

    def plus(self, kind: Kind, accepted: int, rejected: int, duplicates: int) -> Totals:
        a, r, d, refused, ta, tr, td = self
        if kind == "events":
            return Totals(a + accepted, r + rejected, d + duplicates, refused, ta, tr, td)
        return Totals(a, r, d, refused, ta + accepted, tr + rejected, td + duplicates)


class Oldest(NamedTuple):
    """The oldest record that can still be replayed; `recorded_at` is None while there is none."""

    offset: int
    recorded_at: float | None


class Place(NamedTuple):
    """Where a record lies: offsets [first, end), and when it was recorded."""

    first: int
    end: int
    recorded_at: float


def id_hash(model: str, id_: str) -> bytes:
    """Eight bytes that stand for one event id of one model."""
    return blake2b(f"{model}\0{id_}".encode(), digest_size=8).digest()


def id_hashes(models: Sequence[str], ids: Sequence[str]) -> bytes:
    """`id_hash` of each, one behind the other."""
    texts = zip(models, ids, strict=True)
    return b"".join([blake2b(f"{model}\0{id_}".encode(), digest_size=8).digest() for model, id_ in texts])


def partition_of(model: str, partitions: int) -> int:
    """The partition whose engine watches this model."""
    if partitions == 1:
        return 0
    return int.from_bytes(blake2b(model.encode(), digest_size=8).digest(), "little") % partitions
