"""The facts by which the daemon judges itself, read every few seconds."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from monitor.app import word
from monitor.core.selfwatch import SelfFacts, self_findings
from monitor.runtime.desk_self import judge_itself
from monitor.spool import SpoolError
from monitor.store import standings
from monitor.store.facts import AUDIT_VERIFIED, get_fact
from monitor.store.ledger import newest_quarantine, standing, totals

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from monitor.app.engine import Engine
    from monitor.runtime.desk import Desk

EVERY = 10.0  # seconds


class SelfCheck:
    """`look` reads the facts and has the desk decide on them. It remembers when each loss was first seen.

    It belongs to the first engine; of the others it knows what they have left word of.
    """

    def __init__(self, engine: Engine, desk: Desk) -> None:
        self.engine, self.desk = engine, desk
        self._losses: set[str] = set()
        self._lost_at: float | None = None

    def look(self) -> None:
        now = self.engine.clock.now()
        judge_itself(self.desk, self_findings(self.facts(now)), now)

    def facts(self, now: float) -> SelfFacts:
        """Raises LedgerUnavailable."""
        engine, disk, jump = self.engine, os.statvfs(self.engine.home.path), self.engine.clock.check()
        partitions, others = range(engine.settings.partitions), self._others()
        disabled = [engine.telling.failed, *(said.get("detectors_disabled") for said in others)]
        with engine.database.read() as connection:
            waiting, behind = self._backlog(connection, now)
            overdue = standings.overdue(connection, now)
            verified = get_fact(connection, AUDIT_VERIFIED)
            quarantine = newest_quarantine(connection, engine.settings.partitions)
            quarantined = sum(totals(connection, partition).get("quarantined", 0) for partition in partitions)
        return SelfFacts(
            at=now,
            waiting=waiting,
            room=engine.settings.spool.max_waiting_events,
            free=float(disk.f_bavail * disk.f_frsize),
            whole=float(disk.f_blocks * disk.f_frsize),
            behind=behind,
            overdue=overdue,
            detectors_failed=None if disabled[0] is None else sum(count or 0 for count in disabled),
            audit_intact=None if verified is None else json.loads(verified)["code"] == 0,
            clock_jump=0.0 if jump is None else jump.seconds,
            snapshots_failing=any(pump.rotation.failing for pump in engine.pumps)
            or any(said.get("snapshots_failing") for said in others),
            lost_at=self._lost(others, now),
            quarantined_at=quarantine,
            quarantined=quarantined,
        )

    def _backlog(self, connection: Connection, now: float) -> tuple[int | None, float | None]:
        """How many lines wait in all partitions, and for how long the oldest has; None where the spool cannot say."""
        waiting, behind = 0, 0.0
        try:
            for partition in range(self.engine.settings.partitions):
                known = standing(connection, partition)
                cursor, end = 0 if known is None else known.cursor, self.engine.spool.end(partition)
                waiting += max(0, end - cursor)
                place = self.engine.spool.holding(partition, cursor) if end > cursor else None
                if place is not None and place.end > cursor:
                    behind = max(behind, now - place.recorded_at)
        except SpoolError:
            return None, None
        return waiting, behind

    def _others(self) -> list[dict[str, Any]]:
        """The last words of the other engines."""
        return [word.last_of(self.engine.home.run, number) for number in range(1, self.engine.settings.engines)]

    def _lost(self, others: Iterable[dict[str, Any]], now: float) -> float | None:
        losses = {sentence for pump in self.engine.pumps for sentence in pump.losses}
        losses |= {sentence for said in others for sentence in said.get("losses", ())}
        if losses - self._losses:
            self._lost_at = now
        self._losses |= losses
        return self._lost_at
