"""What is owed to whom, as a level: computed from the incident as it stands, minus what was ever recorded.

Nothing is swallowed by a silence that ended, because what was silenced was never recorded; nothing is doubled,
because a key recorded once is never owed again. Of several calls due at once a receiver is owed the first: it says how
things stand when it is sent.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from math import inf
from typing import Final

from monitor.core.changes import Silence
from monitor.core.incidents.model import Incident
from monitor.core.incidents.silences import silencing
from monitor.core.notices.heard import Heard, hearings
from monitor.core.notices.keys import notice_key
from monitor.core.notices.model import Notice, OnRecord, Policy, Reason, Receiver
from monitor.core.notices.routes import owners_receivers, receivers

NOTHING: Final[Mapping[str, OnRecord]] = {}
WAITING: Final = frozenset({"opened", "again", "flapping"})  # what fired may go away before anybody is called
_NOBODY: Final[Mapping[str, str]] = {}


@dataclass(frozen=True, slots=True)
class Owed:
    """Notices owed now, and when more may be owed if nothing else happens (None: never)."""

    notices: tuple[Notice, ...] = ()
    next_at: float | None = None


@dataclass(frozen=True, slots=True)
class _Due:
    """One reason to tell a receiver, from `at` on."""

    reason: Reason
    at: float
    to: str
    repeat: int = 0


@dataclass(frozen=True, slots=True)
class _Case:
    """What is asked: the incident, the terms, and what everybody has heard."""

    incident: Incident
    policy: Policy
    at: float
    recorded: Mapping[str, OnRecord]
    heard: Mapping[str, Heard]

    def known(self, due: _Due) -> bool:
        return notice_key(self.incident.id, due.reason, self.incident.occurrence, due.repeat, due.to) in self.recorded


def owed(
    incident: Incident,
    policy: Policy,
    silences: Iterable[Silence],
    at: float,
    recorded: Mapping[str, OnRecord] = NOTHING,
    labels: Mapping[str, str] = _NOBODY,
) -> Owed:
    """What is owed at daemon time `at`; `recorded` are the incident's notices by key. `labels` are the rule's."""
    if incident.stage == "shadow" or incident.historical:
        return Owed()
    case = _Case(incident, policy, at, recorded, hearings(recorded, incident.occurrence))
    wanted = [due for due in _due(case, labels) if not case.known(due)]
    ready = tuple(_notice(incident, due, at) for due in wanted if due.at <= at)
    later = [due.at for due in wanted if at < due.at < inf]
    silence = silencing(incident, silences, at)
    if silence is None:
        return Owed(ready, min(later, default=None))
    return Owed((), silence.ends_at if wanted else None)


def _due(case: _Case, labels: Mapping[str, str]) -> Iterator[_Due]:
    incident, policy = case.incident, case.policy
    if incident.state == "open":
        for receiver in receivers(incident, policy, labels):
            call = _call(case, receiver.name)
            yield call
            if incident.orphaned is not None:
                first = incident.changed_at if call.reason == "repeat" else call.at
                yield _Due("watch_ended", first, receiver.name)
        return
    followers = [r for r in policy.receivers if r.send_resolved and case.heard[r.name].called > 0]
    if incident.state == "acknowledged":
        yield from _while_held(case, followers, labels)
    elif incident.state == "recovered":
        for receiver in followers:
            if case.heard[receiver.name].called > case.heard[receiver.name].over:
                yield _Due("recovered", incident.changed_at, receiver.name)
    elif incident.seen or incident.closed_by != "machine":
        yield from (_Due("closed", incident.changed_at, r.name) for r in followers)


def _call(case: _Case, to: str) -> _Due:
    """What a receiver is told next while nobody has the incident: of several things the first."""
    incident, heard = case.incident, case.heard[to]
    opening = _Due("again" if incident.opening == "flapping" else incident.opening, _from(case, to), to)
    if not case.known(opening):
        return opening
    worse = incident.worsened_at
    if worse is not None and max(incident.changed_at, heard.called_at) < worse:
        worsened = _Due("worsened", worse, to, minutes_until_worse(incident))
        if not case.known(worsened):
            return worsened
    ever = case.policy.repeat_interval > 0.0 and incident.orphaned is None  # else there is nothing left to repeat
    return _Due("repeat", heard.asked_at + case.policy.repeat_interval if ever else inf, to, heard.repeats + 1)


def _from(case: _Case, to: str) -> float:
    """When a receiver is called about the present opening.

    What fired may go away again, so nobody is called before it has stood for `group_wait`. What goes away and comes
    back all the time would then never be told: an opening soon after one that the receiver was not told of waits no
    longer than the first of all. Whoever was called because it fired is not called again before `again_interval`.
    """
    incident, policy, heard = case.incident, case.policy, case.heard[to]
    since = incident.changed_at
    if incident.opening not in WAITING:
        return since
    untold_before = incident.opening == "flapping" and heard.called + 1 < incident.occurrence
    waits_since = incident.opened_at if untold_before else since
    return max(since, waits_since + policy.group_wait, heard.fired_at + policy.again_interval)


def _while_held(case: _Case, followers: list[Receiver], labels: Mapping[str, str]) -> Iterator[_Due]:
    incident = case.incident
    yield from (_Due("acknowledged", incident.changed_at, r.name) for r in followers)
    if worsened_while_held(incident):
        assert incident.worsened_at is not None
        owners = owners_receivers(incident, case.policy, labels)
        minutes = minutes_until_worse(incident)
        yield from (_Due("worsened", incident.worsened_at, r.name, minutes) for r in owners)
    if incident.orphaned is not None:
        yield from (_Due("watch_ended", incident.changed_at, r.name) for r in followers)


def _notice(incident: Incident, due: _Due, at: float) -> Notice:
    key = notice_key(incident.id, due.reason, incident.occurrence, due.repeat, due.to)
    return Notice(key, incident.id, due.to, due.reason, incident.occurrence, due.repeat, at, at)


def minutes_until_worse(incident: Incident) -> int:
    """Numbers the worsenings of an incident, which are half an hour apart or more."""
    assert incident.worsened_at is not None
    return int((incident.worsened_at - incident.opened_at) // 60)


def worsened_while_held(incident: Incident) -> bool:
    return (
        incident.worsened_at is not None
        and incident.acknowledged_at is not None
        and incident.worsened_at > incident.acknowledged_at
    )
