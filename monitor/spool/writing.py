"""Appending to one partition: each call one transaction, with the totals of what it counts."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import zstandard

from monitor.killpoints import point
from monitor.spool import segment
from monitor.spool.errors import SpoolBusy, SpoolError
from monitor.spool.model import KINDS, Post, Receipt, Record, Totals
from monitor.spool.planning import Plan, Producers, pack, plan
from monitor.spool.reading import path_of, segments
from monitor.spool.recent import Hashes, RecentIds
from monitor.spool.standing import enter

log = logging.getLogger(__name__)

ROLL_AGAIN = 60.0  # seconds until a new segment is tried again, when one could not be made
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
    """segment_bytes, segment_seconds: a new file once one holds this much, or records of so long a time, since only
    whole files are let go. recent_ids: how many ids are surely remembered.
    """

    segment_bytes: int = 256 << 20
    segment_seconds: float = 86_400.0
    recent_ids: int = 2_000_000


class Writing:
    """The only writer of one partition's folder. A failed append does not end it: since nobody knows what of it
    reached the disk, the next one looks there first, and goes on from what it finds.
    """

    def __init__(self, folder: Path, partition: int, limits: Limits) -> None:
        self._folder = folder
        self._partition = partition
        self._limits = limits
        self._compress = zstandard.ZstdCompressor(level=1)
        self._roll_again = float("-inf")
        if not segments(folder):
            segment.create(path_of(folder, 0), 0, 0.0, Totals(), [])
        self._now, _ = enter(folder)
        self._sound = True
        self.ids = _remembered(folder, partition, limits.recent_ids)

    @property
    def totals(self) -> Totals:
        return self._now.totals

    def append(self, posts: Sequence[Post], now: float, refused: int = 0) -> list[Receipt]:
        """Make these posts durable, and `refused` more refused ones counted: all of it or, if this raises, nothing."""
        if not self._sound:
            self._look_again()
        at = max(now, self._now.recorded_at)
        if self._is_due(at):
            self._roll(at)
        plans, moved = plan(posts, self.ids.known, self._now.producers)
        try:
            self._commit(plans, moved, at, refused)
        except BaseException as problem:
            self._sound = isinstance(problem, SpoolBusy)  # whoever has locked the file let nothing of this in
            raise
        return [item.receipt for item in plans]

    def close(self) -> None:
        segment.close_cleanly(self._now.connection, self._now.path)

    def _commit(self, plans: Sequence[Plan], moved: Producers, at: float, refused: int) -> None:
        now = self._now
        records = list(pack(plans, self._partition, now.next, at))
        next_ = records[-1][0].end if records else now.next
        recorded_at = at if records else now.recorded_at
        totals = _counted(now.totals, plans, refused)
        with segment.explained(now.path):
            try:
                now.connection.execute("BEGIN IMMEDIATE")
                size = self._insert(records)
                now.connection.execute(_SET_TOTALS, (next_, recorded_at, *totals))
                changed = [(producer, *number, at) for producer, number in moved.items()]
                now.connection.executemany(_SET_PRODUCER, changed)
                point("before spool fsync")
                now.connection.execute("COMMIT")
                point("after spool fsync")
            except BaseException:
                if now.connection.in_transaction:
                    now.connection.execute("ROLLBACK")
                raise
        self._learn(plans, moved, at)
        now.next, now.recorded_at, now.totals = next_, recorded_at, totals
        now.bytes_ += size
        if records and now.since is None:
            now.since = at

    def _insert(self, records: Sequence[tuple[Record, bytes]]) -> int:
        before, size = self._now.totals.accepted, 0
        for record, hashes in records:
            payload = self._compress.compress(record.payload)
            segment.insert(self._now.connection, record, before, hashes, payload)
            before += record.count if record.kind == "events" else 0
            size += len(payload) + len(hashes)
        return size

    def _learn(self, plans: Sequence[Plan], moved: Producers, at: float) -> None:
        new = [item.hashes for item in plans if item.hashes.size]
        if new:
            self.ids.add(np.concatenate(new), at)
        for producer, number in moved.items():
            self._now.producers.pop(producer, None)  # the dict is in order of last use
            self._now.producers[producer] = number

    # -- segments -----------------------------------------------------------------------------------------------

    def _is_due(self, at: float) -> bool:
        """Whether the segment holds enough, or records of so long a time, that the next record begins a new one."""
        since = self._now.since
        if since is None or at < self._roll_again:
            return False
        return self._now.bytes_ >= self._limits.segment_bytes or at - since >= self._limits.segment_seconds

    def _roll(self, at: float) -> None:
        """Begin a new segment; where none can be made, the one there is goes on."""
        now = self._now
        path = path_of(self._folder, now.next)
        try:
            with segment.explained(now.path):
                rows = now.connection.execute("SELECT * FROM producers ORDER BY used DESC").fetchmany(MOST_PRODUCERS)
            segment.create(path, now.next, now.recorded_at, now.totals, rows)
        except SpoolError as problem:
            if not path.exists():
                self._roll_again = at + ROLL_AGAIN
                log.warning("%s The spool goes on in %s, though it is due for a new file.", problem, now.path.name)
                return
        # Readers take the new one for the newest from here on, so nothing may go into the old one any more.
        self._sound = False
        self._look_again()

    def _look_again(self) -> None:
        """Go on from what the newest segment holds. May be tried again if it raises."""
        stale, known = self._now.connection, self._now.next
        with suppress(sqlite3.Error):
            stale.rollback()  # what it has begun would lock us out
        self._now, found = enter(self._folder, known)
        for at, hashes in found:
            self.ids.add(_hashes(hashes), at)
        self._sound = True
        with suppress(sqlite3.Error):
            stale.close()  # not earlier: whoever closes a file last takes its journal away


def _counted(totals: Totals, plans: Sequence[Plan], refused: int) -> Totals:
    for kind in KINDS:
        mine = [p for p in plans if p.post.kind == kind and not p.receipt.conflict]  # such a post the caller counts
        accepted, duplicates = sum(p.receipt[0] for p in mine), sum(p.receipt[1] for p in mine)
        totals = totals.plus(kind, accepted, sum(p.post.rejected for p in mine), duplicates)
    return totals._replace(refused=totals.refused + refused)


def _remembered(folder: Path, partition: int, reach: int) -> RecentIds:
    """The newest ids that the records still hold."""
    kept: list[tuple[float, Hashes]] = []
    count = 0
    for first in reversed(segments(folder)):
        with segment.explained(path_of(folder, first)):
            connection = segment.open_for_reading(path_of(folder, first))
            for at, hashes in connection.execute("SELECT recorded_at, hashes FROM records ORDER BY first DESC"):
                kept.append((at, _hashes(hashes)))
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


def _hashes(kept: bytes) -> Hashes:
    return np.frombuffer(kept, dtype="<u8").astype(np.uint64)
