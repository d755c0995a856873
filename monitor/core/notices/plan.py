"""What is owed to whom, as a level: computed from the incident as it stands, minus what was ever recorded.

Nothing is swallowed by a silence that ended, because what was silenced was never recorded; nothing is doubled,
because a key recorded once is never owed again. Of several calls due at once a receiver is owed the first: it says how
things stand when it is sent.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from math import inf
from typing import Final

from monitor.core.changes import Silence
from monitor.core.incidents.model import Incident
from monitor.core.incidents.silences import silencing
from monitor.core.notices.heard import Heard, hearings
from monitor.core.notices.holds import NOTHING_AROUND, Around, Hold, held_back, muted
from monitor.core.notices.keys import notice_key
from monitor.core.notices.model import Notice, OnRecord, Policy, Reason, Receiver
from monitor.core.notices.routes import Listener, hand_over, listeners, owners_receivers

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
    labels: Mapping[str, str]
    around: Around

    def known(self, due: _Due) -> bool:
        return notice_key(self.incident.id, due.reason, self.incident.occurrence, due.repeat, due.to) in self.recorded


def owed(
    incident: Incident,
    policy: Policy,
    silences: Iterable[Silence],
    at: float,
    recorded: Mapping[str, OnRecord] = NOTHING,
    labels: Mapping[str, str] = _NOBODY,
    around: Around = NOTHING_AROUND,
) -> Owed:
    """What is owed at daemon time `at`; `recorded` are the incident's notices by key. `labels` are the rule's, `around`
    what `holds.standing` found: incidents that may hold calls about this one back.
    """
    if incident.stage == "shadow" or incident.historical:
        return Owed()
    case = _Case(incident, policy, at, recorded, hearings(recorded, incident.occurrence), labels, around)
    wanted = [due for due in _due(case) if not case.known(due)]
    ready = tuple(_notice(incident, due, at) for due in wanted if due.at <= at)
    later = [due.at for due in wanted if at < due.at < inf]
    if incident.state == "open" and policy.schedules:
        change = hand_over(incident, policy, labels, at)
        later += [] if change is None else [change]
    silence = silencing(incident, silences, at)
    if silence is None:
        return Owed(ready, min(later, default=None))
    return Owed((), silence.ends_at if wanted else None)


def _due(case: _Case) -> Iterator[_Due]:
    incident, policy = case.incident, case.policy
    if incident.state == "open":
        yield from _calls(case)
        return
    followers = [r for r in policy.receivers if r.send_resolved and case.heard[r.name].called > 0]
    if incident.state == "acknowledged":
        yield from _while_held(case, followers)
    elif incident.state == "recovered":
        for receiver in followers:
            if case.heard[receiver.name].called > case.heard[receiver.name].over:
                yield _Due("recovered", incident.changed_at, receiver.name)
    elif incident.seen or incident.closed_by != "machine":
        yield from (_Due("closed", incident.changed_at, r.name) for r in followers)


def _calls(case: _Case) -> Iterator[_Due]:
    """Everybody who is called while nobody has the incident, not before what holds calls back is over."""
    hold = held_back(case.incident, case.policy, case.labels, case.at, case.around)
    later: dict[str, list[Listener]] = defaultdict(list)
    first_calls: set[str] = set()
    for listener in listeners(case.incident, case.policy, case.labels, case.at):
        if listener.stage:
            later[listener.receiver.name].append(listener)
            continue
        call, not_before = _call(case, listener), _not_before(case, listener, hold)
        yield replace(call, at=max(call.at, not_before))
        if call.reason != "repeat":
            first_calls.add(listener.receiver.name)
        if case.incident.orphaned is not None:
            first = case.incident.changed_at if call.reason == "repeat" else call.at
            yield _Due("watch_ended", max(first, not_before), listener.receiver.name)
    for name, stages in later.items():
        if name not in first_calls:  # who is about to be called says it all with that
            yield from _escalated(case, stages, hold)


def _escalated(case: _Case, stages: list[Listener], hold: Hold | None) -> Iterator[_Due]:
    """The steps that call one receiver: the last whose time has come since it was last called, and the next one."""
    since, called = case.incident.changed_at, case.heard[stages[0].receiver.name].asked_at
    timed = sorted((since + each.wait + each.after, each.stage, each) for each in stages)
    come = [each for each in timed if called < each[0] <= case.at]
    ahead = [each for each in timed if each[0] > case.at]
    for at, stage, listener in (*come[-1:], *ahead[:1]):
        yield _Due("escalated", max(at, _not_before(case, listener, hold)), listener.receiver.name, stage)


def _not_before(case: _Case, listener: Listener, hold: Hold | None) -> float:
    mute = muted(listener.route, case.policy, case.at)
    return max(-inf if each is None else each.until for each in (hold, mute))


def _call(case: _Case, listener: Listener) -> _Due:
    """What a receiver is told next while nobody has the incident: of several things the first."""
    to = listener.receiver.name
    incident, heard = case.incident, case.heard[to]
    opening = _Due("again" if incident.opening == "flapping" else incident.opening, _from(case, listener), to)
    if not case.known(opening):
        return opening
    worse = incident.worsened_at
    if worse is not None and max(incident.changed_at, heard.called_at) < worse:
        worsened = _Due("worsened", worse, to, minutes_until_worse(incident))
        if not case.known(worsened):
            return worsened
    ever = listener.repeat > 0.0 and incident.orphaned is None  # else there is nothing left to repeat
    return _Due("repeat", heard.asked_at + listener.repeat if ever else inf, to, heard.repeats + 1)


def _from(case: _Case, listener: Listener) -> float:
    """When a receiver is called about the present opening.

    What fired may go away again, so nobody is called before it has stood for `group_wait`. What goes away and comes
    back all the time would then never be told: an opening soon after one that the receiver was not told of waits no
    longer than the first of all. Whoever was called because it fired is not called again before `again_interval`.
    """
    incident, policy, heard = case.incident, case.policy, case.heard[listener.receiver.name]
    since = incident.changed_at
    if incident.opening not in WAITING:
        return since
    untold_before = incident.opening == "flapping" and heard.called + 1 < incident.occurrence
    waits_since = incident.opened_at if untold_before else since
    return max(since, waits_since + listener.wait, heard.fired_at + policy.again_interval)


def _while_held(case: _Case, followers: list[Receiver]) -> Iterator[_Due]:
    incident = case.incident
    yield from (_Due("acknowledged", incident.changed_at, r.name) for r in followers)
    if worsened_while_held(incident):
        assert incident.worsened_at is not None
        owners = owners_receivers(incident, case.policy, case.labels, case.at)
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
