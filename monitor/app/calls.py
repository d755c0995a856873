"""What the courier asks of the rest of the engine about a call, and tells it of receivers."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import structlog

from monitor.clock import Clock
from monitor.core.incidents.model import Incident
from monitor.core.notices.groups import Group, group_of
from monitor.core.notices.holds import NOTHING_AROUND, Hold, call_held, standing
from monitor.core.oversight.links import link_for, seal
from monitor.runtime.desk import Desk
from monitor.store.ledger import load_view
from monitor.store.outbox import Claimed

log = structlog.get_logger("engine")


class Calls:
    """`key` signs links, which lead to `url`; `wake` wakes whoever decides about calls."""

    def __init__(self, desk: Desk, clock: Clock, key: bytes, url: str, wake: Callable[[], None]) -> None:
        self._desk, self._clock, self._key, self._url, self._wake = desk, clock, key, url, wake

    def labels(self, incident: Incident) -> Mapping[str, str]:
        """Those of the incident's rule, if there still is one."""
        found = self._desk.book().find(incident.key, incident.model)
        return {} if found is None else found[1].labels

    def group(self, target: str, incident: Incident) -> Group | None:
        """Which other calls may be sent with one about an incident."""
        return group_of(target, incident, self._desk.policy, self.labels(incident), self._clock.now())

    def held(self, target: str, incident: Incident) -> Hold | None:
        """What holds back a call that was decided on some time ago. Raises LedgerUnavailable."""
        policy, now, around = self._desk.policy, self._clock.now(), NOTHING_AROUND
        if policy.inhibitions:  # they ask for what else stands
            with self._desk.database.read() as connection:
                around = standing(load_view(connection, 0, now).incidents.values(), self._desk.book(), policy)
        return call_held(target, incident, policy, self.labels(incident), now, around)

    def link(self, claimed: Claimed, at: float) -> str | None:
        """An acknowledge link, for those receivers that are to have some."""
        target = claimed.notice.target
        if not any(receiver.name == target and receiver.ack_links for receiver in self._desk.policy.receivers):
            return None
        link = link_for(claimed.incident.id, target, claimed.notice.key, claimed.attempt, at)
        return f"{self._url}/a/{seal(link, self._key)}"

    def broke(self, name: str, problem: str) -> None:
        """A receiver takes no messages: others are called. Raises LedgerUnavailable."""
        self._desk.receiver_failing(name, problem)
        log.error("A receiver takes no messages.", action="receiver_failing", receiver=name, problem=problem)
        self._wake()

    def works(self, name: str) -> None:
        """A receiver took a message. Raises LedgerUnavailable."""
        self._desk.receiver_works(name)
        self._wake()
