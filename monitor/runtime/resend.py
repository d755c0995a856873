"""What stands is said again to receivers that forget what they are not told again: Alertmanagers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

import structlog

from monitor.core.incidents.model import Incident
from monitor.core.notices.alert import alert_of
from monitor.core.notices.render import Links
from monitor.delivery.alertmanager import AlertmanagerSender
from monitor.delivery.protocol import Sender
from monitor.runtime.courier_delivery import Labels
from monitor.store.database import Database
from monitor.store.outbox import called

log = structlog.get_logger("courier")

DEADLINE = 10.0  # seconds for one receiver


def resend(database: Database, senders: Mapping[str, Sender], labels: Labels, links: Links, now: float) -> int:
    """Tell each Alertmanager of the incidents it was called about and that stand; answers how many were told.

    Nothing is owed by it: what fails is said again the next time. The messages of the outbox are sent beside it.
    """
    targets = {name: sender for name, sender in senders.items() if isinstance(sender, AlertmanagerSender)}
    if not targets:
        return 0
    with database.read() as connection:
        standing = called(connection, list(targets))
    by_target: dict[str, list[Incident]] = defaultdict(list)
    for name, incident in standing:
        by_target[name].append(incident)
    told = 0
    for name, incidents in by_target.items():
        alerts = [alert_of(i, links.incident(i.id) or "", labels(i)) for i in incidents]
        result = targets[name].refresh(alerts, now, DEADLINE)
        told += result.outcome == "delivered"
        if result.outcome != "delivered":
            log.warning(
                "An Alertmanager was not told again of what stands; it is told in a minute.",
                action="resend_failed",
                receiver=name,
                problem=result.problem,
            )
    return told
