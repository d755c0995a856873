"""The incident machine: nine triggers, four states, 36 cells, one table.

A cell is a tuple of cases; the first whose guard holds applies. `step` reads the table and changes nothing else, so
the table is the behaviour. Durations are seconds of daemon time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal, cast

from monitor.core.incidents.effects import CHANGES, Effect, Facts, enter, is_worse, revised, severity_up
from monitor.core.incidents.model import Incident, State
from monitor.core.incidents.words import clock_text

__all__ = ["GUARDS", "SETTLE", "TABLE", "UNSEEN_AFTER", "Case", "Effect", "Facts", "Outcome", "Trigger", "step"]

Trigger = Literal[
    "fired",
    "worsened",
    "cleared",
    "quiet",
    "watch_ended",
    "acknowledged",
    "released",
    "closed",
    "reopened",
]
REOPEN_WITHIN: Final = 30 * 60.0  # a closing by the machine is taken back if it fires again within
SETTLE: Final = 30 * 60.0  # after it cleared: an acknowledged incident closes; what comes back sooner is flapping
UNSEEN_AFTER: Final = 7 * 86400.0  # a recovered incident nobody looked at closes after


@dataclass(frozen=True, slots=True)
class Case:
    """One line of a cell. `entry` is the kind of audit entry that records it; None where nothing changed."""

    to: State | Literal["same", "refused"]
    reason: str
    does: tuple[Effect, ...] = ()
    when: str = "always"
    entry: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a step came to. `refusal` is a sentence for the person who asked; the incident is then unchanged."""

    incident: Incident
    reason: str
    effects: tuple[Effect, ...] = ()
    entry: str | None = None
    refusal: str | None = None

    @property
    def new(self) -> bool:
        return "new" in self.effects


Cell = tuple[Case, ...]
_STAYS: Final = (Case("same", "nothing_to_do"),)
_AGAIN: Final = Case("open", "again", ("evidence", "notice"), entry="incident_again")
_FLAPPING: Final = replace(_AGAIN, reason="flapping", when="went away lately")
_LATELY: Final = replace(_AGAIN, when="machine closed it lately")
_NEW: Final = Case("same", "new_episode", ("new",))
_WORSE: Final = Case("same", "worsened", ("evidence", "worse", "notice"), when="worse", entry="incident_worsened")
_FIRED: Final = Case("same", "still_firing", ("evidence",))
_CLOSED: Final = Case("closed", "closed", ("rearm", "mute", "ask_verdict", "notice", "seen"), entry="incident_closed")
_WITHDRAWN: Final = Case("same", "watch_ended", ("orphaned", "notice"), when="not marked", entry="incident_orphaned")

TABLE: Final[Mapping[Trigger, Mapping[State, Cell]]] = {
    "fired": {
        "open": (_FIRED,),
        "acknowledged": (_FIRED,),
        "recovered": (_FLAPPING, _AGAIN),
        "closed": (_LATELY, _NEW),
    },
    "worsened": {
        "open": (_WORSE, _FIRED),
        "acknowledged": (replace(_WORSE, to="open", when="severity up"), _WORSE, _FIRED),
        "recovered": (replace(_WORSE, to="open"), _FLAPPING, _AGAIN),
        "closed": (_LATELY, _NEW),
    },
    "cleared": {
        "open": (
            Case("same", "latched", ("cleared",), when="latched, not cleared yet", entry="incident_cleared"),
            Case("same", "nothing_to_do", when="latched"),
            Case("recovered", "recovered", ("cleared", "notice"), entry="incident_recovered"),
        ),
        "acknowledged": (
            Case("same", "cleared", ("cleared",), when="not cleared yet", entry="incident_cleared"),
            *_STAYS,
        ),
        "recovered": _STAYS,
        "closed": _STAYS,
    },
    "quiet": {
        "open": _STAYS,
        "acknowledged": (
            Case(
                "closed",
                "quiet",
                ("rearm", "ask_verdict", "notice"),
                when="settled and no gate held",
                entry="incident_closed",
            ),
            *_STAYS,
        ),
        "recovered": (
            Case("closed", "nobody_looked", ("rearm", "unseen"), when="unseen for 7 days", entry="incident_closed"),
            Case("closed", "quiet", ("rearm",), when="seen for 7 days", entry="incident_closed"),
            *_STAYS,
        ),
        "closed": _STAYS,
    },
    "watch_ended": {
        "open": (_WITHDRAWN, *_STAYS),
        "acknowledged": (_WITHDRAWN, *_STAYS),
        "recovered": (Case("closed", "watch_ended", ("rearm", "orphaned"), entry="incident_closed"),),
        "closed": _STAYS,
    },
    "acknowledged": {
        "open": (Case("acknowledged", "acknowledged", ("held", "seen", "notice"), entry="acknowledged"),),
        "acknowledged": (Case("same", "acknowledged_before", ("take",), entry="acknowledged"),),
        "recovered": (replace(_CLOSED, does=("held", *_CLOSED.does), reason="seen_after_recovery"),),
        "closed": (Case("refused", "closed_already"),),
    },
    "released": {
        "open": _STAYS,
        "acknowledged": (
            Case("open", "expired", ("notice",), when="ran out", entry="expired"),
            Case("open", "released", ("notice",), entry="released"),
        ),
        "recovered": _STAYS,
        "closed": _STAYS,
    },
    "closed": {
        "open": (_CLOSED,),
        "acknowledged": (_CLOSED,),
        "recovered": (_CLOSED,),
        "closed": (Case("same", "closed_before", entry="incident_closed"),),
    },
    "reopened": {
        "open": (Case("refused", "open_already"),),
        "acknowledged": (Case("refused", "open_already"),),
        "recovered": (Case("open", "reopened", ("seen", "stands", "notice"), entry="reopened"),),
        "closed": (
            Case("refused", "newer_open", when="a newer one is open"),
            Case("open", "reopened", ("seen", "stands", "notice"), entry="reopened"),
        ),
    },
}

Guard = Callable[[Incident, Facts, float], bool]
GUARDS: Final[Mapping[str, Guard]] = {
    "always": lambda incident, facts, at: True,
    "machine closed it lately": lambda incident, facts, at: (
        incident.closed_by == "machine"
        and incident.closed_at is not None
        and at - incident.closed_at < REOPEN_WITHIN
        and facts.newer is None
    ),
    "went away lately": lambda incident, facts, at: at - incident.changed_at < SETTLE,
    "worse": lambda incident, facts, at: is_worse(incident, facts, at),
    "severity up": lambda incident, facts, at: is_worse(incident, facts, at) and severity_up(incident, facts),
    "latched": lambda incident, facts, at: incident.latches,
    "latched, not cleared yet": lambda incident, facts, at: incident.latches and incident.cleared_at is None,
    "not cleared yet": lambda incident, facts, at: incident.cleared_at is None,
    "settled and no gate held": lambda incident, facts, at: (
        incident.cleared_at is not None
        and at - incident.cleared_at >= SETTLE
        and not incident.gate_held
        and not incident.latches
    ),
    "unseen for 7 days": lambda incident, facts, at: at - incident.changed_at >= UNSEEN_AFTER and not incident.seen,
    "seen for 7 days": lambda incident, facts, at: at - incident.changed_at >= UNSEEN_AFTER,
    "not marked": lambda incident, facts, at: incident.orphaned is None,
    "ran out": lambda incident, facts, at: facts.expired,
    "a newer one is open": lambda incident, facts, at: facts.newer is not None,
}


def step(incident: Incident, trigger: Trigger, facts: Facts, at: float) -> Outcome:
    """What `trigger` makes of `incident` at daemon time `at`. Never raises; a refusal is a value."""
    cell = TABLE[trigger][incident.state]
    case = next(case for case in cell if GUARDS[case.when](incident, facts, at))
    if case.to == "refused":
        return Outcome(incident, case.reason, refusal=_refusal(case.reason, incident, facts))
    after = incident
    for effect in case.does:
        change = CHANGES.get(effect)
        after = after if change is None else change(after, facts, at)
    if case.to not in ("same", incident.state):
        after = enter(after, cast(State, case.to), case.reason, facts, at)
    effects = tuple(e for e in case.does if e != "rearm" or incident.latches)
    return Outcome(revised(incident, after), case.reason, effects, case.entry)


def _refusal(reason: str, incident: Incident, facts: Facts) -> str:
    if reason == "newer_open":
        return (
            f"Incident {incident.id} was not reopened: the same rule has a newer incident, {facts.newer}. Go on there."
        )
    if reason == "open_already":
        return f"Incident {incident.id} was not reopened: it is {incident.state} and was never closed."
    by = "the daemon" if incident.closed_by == "machine" else incident.closed_by
    moment = "" if incident.closed_at is None else f" at {clock_text(incident.closed_at)}"
    return f"Incident {incident.id} was closed by {by}{moment}. Reopen it first if it needs work again."
