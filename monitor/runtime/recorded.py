"""Traffic of the past, in the order in which it came: from the spool of a home, or from lines of a file.

A line of a file counts as recorded when it says it happened, and never before the line in front of it: so windows,
`for` and ticks act as if the file had been sent live.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any, cast

import msgspec

from monitor.core.events import Batch
from monitor.core.rules.model import Book
from monitor.formats.native import Checker
from monitor.formats.secrets import Secrets
from monitor.runtime.poison import decode
from monitor.spool import Record, Spool, partition_of
from monitor.spool.model import LIVE, Kind

Line = tuple[int, bytes]  # number in its file, and bytes
LINES = 2_000  # of a file that are checked at once
LOOK = 20_000  # lines read from the spool at once
SHOWN = 3
_KEY = b"not kept anywhere"  # secret columns of a file only have to stay apart


class Unusable(Exception):  # noqa: N818
    """The traffic cannot be used; the text says why and what to do."""


@dataclass(slots=True)
class Refused:
    """Lines that were left out: how many, and the first few in sentences."""

    lines: int = 0
    first: list[str] = field(default_factory=list)

    def add(self, sentence: str) -> None:
        self.lines += 1
        if len(self.first) < SHOWN:
            self.first.append(sentence)


_NOTHING = msgspec.Raw(b"null")


class _Head(msgspec.Struct):
    """What of a line says where it belongs."""

    model: str
    at: datetime | float | int | None = None
    inputs: msgspec.Raw = _NOTHING
    output: msgspec.Raw = _NOTHING
    truth: msgspec.Raw = _NOTHING


_HEAD: Any = msgspec.json.Decoder(_Head)


def of_file(
    lines: Iterable[Line],
    name: str,
    book: Book,
    refused: Refused,
    model: str | None = None,
    spacing: float | None = None,
) -> Iterator[Record]:
    """The lines of a file, one record each. Raises Unusable.

    Lines of other models than `model` are passed over, bad ones added to `refused`. `spacing`: seconds between events
    that say no time; without it such an event is refused.
    """
    secrets = Secrets(_KEY, lambda named: _kinds(book, named))
    checkers = {"events": Checker("events", secrets), "truth": Checker("truth", secrets)}
    offset, now = 0, float("-inf")
    rest = iter(lines)
    while piece := list(islice(rest, LINES)):
        for number, line in piece:
            made = _record(number, line, name, checkers, refused, model)
            if made is None:
                continue
            record, at = made
            if at is None and spacing is None:
                if record.kind == "events":
                    refused.add(f"{name} line {number} says no time: it needs an `at`.")
                    continue
                at = now
            if at is None:
                at = now + (spacing or 0.0) if now > float("-inf") else 0.0
            now = max(now, at)
            yield replace(record, first=offset, recorded_at=now)
            offset += 1


def sorted_by_time(records: Iterable[Record]) -> Iterator[Record]:
    """The same records in the order of the times in their lines, numbered anew: what was collected, not what came."""
    found = [(_time(_HEAD.decode(record.payload).at), record) for record in records]
    found.sort(key=lambda pair: pair[0] if pair[0] is not None else pair[1].recorded_at)
    for offset, (at, record) in enumerate(found):
        yield replace(record, first=offset, recorded_at=record.recorded_at if at is None else at)


def of_spool(home: Path, partitions: int, partition: int, since: float) -> Iterator[Record]:
    """The records of a home from a time on, up to what there is now. Reads beside a running daemon, and changes
    nothing. Raises SpoolError."""
    with Spool.open(home / "spool", partitions, write=False) as spool:
        end, at = spool.end(partition), _start(spool, partition, since)
        while at < end:
            records = spool.read(partition, at, LOOK)
            if not records:
                return
            yield from records
            at = records[-1].end


def batches_of(records: Sequence[Record], model: str | None = None) -> list[Batch]:
    """Records as columns; lines that cannot be read back are left out, as the engine leaves them out."""
    found, _ = decode(records)
    return found if model is None else [batch for batch in found if batch.model == model]


def partitions_of(model: str | None, partitions: int) -> list[int]:
    return list(range(partitions)) if model is None else [partition_of(model, partitions)]


def _start(spool: Spool, partition: int, since: float) -> int:
    """The offset of the first record that was recorded at `since` or later."""
    low, high = spool.oldest_replayable(partition).offset, spool.end(partition)
    while low < high:
        place = spool.holding(partition, (low + high) // 2)
        if place is None or place.recorded_at >= since:
            high = (low + high) // 2 if place is None else min(place.first, (low + high) // 2)
        else:
            low = max(place.end, low + 1)
    return low


def _record(
    number: int, line: bytes, name: str, checkers: Mapping[str, Checker], refused: Refused, model: str | None
) -> tuple[Record, float | None] | None:
    """A checked line, and when it says it happened."""
    try:
        head = _HEAD.decode(line)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        head = None  # the check says what is wrong with it
    if head is not None and model is not None and head.model != model:
        return None
    truth = head is not None and _there(head.truth) and not _there(head.inputs) and not _there(head.output)
    kind: Kind = "truth" if truth else "events"
    checked = checkers[kind].check(line)
    if head is None or checked.rejected or not checked.lines:
        why = checked.rejected[0][1] if checked.rejected else "The line is no event."
        refused.add(f"{name} line {number}: {why}")
        return None
    return Record(0, 0, 1, kind, 0.0, LIVE, checked.lines[0]), _time(head.at)


def _there(part: msgspec.Raw) -> bool:
    return bytes(part) != b"null"


def _time(at: datetime | float | None) -> float | None:
    return at.timestamp() if isinstance(at, datetime) else None if at is None else float(at)


def _kinds(book: Book, model: str) -> dict[str, str]:
    settings = {path: s for pack in book.packs if pack.watches(model) for path, s in pack.columns.items()}
    return {path: cast(str, setting.kind) for path, setting in settings.items() if setting.kind is not None}
