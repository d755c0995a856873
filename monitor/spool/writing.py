"""Appending to one partition: each call one transaction, with the totals of what it counts."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import zstandard

from monitor.spool import segment
from monitor.spool.errors import SpoolDamaged
from monitor.spool.model import Post, Receipt, Record, Totals
from monitor.spool.planning import Plan, Producers, pack, plan
from monitor.spool.reading import path_of, segments
from monitor.spool.recent import Hashes, RecentIds

MOST_PRODUCERS = 100_000  # when a segment is full, the longest unheard of beyond these are forgotten
_SET_TOTALS = (
    "UPDATE totals SET next=?, recorded_at=?, accepted=?, rejected=?, duplicates=?, refused=?, "
    "truth_accepted=?, truth_rejected=?, truth_duplicates=?"
)
_SET_PRODUCER = (
    "INSERT INTO producers VALUES (?, ?, ?, ?) ON CONFLICT (producer) DO UPDATE SET "
    "sequence=excluded.sequence, digest=excluded.digest, used=excluded.used"
)


@dataclass(frozen=True, slots=True)
class Limits:
    """segment_bytes: a new file once one holds this much. recent_ids: how many ids are surely remembered."""

    segment_bytes: int = 256 << 20
    recent_ids: int = 2_000_000


class Writing:
    """The only writer of one partition's folder."""

    def __init__(self, folder: Path, partition: int, limits: Limits) -> None:
        self._folder = folder
        self._partition = partition
        self._limits = limits
        self._compress = zstandard.ZstdCompressor(level=1)
        if not segments(folder):
            segment.create(path_of(folder, 0), 0, 0.0, Totals(), [])
        *full, newest = segments(folder)
        for first in full:
            _finish(path_of(folder, first))
        self._path = path_of(folder, newest)
        self._connection = segment.open_for_writing(self._path)
        self._next, self._recorded_at, self._totals, self._producers = _state(self._connection, self._path)
        self._bytes = self._path.stat().st_size
        self.ids = _remembered(folder, partition, limits.recent_ids)

    @property
    def totals(self) -> Totals:
        return self._totals

    def append(self, posts: Sequence[Post], now: float, refused: int = 0) -> list[Receipt]:
        """Make these posts durable, and `refused` more refused ones counted: all of it or, if this raises, nothing."""
        at = max(now, self._recorded_at)
        plans, moved = plan(posts, self.ids.known, self._producers)
        records = list(pack(plans, self._partition, self._next, at))
        next_ = records[-1][0].end if records else self._next
        recorded_at = at if records else self._recorded_at
        totals = _counted(self._totals, plans, refused)
        with segment.explained(self._path):
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                size = self._insert(records)
                self._connection.execute(_SET_TOTALS, (next_, recorded_at, *totals))
                changed = [(producer, *number, at) for producer, number in moved.items()]
                self._connection.executemany(_SET_PRODUCER, changed)
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise
        self._next, self._recorded_at, self._totals = next_, recorded_at, totals
        self._learn(plans, moved, at)
        self._bytes += size
        if self._bytes >= self._limits.segment_bytes:
            self._roll()
        return [item.receipt for item in plans]

    def close(self) -> None:
        segment.close_cleanly(self._connection, self._path)

    def _insert(self, records: Sequence[tuple[Record, bytes]]) -> int:
        before, size = self._totals.accepted, 0
        for record, hashes in records:
            payload = self._compress.compress(record.payload)
            segment.insert(self._connection, record, before, hashes, payload)
            before += record.count if record.kind == "events" else 0
            size += len(payload) + len(hashes)
        return size

    def _learn(self, plans: Sequence[Plan], moved: Producers, at: float) -> None:
        new = [item.hashes for item in plans if item.hashes.size]
        if new:
            self.ids.add(np.concatenate(new), at)
        for producer, number in moved.items():
            self._producers.pop(producer, None)  # the dict is in order of last use
            self._producers[producer] = number

    def _roll(self) -> None:
        if self._next == int(self._path.stem):
            return  # no record yet: a new file would have the same name
        with segment.explained(self._path):
            rows = self._connection.execute("SELECT * FROM producers ORDER BY used DESC").fetchmany(MOST_PRODUCERS)
        segment.create(path_of(self._folder, self._next), self._next, self._recorded_at, self._totals, rows)
        segment.close_cleanly(self._connection, self._path)
        self._path = path_of(self._folder, self._next)
        self._connection = segment.open_for_writing(self._path)
        self._bytes = self._path.stat().st_size


def _state(connection: sqlite3.Connection, path: Path) -> tuple[int, float, Totals, Producers]:
    with segment.explained(path):
        row = connection.execute("SELECT * FROM totals").fetchone()
        if row is None:
            raise SpoolDamaged(path, "its totals are missing")
        used = connection.execute("SELECT producer, sequence, digest FROM producers ORDER BY used")
        producers: Producers = {producer: (sequence, digest) for producer, sequence, digest in used}
    _, next_, recorded_at, *counts = row
    return next_, recorded_at, Totals(*counts), producers


def _counted(totals: Totals, plans: Sequence[Plan], refused: int) -> Totals:
    for item in plans:
        receipt = item.receipt
        if not receipt.conflict:  # the caller refuses such a post, and counts it
            totals = totals.plus(item.post.kind, receipt.accepted, item.post.rejected, receipt.duplicates)
    return totals._replace(refused=totals.refused + refused)


def _finish(path: Path) -> None:
    """Bring what is left in the journal of a segment that is full into the segment."""
    if any(companion.exists() for companion in segment.companions(path)):
        segment.close_cleanly(segment.open_for_writing(path), path)


def _remembered(folder: Path, partition: int, reach: int) -> RecentIds:
    """The newest ids that the records still hold."""
    kept: list[tuple[float, Hashes]] = []
    count = 0
    for first in reversed(segments(folder)):
        with segment.explained(path_of(folder, first)):
            connection = segment.open_for_reading(path_of(folder, first))
            for at, hashes in connection.execute("SELECT recorded_at, hashes FROM records ORDER BY first DESC"):
                kept.append((at, np.frombuffer(hashes, dtype="<u8").astype(np.uint64)))
                count += len(kept[-1][1])
                if count >= reach:
                    break
            connection.close()
        if count >= reach:
            break
    ids = RecentIds(reach)
    for at, hashes in reversed(kept):
        ids.add(hashes, at)
    return ids
