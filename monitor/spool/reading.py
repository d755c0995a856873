"""Reading a partition's segments, from any process, while its writer appends."""

from __future__ import annotations

import json
import sqlite3
from bisect import bisect_right
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import zstandard

from monitor.spool import segment
from monitor.spool.errors import SpoolDamaged, SpoolUnusable
from monitor.spool.model import Oldest, Place, Record, Totals

_DIGITS = 20  # of an offset in a file's name; other names are not ours
_OPEN_AT_MOST = 2  # the segment being read and the newest


class Reading:
    """One partition. Not for use by two threads at once."""

    def __init__(self, folder: Path, partition: int) -> None:
        self._folder = folder
        self._partition = partition
        self._inflate = zstandard.ZstdDecompressor()
        self._open: dict[int, sqlite3.Connection] = {}

    def close(self) -> None:
        while self._open:
            self._open.popitem()[1].close()

    def firsts(self) -> list[int]:
        """The first offset of each segment, oldest first."""
        return segments(self._folder)

    def read(self, after: int, limit_events: int) -> list[Record]:
        """Whole records from offset `after` on: at least one if there is one, and no more once `limit_events` lines
        are reached. `after` is 0 or the end of a record. Where records were trimmed or set aside, reading goes on
        behind them, and `hole` tells; any other hole is damage.
        """
        records: list[Record] = []
        lines = 0
        try:
            for record in self._from(after):
                records.append(record)
                lines += record.count
                if lines >= limit_events:
                    break
        except SpoolDamaged:
            if not records:
                raise  # what stands before the damage is read first
        return records

    def read_range(self, first: int, end: int) -> list[Record]:
        """The records between two record boundaries that are still there."""
        records: list[Record] = []
        at = first
        while at < end:
            found = [record for record in self.read(at, end - at) if record.end <= end]
            if not found:
                break
            records += found
            at = found[-1].end
        return records

    def holding(self, offset: int) -> Place | None:
        """The record that holds an offset, or the last one before it; None where nothing that old is left."""
        firsts = self.firsts()
        for first in reversed(firsts[: max(bisect_right(firsts, offset), 1)]):
            sql = "SELECT first, first + count, recorded_at FROM records WHERE first <= ? ORDER BY first DESC"
            row = self._one(first, sql, offset)
            if row:
                return Place(*row)
        return None

    def hole(self, offset: int) -> tuple[int, int] | None:
        """Offsets from this one on that were given to lines which can no longer be read, since their records were
        trimmed or set aside: (offset, first one behind them that can be read or is yet to come). Else None.
        """
        end = self.end()  # read first: what is appended meanwhile lies behind it
        held = self.holding(offset)
        if offset >= end or (held is not None and held.first <= offset < held.end):
            return None
        firsts = self.firsts()
        for first in firsts[max(bisect_right(firsts, offset) - 1, 0) :]:
            row = self._one(first, "SELECT first FROM records WHERE first > ? ORDER BY first", offset)
            if row:
                return offset, int(row[0])
        return offset, end

    def newest(self, lines: int) -> list[Record]:
        """The last records: as many as hold at least so many lines, oldest first."""
        records: list[Record] = []
        for first in reversed(self.firsts()):
            path = path_of(self._folder, first)
            with segment.explained(path):
                rows = self._connection(first).execute("SELECT * FROM records ORDER BY first DESC")
                with closing(rows):
                    for row in rows:
                        if sum(record.count for record in records) >= lines:
                            return records[::-1]
                        records.append(segment.record_of(row, self._partition, path, self._inflate))
        return records[::-1]

    def end(self) -> int:
        """The offset that the next accepted line will get."""
        row = self._newest("SELECT next FROM totals")
        return int(row[0]) if row else 0

    def totals(self) -> Totals:
        row = self._newest("SELECT * FROM totals")
        return Totals(*row[3:]) if row else Totals()

    def accepted_at(self, offset: int) -> int:
        """How many events (truth is not counted) were accepted before this offset, which is 0 or the end of a record.

        Those that can no longer be read are counted, too, where they stand before the next one that can.
        """
        firsts = self.firsts()
        for first in firsts[max(bisect_right(firsts, offset) - 1, 0) :]:
            row = self._one(first, "SELECT before FROM records WHERE first >= ? ORDER BY first", offset)
            if row:
                return int(row[0])
        return self.totals().accepted

    def oldest(self) -> Oldest:
        for first in self.firsts():
            try:
                row = self._one(first, "SELECT first, recorded_at FROM records ORDER BY first", None)
            except SpoolUnusable:
                if path_of(self._folder, first).exists():
                    raise
                continue  # trimmed while we looked
            if row:
                return Oldest(*row)
        return Oldest(self.end(), None)

    def last_recorded_at(self, first: int) -> float | None:
        """Of one segment."""
        row = self._one(first, "SELECT recorded_at FROM records ORDER BY first DESC", None)
        return float(row[0]) if row else None

    def _from(self, at: int) -> Iterator[Record]:
        firsts = self.firsts()
        for first in firsts[max(bisect_right(firsts, at) - 1, 0) :]:
            for record in self._rows(first, at):
                if record.first != at:
                    self._explain_hole(at, record.first, firsts[0])
                yield record
                at = record.end

    def _rows(self, first: int, at: int) -> Iterator[Record]:
        """The records of one segment from offset `at` on."""
        path = path_of(self._folder, first)
        with segment.explained(path):
            sql = "SELECT * FROM records WHERE first >= ? ORDER BY first"
            with closing(self._connection(first).execute(sql, (at,))) as rows:
                for row in rows:
                    yield segment.record_of(row, self._partition, path, self._inflate)

    def _newest(self, sql: str) -> tuple[Any, ...] | None:
        firsts = self.firsts()
        return self._one(firsts[-1], sql, None) if firsts else None

    def _one(self, first: int, sql: str, value: int | None) -> tuple[Any, ...] | None:
        with segment.explained(path_of(self._folder, first)):
            cursor = self._connection(first).execute(f"{sql} LIMIT 1", () if value is None else (value,))
            row: tuple[Any, ...] | None = cursor.fetchone()
        if row is not None and not all(isinstance(value, int | float) for value in row):
            raise SpoolDamaged(path_of(self._folder, first), "a number in it is none")
        return row

    def _connection(self, first: int) -> sqlite3.Connection:
        if first not in self._open:
            while len(self._open) >= _OPEN_AT_MOST:
                self._open.pop(next(iter(self._open))).close()
            self._open[first] = segment.open_for_reading(path_of(self._folder, first))
        return self._open[first]

    def _explain_hole(self, at: int, found: int, oldest: int) -> None:
        """Return if the lines from `at` to `found` were trimmed or set aside; raise otherwise."""
        if found <= oldest or any(lost["from"] <= at and found <= lost["to"] for lost in losses(self._folder)):
            return
        self._refuse_inside(at)
        raise SpoolDamaged(path_of(self._folder, found), f"the lines from offset {at} to {found} are missing")

    def _refuse_inside(self, at: int) -> None:
        for first in reversed([first for first in self.firsts() if first < at]):
            row = self._one(first, "SELECT first, count FROM records WHERE first < ? ORDER BY first DESC", at)
            if row:
                if row[0] + row[1] > at:
                    raise ValueError(f"offset {at} is inside the record of offsets {row[0]} to {sum(row)}")
                return


def segments(folder: Path) -> list[int]:
    """The first offsets of the segment files in a partition's folder, sorted."""
    try:
        stems = [path.stem for path in folder.iterdir() if path.suffix == ".db"]
    except (FileNotFoundError, NotADirectoryError):
        return []
    except PermissionError as problem:
        raise SpoolUnusable(f"{folder} cannot be read: check its owner and permissions.") from problem
    except OSError as problem:
        raise SpoolUnusable(f"{folder} cannot be read ({problem.strerror}): check the disk.") from problem
    return sorted(int(stem) for stem in stems if stem.isdecimal() and len(stem) == _DIGITS)


def path_of(folder: Path, first: int) -> Path:
    return folder / f"{first:0{_DIGITS}d}.db"


def losses(folder: Path) -> list[dict[str, Any]]:
    """What was set aside as unreadable: `{"from", "to", "file", "at"}`, in offsets."""
    path = folder / "losses.json"
    try:
        with segment.explained(path):
            data = path.read_bytes() if path.exists() else b"[]"
        found: list[dict[str, Any]] = json.loads(data)
        return [{**lost, "from": int(lost["from"]), "to": int(lost["to"])} for lost in found]
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError) as problem:
        raise SpoolUnusable(
            f"{path}, which says what was set aside, cannot be read: put it back from a backup, or remove it and have "
            "what is then missing set aside again."
        ) from problem
