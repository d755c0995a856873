"""Calls that go out as one message, and groups that were told of lately and wait for their next one."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Sequence

import structlog

from monitor.core.incidents.model import Incident
from monitor.core.notices.groups import MOST, Group
from monitor.core.notices.keys import PAGES
from monitor.core.notices.last_look import Withheld
from monitor.core.notices.model import Kept, Notice
from monitor.delivery.protocol import Result
from monitor.store import outbox
from monitor.store.database import Database
from monitor.store.outbox import Claimed, StillOwed

log = structlog.get_logger("courier")
_LONGEST = 7 * 86_400.0  # seconds that an interval may have begun ago

Grouping = Callable[[str, Incident], Group | None]  # target, incident


class Groups:
    """What it knows is what the ledger says of messages that went out: a courier that begins reads it there."""

    def __init__(self, grouping: Grouping | None) -> None:
        self._grouping = grouping
        self._lock = threading.Lock()
        self._until: dict[tuple[str, str], float] = {}  # target, group -> when it may be told of again

    def claim(
        self,
        database: Database,
        now: float,
        holder: str,
        lease: float,
        judge: StillOwed,
        looked_at: StillOwed,
        skip: Collection[str],
    ) -> Claimed | None:
        """As `outbox.claim`, with the other calls of its group that are due. `looked_at` is `judge` without a trace."""
        if self._grouping is None:
            return outbox.claim(database, now, holder, lease, judge, skip)

        def fellows(first: Incident, notice: Notice, incident: Incident, others: Sequence[Kept]) -> bool:
            mine = self._group(notice.target, first)
            alike = mine is not None and mine == self._group(notice.target, incident)
            return alike and looked_at(notice, incident, others) is None

        return outbox.claim(database, now, holder, lease, judge, skip, fellows, MOST)

    def waits(self, notice: Notice, incident: Incident, now: float) -> Withheld | None:
        """Why a call is not made yet: its group was told of lately."""
        if self._grouping is None or notice.reason not in PAGES:
            return None
        group = self._group(notice.target, incident)
        with self._lock:
            until = 0.0 if group is None else self._until.get((notice.target, group.key), 0.0)
        return Withheld("its group was told of lately, and waits for its interval", until) if now < until else None

    def recall(self, database: Database, now: float) -> None:
        """Go on with the intervals that messages of an earlier run have begun."""
        if self._grouping is None:
            return
        with database.read() as connection:
            told = outbox.told_lately(connection, now - _LONGEST)
        for target, incident, at in told:
            self._begin(target, incident, at, now)

    def told(self, claimed: Claimed, result: Result | None, now: float) -> None:
        """A message went out. What did not arrive starts no interval."""
        if self._grouping is None or result is None or result.outcome not in ("delivered", "unknown"):
            return
        if claimed.notice.reason in PAGES:
            self._begin(claimed.notice.target, claimed.incident, now, now)

    def _begin(self, target: str, incident: Incident, at: float, now: float) -> None:
        group = self._group(target, incident)
        if group is None or at + group.interval <= now:
            return
        with self._lock:
            self._until = {known: until for known, until in self._until.items() if until > now}
            key = target, group.key
            self._until[key] = max(at + group.interval, self._until.get(key, 0.0))

    def _group(self, target: str, incident: Incident) -> Group | None:
        assert self._grouping is not None
        try:
            return self._grouping(target, incident)
        except Exception:  # in doubt it goes alone, and at once
            log.exception("A notice could not be grouped.", action="courier_failed", incident=incident.id)
            return None
