"""What the daemon finds about itself. `self_findings` judges facts that others have read; it reads none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import nan
from typing import Final

import numpy as np

from monitor.core import selfrules as rules
from monitor.core.findings import NO, UNKNOWN, YES, Level
from monitor.core.rules.model import Rule, Windowed

DISK_LOW: Final = 2.0  # times the floor: below it people are told, above three times the floor it is over
RECENT: Final = 3600.0  # seconds for which a loss or a quarantine counts as one of now
_FLOOR: Final = 512 << 20  # bytes


@dataclass(frozen=True, slots=True)
class SelfFacts:
    """What was read at daemon time `at`. None is "nobody can tell now": it neither opens nor clears anything."""

    at: float
    waiting: int | None = None  # lines accepted and not observed
    room: int = 1  # lines that may wait
    free: float | None = None  # bytes of the home's disk
    whole: float = 1.0
    behind: float | None = None  # seconds for which the oldest of them has waited
    overdue: float | None = None  # seconds for which a message has been due and not taken up
    detectors_failed: int | None = None
    audit_intact: bool | None = None
    clock_jump: float | None = None  # seconds; 0: it did not jump
    snapshots_failing: bool | None = None
    lost_at: float | None = None  # when something was last found to be lost
    quarantined_at: float | None = None
    quarantined: int = 0  # events in quarantine, of all time


def disk_floor(whole: float) -> float:
    """Bytes of free space on a disk of `whole` bytes below which it is as good as full."""
    return min(float(_FLOOR), 0.025 * whole)


def self_findings(facts: SelfFacts) -> list[Level]:
    """One level for each of the daemon's rules about itself.

    Between the limit and the level at which a rule clears, the condition is unknown: it neither opens nor clears.
    """
    share = None if facts.waiting is None else facts.waiting / facts.room
    times = None if facts.free is None else facts.free / disk_floor(facts.whole)
    jump = None if facts.clock_jump is None else abs(facts.clock_jump)
    lost, set_aside = _lately(facts.lost_at, facts.at), _lately(facts.quarantined_at, facts.at)
    return [
        _level(rules.SPOOL_FILLING, facts, "share of the events that may wait", share),
        _level(rules.DISK_FILLING, facts, "times the least space", times),
        _level(rules.PUMP_BEHIND, facts, "seconds events have waited", facts.behind),
        _level(rules.OUTBOX_STUCK, facts, "seconds a message has been due", facts.overdue),
        _level(rules.DETECTOR_FAILED, facts, "detectors switched off", facts.detectors_failed),
        _level(rules.AUDIT_BROKEN, facts, "audit logs that do not verify", _not(facts.audit_intact)),
        _level(rules.CLOCK_JUMPED, facts, "seconds between the clocks", jump),
        _level(rules.SNAPSHOTS_FAILING, facts, "snapshots that fail", facts.snapshots_failing),
        _level(rules.EVENTS_LOST, facts, "losses in the last hour", lost),
        _level(rules.QUARANTINED, facts, "events in quarantine", facts.quarantined if set_aside else 0),
    ]


def _level(rule: Rule, facts: SelfFacts, statistic: str, value: float | None) -> Level:
    return _judged(rule, facts.at, statistic, [("", _holds(rule, value), value)])


def _holds(rule: Rule, value: float | None) -> int:
    form = rule.form
    assert isinstance(form, Windowed) and form.clear is not None
    if value is None:
        return UNKNOWN
    if form.above is not None:
        return YES if value > form.above else NO if value <= form.clear else UNKNOWN
    return YES if value < (form.below or 0.0) else NO if value >= form.clear else UNKNOWN


def _judged(rule: Rule, at: float, statistic: str, rows: Sequence[tuple[str, int, float | None]]) -> Level:
    form = rule.form
    assert isinstance(form, Windowed)
    limit = form.above if form.above is not None else form.below or 0.0
    values = np.array([nan if value is None else float(value) for _, _, value in rows], dtype=np.float64)
    with np.errstate(divide="ignore"):
        ratio = values / limit if form.above else limit / values if form.below else np.full(len(rows), nan)
    return Level(
        rule=rule.key,
        model=rules.SELF,
        version=None,
        at=at,
        statistic=statistic,
        column="",
        segments=tuple(name for name, _, _ in rows),
        holds=np.array([holds for _, holds, _ in rows], dtype=np.uint8),
        value=values,
        expected=np.full(len(rows), limit),
        effect=ratio,
        n=np.zeros(len(rows), dtype=np.int64),
    )


def _lately(then: float | None, at: float) -> bool:
    return then is not None and at - then < RECENT


def _not(value: bool | None) -> bool | None:
    return None if value is None else not value
