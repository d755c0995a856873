"""The newest lines of the spool, read beside the running daemon."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from monitor.spool import Record, Spool, SpoolUnusable

_POLL = 0.5  # seconds


class _Name(msgspec.Struct):
    model: str


def tail(folder: Path, number: int, follow: bool, model: str | None) -> Iterator[str]:
    """The last lines as text, oldest first; with `follow` for ever. Raises SpoolError."""
    partitions = sum(path.name.isdecimal() for path in folder.iterdir()) if folder.is_dir() else 0
    if not partitions:
        raise SpoolUnusable(f"There are no events in {folder}: set OVERLOOP_HOME to the daemon's home folder.")
    with Spool.open(folder, partitions, write=False) as spool:
        found = [(r.recorded_at, line) for p in range(partitions) for r, line in _newest(spool, p, number, model)]
        at = [spool.end(partition) for partition in range(partitions)]
        yield from [line for _, line in sorted(found, key=lambda pair: pair[0])[-number:]] if number else []
        while follow:
            for partition in range(partitions):
                for record in spool.read(partition, at[partition], 1_000):
                    at[partition] = record.end
                    yield from _lines(record, model)
            time.sleep(_POLL)


def _newest(spool: Spool, partition: int, number: int, model: str | None) -> list[tuple[Record, str]]:
    wanted = number
    while True:
        records = spool.newest(partition, wanted)
        found = [(record, line) for record in records for line in _lines(record, model)]
        if len(found) >= number or sum(record.count for record in records) < wanted:
            return found[-number:] if number else []
        wanted *= 4  # other models were in between


def _lines(record: Record, model: str | None) -> Iterator[str]:
    for line in record.payload.split(b"\n"):
        if model is None or msgspec.json.decode(line, type=_Name).model == model:
            yield line.decode()
