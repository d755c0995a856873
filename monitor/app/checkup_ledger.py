"""What the ledger says for `overloop doctor`: steps, messages, receivers, and the audit log's last check."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from monitor.app.looks import Look
from monitor.core.incidents.words import clock_text, duration_text
from monitor.settings import Settings, SettingsError
from monitor.settings.secrets import addresses
from monitor.settings.telling import policy
from monitor.store import outbox, standings
from monitor.store.errors import LedgerUnavailable
from monitor.store.facts import AUDIT_VERIFIED, get_fact
from monitor.store.ledger import standing

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from monitor.app.home import Home

STEPS = 60.0  # seconds without a step after which something is wrong: ticks come every 15
LATE = 600.0  # seconds for which a message may be due; a receiver that fails is left alone for five minutes
CHECKED = 3 * 86_400.0  # seconds since the audit log was last checked, which is done daily


def look_at_ledger(home: Home, settings: Settings, environ: Mapping[str, str], now: float) -> Iterator[Look]:
    """Looks at what is on record."""
    try:
        with home.database() as database, database.read() as connection:
            yield _step(connection, settings.partitions, now)
            yield from _receivers(connection, settings, environ, now)
            yield _delivery(connection, now)
            yield _audit(connection, now)
    except LedgerUnavailable as problem:
        yield Look("ledger", "problem", str(problem), "Stop what holds the ledger, or restore a backup of it.")


def _step(connection: Connection, partitions: int, now: float) -> Look:
    known = [standing(connection, partition) for partition in range(partitions)]
    times = [taken.at for taken in known if taken is not None and taken.seq > 0]
    if len(times) < partitions:
        remedy = "Start the daemon, and look at its log if this stays so."
        return Look("step", "problem", "No step was ever completed: nothing has been watched yet.", remedy)
    age = max(0.0, now - min(times))
    sentence = f"The last step was completed {_ago(age)}, at {clock_text(min(times))}."
    if age > STEPS:
        remedy = "Start the daemon if it is down; else its log says what it waits for."
        return Look("step", "problem", sentence, remedy)
    return Look("step", "ok", sentence)


def _receivers(connection: Connection, settings: Settings, environ: Mapping[str, str], now: float) -> Iterator[Look]:
    try:
        addresses(settings, environ)
    except SettingsError as problem:
        remedy = "Fine if the daemon's own environment has it, as that of a unit; else the daemon will not start."
        yield Look("receivers", "warning", str(problem), remedy)
    known = standings.standings(connection, now)
    configured = [receiver.name for receiver in policy(settings, environ).receivers]
    kept = json.loads(get_fact(connection, outbox.ADDRESSES) or "{}")
    names = dict.fromkeys([*configured, *kept])
    if not names:
        remedy = "Set OVERLOOP_NOTIFY to an Apprise URL, or [receivers] in overloop.toml (docs/alerting.md)."
        yield Look("receivers", "warning", "There are no receivers, so nobody is told of anything.", remedy)
    for name in names:
        yield _receiver(name, known.get(name), now)


def _receiver(name: str, found: standings.Standing | None, now: float) -> Look:
    what, remedy = (
        f"receiver {name}",
        f"Run `overloop receivers test {name}`, and correct its address or what it allows.",
    )
    if found is None or (found.delivered_at is None and found.failed_at is None and not found.trying):
        return Look(what, "ok", f'The receiver "{name}" has not been sent anything in the last week.')
    heard = "never" if found.delivered_at is None else _ago(now - found.delivered_at)
    said = f'The receiver "{name}" last took a message {heard}'.replace("last took a message never", "never took one")
    if found.trying:
        several = "1 message is" if found.trying == 1 else f"{found.trying} messages are"
        return Look(what, "problem", f"{said}, and {several} tried again and again: {found.problem}", remedy)
    if found.failed_at is not None and (found.delivered_at is None or found.failed_at > found.delivered_at):
        return Look(what, "problem", f"{said}, and failed {_ago(now - found.failed_at)}: {found.problem}", remedy)
    return Look(what, "ok", f"{said}.")


def _delivery(connection: Connection, now: float) -> Look:
    late, oldest = standings.overdue(connection, now), outbox.oldest_pending(connection)
    if late > LATE:
        sentence = f"A message has been due for {duration_text(round(late))}, and nobody takes it up."
        return Look("delivery", "problem", sentence, "Start the daemon if it is down; else look for `courier_failed`.")
    times = [s.delivered_at for s in standings.standings(connection, now).values() if s.delivered_at is not None]
    said = f"The last message was delivered {_ago(now - max(times))}" if times else "No message was delivered lately"
    owed = "none is owed" if oldest is None else f"the oldest that is owed has been so for {_span(now - oldest)}"
    return Look("delivery", "ok", f"{said}, and {owed}.")


def _audit(connection: Connection, now: float) -> Look:
    kept = get_fact(connection, AUDIT_VERIFIED)
    if kept is None:
        remedy = "Run `overloop audit verify` to check it now; a daemon that runs does so once a day."
        return Look("audit", "warning", "The audit log has not been checked yet.", remedy)
    last = json.loads(kept)
    sentence = f"Checked {_ago(now - last['at'])}: {last['sentence']}"
    if last["code"] != 0:
        remedy = (
            "Copy the home folder before anything else, then see docs/operations.md, The audit log does not verify."
        )
        return Look("audit", "problem", sentence, remedy)
    if now - last["at"] > CHECKED:
        return Look(
            "audit", "warning", sentence, "Run `overloop audit verify`, and look why the daemon no longer does."
        )
    return Look("audit", "ok", sentence)


def _ago(seconds: float) -> str:
    return f"{_span(seconds)} ago"


def _span(seconds: float) -> str:
    return duration_text(round(max(0.0, seconds)))
