"""The daily digest: one message for what did not need one of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from monitor.core.notices.clean import clean
from monitor.core.rules.wording import counted
from monitor.core.times import rfc3339
from monitor.delivery.protocol import Outgoing, Sender
from monitor.store import outbox, queries
from monitor.store.database import Connection, Database

log = structlog.get_logger("digest")

DAY = 86_400.0
SHOWN = 20  # incidents named in one digest
DEADLINE = 30.0  # seconds for one receiver


@dataclass(frozen=True, slots=True)
class Day:
    """What happened since `since`: incidents that moved, by state, and notices by state."""

    since: float
    until: float
    incidents: Sequence[Mapping[str, Any]]
    open_: int
    unfinished: int


def read_day(connection: Connection, now: float) -> Day:
    """The last 24 hours as the ledger tells them."""
    moved, _ = queries.incidents(connection, since=now - DAY, limit=500)
    counts = queries.incident_counts(connection)
    waiting = outbox.counts(connection)
    return Day(
        now - DAY,
        now,
        moved,
        sum(n for (state, _), n in counts.items() if state == "open"),
        sum(waiting.get(state, 0) for state in ("pending", "sending", "retry", "unknown")),
    )


def compose(day: Day, url: str, head: tuple[int, bytes]) -> Outgoing:
    """The message. Low severities are named first: nothing else has told of them one by one."""
    low = [i for i in day.incidents if i["severity"] == "low"]
    rest = [i for i in day.incidents if i["severity"] != "low"]
    span = f"From {rfc3339(round(day.since))} to {rfc3339(round(day.until))}"
    moved, owed = counted(len(day.incidents), "incident"), counted(day.unfinished, "message")
    lines = [f"{span}: {moved} moved; {day.open_:,} open now, {owed} owed."]
    for title, found in (("Of low severity:", low), ("Others:", rest)):
        if found:
            lines += ["", title, *[_line(incident) for incident in found[:SHOWN]]]
            lines += [f"… and {len(found) - SHOWN} more."] if len(found) > SHOWN else []
    size, root = head
    lines += ["", f"All of them: {url}/incidents?state=all", f"audit {size} {root.hex()[:8]}"]
    return Outgoing(f"Overloop: {moved} in a day", "\n".join(lines), "low", "", "digest")


def _line(incident: Mapping[str, Any]) -> str:
    return f"- {incident['state']}, {incident['severity']}: {clean(incident['summary'], 300)}"


def send_digest(
    database: Database, senders: Mapping[str, Sender], receivers: Sequence[str], url: str, now: float
) -> int:
    """Send the day's digest once to each receiver; answers how many took it. A failure is logged, not tried again.

    The next one tells the same again where it still matters, so a digest is no page and owes nothing.
    """
    with database.read() as connection:
        message = compose(read_day(connection, now), url, queries.head(connection))
    taken = 0
    for name in receivers:
        sender = senders.get(name)
        result = None if sender is None else sender.send(message, DEADLINE)
        if result is not None and result.outcome == "delivered":
            taken += 1
        else:
            why = "it is not configured" if result is None else result.problem
            log.warning(f"The digest did not reach {name}: {why}", action="digest_failed", receiver=name)
    return taken
