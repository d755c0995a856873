"""What is owed to whom, as a level: computed from the incident as it stands, minus what was ever recorded.

Nothing is swallowed by a silence that ended, because what was silenced was never recorded; nothing is doubled,
because a key recorded once is never owed again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Final, cast

from monitor.core.changes import Silence
from monitor.core.incidents.model import Incident
from monitor.core.incidents.silences import silencing
from monitor.core.incidents.words import clock_text, duration_text
from monitor.core.notices.escalate import next_repeat, repeat_number
from monitor.core.notices.model import Notice, Policy, Reason, Receiver
from monitor.core.notices.routes import owners_receivers, receivers

PAGES: Final = frozenset({"opened", "again", "worsened", "expired", "reopened", "repeat", "escalated"})
_WAITS: Final = frozenset({"opened", "again"})  # what fired may go away again before anybody is called


@dataclass(frozen=True, slots=True)
class Owed:
    """Notices owed now, and when more may be owed if nothing else happens (None: never)."""

    notices: tuple[Notice, ...] = ()
    next_at: float | None = None


@dataclass(frozen=True, slots=True)
class Withheld:
    """Why a recorded notice must not be sent now. With `until` it is owed again then; without it is cancelled."""

    reason: str
    until: float | None = None


@dataclass(frozen=True, slots=True)
class _Due:
    """One reason to tell some receivers, from `at` on."""

    reason: Reason
    at: float
    to: tuple[Receiver, ...]
    repeat: int = 0


def notice_key(incident: str, reason: str, occurrence: int, repeat: int, target: str) -> str:
    return f"{incident}/{reason}/{occurrence}/{repeat}/{target}"


def recorded_notice(key: str) -> Notice:
    """The notice that a key names; its times are not in the key and are 0."""
    incident, reason, occurrence, repeat, target = key.split("/", 4)
    return Notice(key, incident, target, cast(Reason, reason), int(occurrence), int(repeat), 0.0, 0.0)


def told(recorded: Iterable[str], occurrence: int | None = None) -> set[str]:
    """Names of the receivers that were called, in one occurrence or ever."""
    notices = map(recorded_notice, recorded)
    return {n.target for n in notices if n.reason in PAGES and occurrence in (None, n.occurrence)}


def owed(
    incident: Incident,
    policy: Policy,
    silences: Iterable[Silence],
    at: float,
    recorded: Collection[str] = (),
    labels: Mapping[str, str] | None = None,
) -> Owed:
    """What is owed at daemon time `at`, `recorded` left out. `labels` are the rule's, for routes."""
    if incident.stage == "shadow" or incident.historical:
        return Owed()
    wanted = _due(incident, policy, at, recorded, labels or {})
    silence = silencing(incident, silences, at)
    later = [due.at for due in wanted if due.at > at]
    if incident.state == "open":
        repeat = next_repeat(incident.changed_at, at, policy.repeat_interval)
        later += [] if repeat is None else [repeat]
    ready = [notice for due in wanted if due.at <= at for notice in _notices(incident, due, at)]
    ready = [notice for notice in ready if notice.key not in recorded]
    if silence is None:
        return Owed(tuple(ready), min(later, default=None))
    return Owed((), silence.ends_at if ready or later else None)


def still_owed(notice: Notice, incident: Incident, silences: Iterable[Silence], at: float) -> Withheld | None:
    """None if a recorded notice is to be sent now; else why not, and until when if it is only delayed."""
    if notice.reason == "test":
        return None
    if notice.occurrence != incident.occurrence:
        return Withheld("the incident has opened again since, and a newer message says so")
    if not _holds(notice, incident):
        return Withheld(f"the incident is {incident.state} by now")
    silence = silencing(incident, silences, at)
    if silence is None:
        return None
    who = f"{silence.created_by} has silenced it until {clock_text(silence.ends_at)}: {silence.reason}"
    return Withheld(who, silence.ends_at)


def why_untold(
    incident: Incident,
    policy: Policy,
    silences: Iterable[Silence],
    at: float,
    labels: Mapping[str, str] | None = None,
) -> str:
    """Why nobody was called about an occurrence that is over, as a sentence."""
    if not policy.receivers:
        return "No receiver is set up, so nobody could be told."
    if not receivers(incident, policy, labels or {}):
        return f"No route leads an incident of severity {incident.severity} of {incident.key} to a receiver."
    silence = silencing(incident, silences, at)
    if silence is not None:
        return f"It was silenced by {silence.created_by}: {silence.reason}"
    stood = at - incident.changed_at
    if stood >= policy.group_wait or incident.opening not in _WAITS:
        return "It was over before the desk had come round to calling anybody."
    return (
        f"It stood open for {duration_text(round(stood, 1))}, less than the {duration_text(policy.group_wait)} "
        "that an incident waits before anybody is called."
    )


def _due(
    incident: Incident, policy: Policy, at: float, recorded: Iterable[str], labels: Mapping[str, str]
) -> list[_Due]:
    to = receivers(incident, policy, labels)
    if incident.state == "open":
        return _due_open(incident, policy, at, to)
    called = told(recorded)
    others = tuple(r for r in policy.receivers if r.name in called and r.send_resolved)
    due = []
    if incident.state == "acknowledged":
        due.append(_Due("acknowledged", incident.changed_at, others))
        if _worsened_while_held(incident):
            assert incident.worsened_at is not None
            due.append(
                _Due(
                    "worsened",
                    incident.worsened_at,
                    owners_receivers(incident, policy, labels),
                    _minutes(incident),
                )
            )
        if incident.orphaned is not None:
            due.append(_Due("watch_ended", incident.changed_at, others))
    elif incident.state == "recovered":
        due.append(_Due("recovered", incident.changed_at, others))
    elif incident.seen or incident.closed_by != "machine":
        due.append(_Due("closed", incident.changed_at, others))
    return due


def _due_open(incident: Incident, policy: Policy, at: float, to: tuple[Receiver, ...]) -> list[_Due]:
    since = incident.changed_at
    first = since + (policy.group_wait if incident.opening in _WAITS else 0.0)
    due = [_Due(incident.opening, first, to)]
    if incident.worsened_at is not None and incident.worsened_at > since:
        due.append(_Due("worsened", max(first, incident.worsened_at), to, _minutes(incident)))
    repeat = repeat_number(since, at, policy.repeat_interval)
    if repeat > 0:
        due.append(_Due("repeat", since + repeat * policy.repeat_interval, to, repeat))
    if incident.orphaned is not None:
        due.append(_Due("watch_ended", first, to))
    return due


def _notices(incident: Incident, due: _Due, at: float) -> list[Notice]:
    return [
        Notice(
            key=notice_key(incident.id, due.reason, incident.occurrence, due.repeat, receiver.name),
            incident=incident.id,
            target=receiver.name,
            reason=due.reason,
            occurrence=incident.occurrence,
            repeat=due.repeat,
            created_at=at,
            due_at=at,
        )
        for receiver in due.to
    ]


def _minutes(incident: Incident) -> int:
    """Numbers the worsenings of an incident, which are half an hour apart or more."""
    assert incident.worsened_at is not None
    return int((incident.worsened_at - incident.opened_at) // 60)


def _worsened_while_held(incident: Incident) -> bool:
    return (
        incident.worsened_at is not None
        and incident.acknowledged_at is not None
        and incident.worsened_at > incident.acknowledged_at
    )


def _holds(notice: Notice, incident: Incident) -> bool:
    """Whether the reason of a notice of this occurrence still stands.

    A call that could not be delivered yet stays owed after the condition went away by itself: nobody has looked.
    """
    state = incident.state
    if notice.reason == "worsened" and state == "acknowledged":
        return _worsened_while_held(incident) and notice.repeat == _minutes(incident)
    if notice.reason in ("repeat", "escalated"):
        return state == "open"
    if notice.reason in PAGES:
        return state in ("open", "recovered")
    if notice.reason == "watch_ended":
        return state in ("open", "acknowledged") and incident.orphaned is not None
    return notice.reason == state
