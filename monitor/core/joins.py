"""Truth joined to its event: labels come hours or weeks later, and some come first.

Of every event only the columns that truth rules read are kept, for 30 days of rule time and within a bound of
bytes, oldest dropped first. Every truth is in exactly one of these: joined (of these `early` waited for their event,
`late` came after `matures`), duplicate, expired (no event of that id within the time), or still waiting. Every event
is joined, pending, or `never` (dropped without a truth). What is joined depends on the rows and their times only,
never on how they were cut into batches.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from monitor.core.events import MISSING, Batch, Bools, Floats, Ints
from monitor.core.pending.store import BLOCK, Store
from monitor.core.pending.waiting import Waiting
from monitor.core.state import StateError
from monitor.core.windows.hashing import Hashes, hashes

COUNTS = ("joined", "early", "late", "duplicate", "expired", "never", "repeated", "folded", "unsampled")


@dataclass(frozen=True, slots=True)
class JoinLimits:
    """How long and how much is kept. A truth later than `matures` seconds counts as late, but is joined."""

    seconds: float = 30 * 86400.0
    bytes: int = 256_000_000
    matures: float | None = None


class Join:
    """The events of one model that wait for their truth. `counts` are totals since the watch began.

    `repeated` counts events whose id is already kept (they are not joined again), `folded` values that are too big
    to keep. `clock` is the rule clock of each row; without it, `recorded_at`.
    """

    def __init__(self, columns: tuple[str, ...], model: str, limits: JoinLimits | None = None) -> None:
        self.columns = columns
        self.model = model
        self.limits = limits or JoinLimits()
        self.counts = dict.fromkeys(COUNTS, 0)
        self._store = Store(columns)
        self._waiting = Waiting()
        self._clock = -np.inf

    @property
    def pending(self) -> int:
        """Events kept, with or without their truth."""
        return self._store.end - self._store.base

    @property
    def waiting(self) -> int:
        """Truths that wait for their event."""
        return len(self._waiting)

    def adopt(self, columns: tuple[str, ...], limits: JoinLimits) -> None:
        """Go on with other columns and limits. What waits goes on waiting; it has no value in columns that are new."""
        self.columns, self.limits = columns, limits
        self._store.adopt(columns)

    def events(self, batch: Batch, clock: Floats | None = None) -> Batch | None:
        """Keep events. Answers those that have their truth already: it came with them, or was waiting for them."""
        clock = batch.recorded_at if clock is None else clock
        ids, inline = _hashed(batch), _inline(batch)
        early: dict[int, dict[str, Any]] = {}
        joined: list[Ints] = []
        start = 0
        while start < batch.n:
            rows = np.arange(start, self._end(clock, start))
            joined.append(self._keep(batch, rows, ids, clock, inline, early))
            start += len(rows)
        self._forget(clock)
        rows = np.concatenate(joined) if joined else np.zeros(0, dtype=np.int64)
        return self._joined_now(batch, rows, early) if len(rows) else None

    def truths(self, batch: Batch, clock: Floats | None = None) -> Batch | None:
        """Join truths that came later to their events; those without an event wait. Answers the joined ones.

        `at`, `recorded_at` and offsets are the truth's, versions and columns the event's.
        """
        clock = batch.recorded_at if clock is None else clock
        ids = _hashed(batch)
        rows = self._store.find(ids, clock - self.limits.seconds)
        known = np.flatnonzero(rows >= 0)
        fresh = known[~self._store.get("joined", rows[known])]
        fresh = fresh[np.sort(np.unique(rows[fresh], return_index=True)[1])]
        self.counts["joined"] += len(fresh)
        self.counts["duplicate"] += len(known) - len(fresh)
        self._store.set("joined", rows[fresh], True)
        if self.limits.matures is not None:
            delay = clock[fresh] - self._store.get("clock", rows[fresh])
            self.counts["late"] += int(np.count_nonzero(delay > self.limits.matures))
        self._wait(batch, np.flatnonzero(rows < 0), ids, clock)
        self._forget(clock)
        return self._joined_later(batch, fresh, rows[fresh]) if len(fresh) else None

    def knows(self, batch: Batch, clock: Floats) -> Bools:
        """Which rows have the id of an event that is kept, as of each row's clock."""
        known: Bools = self._store.find(_hashed(batch), clock - self.limits.seconds) >= 0
        return known

    def hand_over(self, batch: Batch, to: Join) -> None:
        """Truths that wait here for these events wait there from now on, where the events will be kept."""
        for id_ in _hashed(batch).tolist() if len(self._waiting) else ():
            truth = self._waiting.pop(id_)
            if truth is not None:
                to._waiting.put(id_, truth)

    def inherit(self, gone: Join) -> None:
        """Count on for a join that is given up: what still waits in it will never meet its other half."""
        self.counts = {name: n + gone.counts[name] for name, n in self.counts.items()}
        self.counts["never"] += gone._store.unjoined()
        self.counts["expired"] += gone.waiting

    def _end(self, clock: Floats, start: int) -> int:
        """The end of the rows that can be kept at once, so that nothing depends on how batches are cut.

        They stay within one block, because a full one may push out others, and within the time of one id.
        """
        together = int(np.searchsorted(clock - self.limits.seconds, clock[start], side="right"))
        return min(len(clock), start + self._store.space, max(together, start + 1))

    def _keep(
        self, batch: Batch, rows: Ints, ids: Hashes, clock: Floats, inline: Bools, early: dict[int, dict[str, Any]]
    ) -> Ints:
        """Store the rows of one block; answers those that are joined at once, and adds truths that waited."""
        fresh = rows[self._store.find(ids[rows], clock[rows] - self.limits.seconds) < 0]
        fresh = fresh[np.sort(np.unique(ids[fresh], return_index=True)[1])]
        self.counts["repeated"] += len(rows) - len(fresh)
        if len(fresh) == 0:
            return fresh
        waited = self._collect(fresh, ids, clock, inline)
        early |= waited
        joined = inline[fresh] | np.isin(fresh, list(waited))
        self.counts["joined"] += int(np.count_nonzero(joined))
        self.counts["early"] += len(waited)
        picked = fresh.tolist()
        columns = {path: _pick(batch, path, picked) for path in self.columns}
        versions = [batch.versions[i] for i in picked]
        self.counts["folded"] += self._store.append(ids[fresh], clock[fresh], versions, joined, columns)
        full = self._store.space == BLOCK
        while full and len(self._store.blocks) > 1 and self._store.size() > self.limits.bytes:
            self.counts["never"] += self._store.drop()
        return fresh[joined]

    def _collect(self, rows: Ints, ids: Hashes, clock: Floats, inline: Bools) -> dict[int, dict[str, Any]]:
        """The truths that wait for these events, by row."""
        found: dict[int, dict[str, Any]] = {}
        for row in rows.tolist() if len(self._waiting) else ():
            truth = self._waiting.pop(int(ids[row]))
            if truth is None:
                continue
            if clock[row] - truth.clock > self.limits.seconds:
                self.counts["expired"] += 1
            elif inline[row]:
                self.counts["duplicate"] += 1
            else:
                found[row] = truth.values
        return found

    def _wait(self, batch: Batch, rows: Ints, ids: Hashes, clock: Floats) -> None:
        """Remember truths whose event is not here."""
        paths = _truth_paths(batch)
        for row in rows.tolist():
            before = self._waiting.get(int(ids[row]))
            if before is not None and clock[row] - before.clock <= self.limits.seconds:
                self.counts["duplicate"] += 1
                continue
            if before is not None:
                self._waiting.pop(int(ids[row]))
                self.counts["expired"] += 1
            values = {path: batch.columns[path][row] for path in paths}
            self.counts["folded"] += self._waiting.add(int(ids[row]), float(clock[row]), values)
            self.counts["expired"] += self._waiting.shrink(self.limits.bytes // 8)

    def _forget(self, clock: Floats) -> None:
        if len(clock):
            self._clock = max(self._clock, float(clock.max()))
            self.counts["never"] += self._store.drop_before(self._clock - self.limits.seconds)
            self.counts["expired"] += self._waiting.drop_before(self._clock - self.limits.seconds)

    def _joined_now(self, batch: Batch, rows: Ints, early: dict[int, dict[str, Any]]) -> Batch:
        picked = rows.tolist()
        paths = sorted({*_truth_paths(batch), *(path for values in early.values() for path in values)})
        columns = {path: _pick(batch, path, picked) for path in (*self.columns, *paths)}
        for place, row in enumerate(picked):
            if row in early:
                for path in paths:
                    columns[path][place] = early[row].get(path, MISSING)
        return _arrived(batch, rows, columns, [batch.versions[row] for row in picked])

    def _joined_later(self, batch: Batch, rows: Ints, stored: Ints) -> Batch:
        columns = {path: self._store.values(path, stored) for path in self.columns}
        columns |= {path: _pick(batch, path, rows.tolist()) for path in _truth_paths(batch)}
        return _arrived(batch, rows, columns, self._store.versions(stored))

    def memory(self) -> int:
        """Bytes held, estimated."""
        return self._store.memory() + self._waiting.size

    def save(self) -> Any:
        """State for `core.state.dump`."""
        counts, clock = dict(self.counts), self._clock
        return {"v": 1, "counts": counts, "clock": clock, "store": self._store.save(), "waiting": self._waiting.save()}

    def load(self, saved: Any) -> None:
        """Continue from `save`. Raises StateError for another version or other columns."""
        if saved.get("v") != 1:
            raise StateError(f"the truth join has version {saved.get('v')}, this program reads 1")
        self._store.load(saved["store"])
        self._waiting.load(saved["waiting"])
        self.counts, self._clock = dict(saved["counts"]), saved["clock"]


def _hashed(batch: Batch) -> Hashes:
    return batch.derived("hash64", "", lambda: hashes(batch.ids))


def _truth_paths(batch: Batch) -> list[str]:
    return [path for path in batch.columns if path.startswith("truth.")]


def _inline(batch: Batch) -> Bools:
    """Which events brought their truth with them."""
    inline = np.zeros(batch.n, dtype=bool)
    for path in _truth_paths(batch):
        inline |= batch.present(path)
    return inline


def _pick(batch: Batch, path: str, rows: list[int]) -> list[Any]:
    values = batch.raw(path)
    return [values[row] for row in rows]


def _arrived(batch: Batch, rows: Ints, columns: dict[str, list[Any]], versions: list[str | None]) -> Batch:
    """A joined batch: when and where the truth (or, of the two, the event) arrived, and the event's columns."""
    return Batch(
        model=batch.model,
        ids=[batch.ids[row] for row in rows.tolist()],
        at=batch.at[rows],
        recorded_at=batch.recorded_at[rows],
        offsets=batch.offsets[rows],
        columns=columns,
        versions=versions,
        event_time=batch.event_time,
        live=batch.live,
    )
