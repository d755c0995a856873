"""Where a partition stands: its newest segment, open for writing."""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from monitor.spool import segment
from monitor.spool.errors import SpoolDamaged, SpoolError, SpoolUnusable
from monitor.spool.model import Totals
from monitor.spool.planning import Producers
from monitor.spool.reading import path_of, segments


@dataclass(slots=True)
class Standing:
    """The newest segment and what it says of the partition; `since` is when its first record was made."""

    path: Path
    connection: sqlite3.Connection
    next: int  # offset of the next line
    recorded_at: float  # of the last record
    totals: Totals
    producers: Producers
    bytes_: int
    since: float | None


def enter(folder: Path, known: int | None = None) -> tuple[Standing, list[tuple[float, bytes]]]:
    """Open the newest segment for writing.

    Where lines up to offset `known` were answered before, it must have them, and what it has beyond is given too: the
    times and hashes of records that reached the disk though appending them seemed to fail.
    """
    *full, newest = segments(folder) or [0]
    for first in full:
        _finish(path_of(folder, first))
    path = path_of(folder, newest)
    connection = segment.open_for_writing(path)
    try:
        with segment.explained(path):
            segment.sync_folder(folder)
            standing = _standing(path, connection)
            beyond = [] if known is None else _beyond(standing, known)
    except BaseException:
        with suppress(SpoolError):
            segment.close_cleanly(connection, path)  # else its journal would seem lost
        raise
    return standing, beyond


def _standing(path: Path, connection: sqlite3.Connection) -> Standing:
    row = connection.execute("SELECT * FROM totals").fetchone()
    if row is None:
        raise SpoolDamaged(path, "its totals are missing")
    used = connection.execute("SELECT producer, sequence, digest FROM producers ORDER BY used")
    producers: Producers = {producer: (sequence, digest) for producer, sequence, digest in used}
    oldest = connection.execute("SELECT recorded_at FROM records ORDER BY first LIMIT 1").fetchone()
    size = path.stat().st_size
    _, next_, recorded_at, *counts = row
    since = oldest[0] if oldest else None
    return Standing(path, connection, next_, recorded_at, Totals(*counts), producers, size, since)


def _beyond(standing: Standing, known: int) -> list[tuple[float, bytes]]:
    if standing.next < known:
        raise SpoolUnusable(
            f"{standing.path} ends at offset {standing.next}, and lines up to offset {known} were answered: a "
            f"newer file beside it is gone. Put it back, or start the daemon anew to go on without it."
        )
    sql = "SELECT recorded_at, hashes FROM records WHERE first >= ? ORDER BY first"
    return standing.connection.execute(sql, (known,)).fetchall()


def _finish(path: Path) -> None:
    """Bring what is left in the journal of a segment that is full into the segment."""
    if any(companion.exists() for companion in segment.companions(path)):
        segment.close_cleanly(segment.open_for_writing(path), path)
