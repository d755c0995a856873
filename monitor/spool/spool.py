"""The spool: every accepted line, durable and in order, by partition."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Lock
from types import TracebackType

from monitor.spool.errors import SpoolError, SpoolFull
from monitor.spool.lock import writer_lock
from monitor.spool.model import Oldest, Place, Post, Receipt, Record, Totals
from monitor.spool.reading import Reading, segments
from monitor.spool.retention import Retention, trim
from monitor.spool.segment import explained, sync_folder
from monitor.spool.writing import Limits, Writing


@dataclass(frozen=True, slots=True)
class Options:
    """reserve_bytes: appending stops while the disk has less free space, which is kept for the ledger."""

    limits: Limits = field(default_factory=Limits)
    retention: Retention = field(default_factory=Retention)
    reserve_bytes: int = 64 << 20

    @property
    def written(self) -> Limits:
        """As they hold for the writer: no file spans more than a seventh of the time that records are kept."""
        return replace(self.limits, segment_seconds=min(self.limits.segment_seconds, self.retention.seconds / 7))


class Spool:
    """One process opens it for writing and calls `append` from one thread; everything else may be called by any
    thread of any process. Every method may raise `SpoolError`.
    """

    def __init__(self, folder: Path, partitions: int, options: Options, lock: int | None) -> None:
        self._options = options
        self._lock = lock
        self._folders = [folder / str(partition) for partition in range(partitions)]
        self._readings = [Reading(path, partition) for partition, path in enumerate(self._folders)]
        self._writings: list[Writing] = []
        self._turn = Lock()

    @classmethod
    def open(cls, folder: Path, partitions: int = 1, options: Options | None = None, *, write: bool = True) -> Spool:
        """Open for writing (creating what is missing, taking the writer's lock), or only for reading."""
        _refuse_fewer_partitions(folder, partitions)
        options = options or Options()
        if not write:
            return cls(folder, partitions, options, None)
        spool = cls(folder, partitions, options, writer_lock(folder))
        try:
            for partition, path in enumerate(spool._folders):
                if not path.exists():
                    path.mkdir()
                    sync_folder(folder)
                spool._writings.append(Writing(path, partition, options.written))
        except BaseException:
            spool.close()
            raise
        return spool

    def append(self, partition: int, posts: Sequence[Post], now: float, refused: int = 0) -> list[Receipt]:
        """Make these posts of one partition durable: one transaction, all of it or, if this raises, nothing.

        Returns once the disk has it. `refused` posts were turned away since the last call and are counted. May be
        called again whatever it raised: it then looks first at what the disk has.
        """
        with explained(self._folders[partition]):
            room = os.statvfs(self._folders[partition])
        if room.f_bavail * room.f_frsize < self._options.reserve_bytes:
            raise SpoolFull(
                f"The disk of {self._folders[partition]} has less than {self._options.reserve_bytes >> 20} MB "
                f"free, which is kept for the ledger: free some space."
            )
        return self._writings[partition].append(posts, now, refused)

    def read(self, partition: int, after: int, limit_events: int) -> list[Record]:
        """See `Reading.read`."""
        with self._turn:
            return self._readings[partition].read(after, limit_events)

    def read_range(self, partition: int, first: int, end: int) -> list[Record]:
        """See `Reading.read_range`."""
        with self._turn:
            return self._readings[partition].read_range(first, end)

    def holding(self, partition: int, offset: int) -> Place | None:
        """See `Reading.holding`."""
        with self._turn:
            return self._readings[partition].holding(offset)

    def hole(self, partition: int, offset: int) -> tuple[int, int] | None:
        """See `Reading.hole`."""
        with self._turn:
            return self._readings[partition].hole(offset)

    def newest(self, partition: int, lines: int) -> list[Record]:
        """See `Reading.newest`."""
        with self._turn:
            return self._readings[partition].newest(lines)

    def end(self, partition: int) -> int:
        """The offset that the next accepted line will get."""
        with self._turn:
            return self._readings[partition].end()

    def totals(self, partition: int) -> Totals:
        with self._turn:
            return self._readings[partition].totals()

    def accepted_at(self, partition: int, offset: int) -> int:
        """See `Reading.accepted_at`."""
        with self._turn:
            return self._readings[partition].accepted_at(offset)

    def oldest_replayable(self, partition: int) -> Oldest:
        with self._turn:
            return self._readings[partition].oldest()

    def dedup_since(self, partition: int) -> float | None:
        """Ids seen since then are surely recognised; None while there are none. Known to the writer only."""
        return self._writings[partition].ids.since if self._writings else None

    def trim(self, partition: int, before_offset: int, now: float) -> list[Path]:
        """Unlink whole segments that age or size lets go, never what is at or after `before_offset`."""
        with self._turn:
            reading = self._readings[partition]
            return trim(self._folders[partition], reading, before_offset, now, self._options.retention)

    def close(self) -> None:
        for reading in self._readings:
            reading.close()
        try:
            while self._writings:
                self._writings.pop().close()
        finally:
            if self._lock is not None:
                os.close(self._lock)
                self._lock = None

    def __enter__(self) -> Spool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _refuse_fewer_partitions(folder: Path, partitions: int) -> None:
    beyond = [p for p in range(partitions, partitions + 64) if segments(folder / str(p))]
    if beyond:
        raise SpoolError(
            f"{folder} has records in partition {beyond[-1]}, but the settings ask for {partitions} only: "
            f"start with at least {beyond[-1] + 1}, as in partitions = {beyond[-1] + 1}; engines may be fewer."
        )
