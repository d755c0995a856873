"""Letting go of old segments: whole files, by age and size, and never what is still needed."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from monitor.spool import segment
from monitor.spool.reading import Reading, path_of, segments


@dataclass(frozen=True, slots=True)
class Retention:
    """A full segment goes when its last record is older than `seconds` or the partition has more than `bytes_`."""

    seconds: float = 7 * 86400.0
    bytes_: int = 5 << 30


def trim(folder: Path, reading: Reading, before_offset: int, now: float, retention: Retention) -> list[Path]:
    """Unlink what may go and lies wholly before `before_offset`; the newest segment always stays."""
    with segment.explained(folder):
        return _trim(folder, reading, before_offset, now, retention)


def _trim(folder: Path, reading: Reading, before_offset: int, now: float, retention: Retention) -> list[Path]:
    firsts = segments(folder)
    sizes = {first: path_of(folder, first).stat().st_size for first in firsts}
    total = sum(sizes.values())
    gone: list[Path] = []
    for first, end in pairwise(firsts):
        path = path_of(folder, first)
        last = reading.last_recorded_at(first)
        old = last is not None and last < now - retention.seconds
        if end > before_offset or not (old or total > retention.bytes_):
            break
        total -= sizes[first]
        for file in (path, *segment.companions(path)):
            file.unlink(missing_ok=True)
        gone.append(path)
    if gone:
        reading.close()
        segment.sync_folder(folder)
    return gone
