"""The rules by which the daemon watches itself: a pack of its own, always in force, on a model of its own.

Their conditions are judged by `selfwatch`; all else (incidents, notices, silences, audit) is as for any other rule.
"""

from __future__ import annotations

from typing import Final

from monitor.core.rules.model import Pack, Position, Rule, Severity, Windowed

SELF: Final = "overloop"  # the pack, and the model that stands for the daemon
_DOCTOR: Final = "Run `overloop doctor`: it says what is wrong and what to do."
_NOWHERE: Final = Position("overloop", 1, 1)


def _rule(
    name: str, severity: Severity, limit: float, clear: float, words: tuple[str, str, str], for_: float = 0.0
) -> Rule:
    """A limit, the level at which it is over again, and summary, meaning, action."""
    over = limit >= clear
    form = Windowed("measure", name, 60.0, limit if over else None, None if over else limit, clear)
    texts = dict(zip(("summary", "meaning", "action"), words, strict=True))
    return Rule(SELF, name, form, severity, _NOWHERE, for_, annotations=texts)


SPOOL_FILLING: Final = _rule(
    "SpoolFilling",
    "high",
    0.5,
    0.25,
    (
        "{value} of the events that may wait to be observed are waiting.",
        "The engine takes in less than is sent. Beyond spool.max_waiting_events posts are refused with 503.",
        f"See whether the engine works (`observe_failed`, `waiting_ledger` in its log) or is sent too much. {_DOCTOR}",
    ),
)
DISK_FILLING: Final = _rule(
    "DiskFilling",
    "high",
    2.0,
    3.0,
    (
        "The disk of the home folder is nearly full.",
        "Soon events will be refused with 503. What people do is kept for a while longer, on space set aside for it.",
        "Free space on that disk, or lower spool.retain_gb; nothing has to be restarted.",
    ),
)
PUMP_BEHIND: Final = _rule(
    "PumpBehind",
    "high",
    120.0,
    30.0,
    (
        "Events have been waiting to be observed for {value}.",
        "Rules see events late, so incidents open late. Nothing is lost.",
        f"See in the log what the engine waits for, or send less, or spread models over partitions. {_DOCTOR}",
    ),
    for_=30.0,
)
OUTBOX_STUCK: Final = _rule(
    "OutboxStuck",
    "high",
    600.0,
    60.0,
    (
        "A message has been due for {value}, and nobody takes it up.",
        "People are owed messages that are not sent. They are not lost: they are sent once the courier goes on.",
        f"Look for `courier_failed` in the log and at the receivers; restart the daemon if neither says why. {_DOCTOR}",
    ),
)
DETECTOR_FAILED: Final = _rule(
    "DetectorFailed",
    "medium",
    0.0,
    0.0,
    (
        "{value} detectors failed and are switched off.",
        "What they watched is not watched by them any more; all else is. The log names each (`detector_disabled`).",
        "Closing the incident of its rule, or accepting a new normal for it, starts it again. Please report it.",
    ),
)
AUDIT_BROKEN: Final = _rule(
    "AuditBroken",
    "critical",
    0.0,
    0.0,
    (
        "The audit log does not verify: it was changed, or a part of it is missing.",
        "The record of what was seen and done cannot be trusted as it is. A damaged disk can be the cause as well.",
        "Copy the home folder first, then run `overloop audit verify`, and compare with heads in earlier messages.",
    ),
)
CLOCK_JUMPED: Final = _rule(
    "ClockJumped",
    "medium",
    60.0,
    60.0,
    (
        "The wall clock is {value} away from daemon time, which did not follow it.",
        "Windows and deadlines go on by daemon time and are right; times on record differ from other machines'.",
        "Set the wall clock right, or run `overloop clock accept` if it is right.",
    ),
)
SNAPSHOTS_FAILING: Final = _rule(
    "SnapshotsFailing",
    "medium",
    0.0,
    0.0,
    (
        "Snapshots of what detectors remember cannot be written.",
        "Nothing is lost now. A restart takes longer, and the spool cannot be trimmed as far.",
        f"Look for `snapshot_failed` in the log; a full disk is the usual cause. {_DOCTOR}",
    ),
)
EVENTS_LOST: Final = _rule(
    "EventsLost",
    "high",
    0.0,
    0.0,
    (
        "Something that was recorded or learned before was lost.",
        "A part of the spool, or of what detectors had learned, could not be read: what was in it is not watched.",
        "GET /-/engine says what, and `events_lost` or `restore_loss` in the log. A backup may hold what is missing.",
    ),
)
QUARANTINED: Final = _rule(
    "EventsQuarantined",
    "medium",
    0.0,
    0.0,
    (
        "Events that made the engine fail were set aside lately; {value} are in quarantine.",
        "No rule has seen these events. All others are observed.",
        "See `observe_failed` in the log, and what the audit log says of `quarantined`. Please report it.",
    ),
)
PACK: Final = Pack(
    SELF,
    (SELF,),
    (
        SPOOL_FILLING,
        DISK_FILLING,
        PUMP_BEHIND,
        OUTBOX_STUCK,
        DETECTOR_FAILED,
        AUDIT_BROKEN,
        CLOCK_JUMPED,
        SNAPSHOTS_FAILING,
        EVENTS_LOST,
        QUARANTINED,
    ),
)
_BY_KEY: Final = {rule.key: rule for rule in PACK.rules}


def own_rule(key: str) -> tuple[Pack, Rule] | None:
    """A rule of the daemon about itself, by its key."""
    rule = _BY_KEY.get(key)
    return None if rule is None else (PACK, rule)
