"""The last look at a notice before it is sent: what was owed when it was decided may not be owed any more."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from monitor.core.changes import Silence
from monitor.core.incidents.model import Incident
from monitor.core.incidents.silences import silencing
from monitor.core.incidents.words import clock_text
from monitor.core.notices.keys import NEWS, PAGES
from monitor.core.notices.model import Kept, Notice
from monitor.core.notices.plan import minutes_until_worse, worsened_while_held

_ARRIVED: Final = frozenset({"delivered", "unknown"})
_UNDER_WAY: Final = frozenset({"pending", "sending", "retry"})
_SOON: Final = 5.0  # seconds after which a message that waits for another is looked at again


@dataclass(frozen=True, slots=True)
class Withheld:
    """Why a recorded notice must not be sent now. With `until` it is looked at again then; without it is cancelled."""

    reason: str
    until: float | None = None
    silenced: bool = False


def still_owed(
    notice: Notice, incident: Incident, silences: Iterable[Silence], at: float, others: Sequence[Kept] = ()
) -> Withheld | None:
    """None if a recorded notice is to be sent now. `others` are those of the same incident to the same receiver."""
    if notice.reason == "test":
        return None
    if any(_supersedes(other, notice) for other in others):
        return Withheld("the incident has opened again since, and a newer message says so")
    if not _holds(notice, incident):
        return Withheld(f"the incident is {incident.state} by now")
    follows = _after_the_call(notice, at, [other for other in others if other.notice.reason in PAGES])
    if follows is not None:
        return follows
    silence = silencing(incident, silences, at)
    if silence is None:
        return None
    who = f"{silence.created_by} has silenced it until {clock_text(silence.ends_at)}: {silence.reason}"
    return Withheld(who, silence.ends_at, silenced=True)


def _supersedes(other: Kept, notice: Notice) -> bool:
    """A call is as good as its words, which are of the moment it is sent: only a newer call makes it needless."""
    alike = other.notice.reason == notice.reason or {other.notice.reason, notice.reason} <= PAGES
    return alike and other.notice.occurrence > notice.occurrence and other.state in _ARRIVED | _UNDER_WAY


def _holds(notice: Notice, incident: Incident) -> bool:
    """Whether the reason of a notice still stands.

    A call that could not be delivered yet stays owed after the condition went away by itself: nobody has looked.
    """
    state = incident.state
    if notice.reason == "worsened" and state == "acknowledged":
        return worsened_while_held(incident) and notice.repeat == minutes_until_worse(incident)
    if notice.reason in ("repeat", "escalated"):
        return state == "open"
    if notice.reason in PAGES:
        return state in ("open", "recovered")
    if notice.reason == "watch_ended":
        return state in ("open", "acknowledged") and incident.orphaned is not None
    return notice.reason == state


def _after_the_call(notice: Notice, at: float, calls: Sequence[Kept]) -> Withheld | None:
    """Nobody is reminded of a call, or told what became of it, before it arrives, nor if it never does."""
    waiting = [call.notice for call in calls if call.state in _UNDER_WAY]
    if notice.reason == "repeat" and any(call.created_at < notice.created_at for call in waiting):
        return Withheld("the message before it is still on its way and says the same")
    if notice.reason not in NEWS or any(call.state in _ARRIVED for call in calls):
        return None
    if not waiting:
        return Withheld("no call about the incident reached this receiver")
    return Withheld("the call before it is still on its way", max(at, min(call.due_at for call in waiting)) + _SOON)
