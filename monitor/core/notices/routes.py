"""Routes: which receivers an incident concerns, and on what terms each is called."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Final

from monitor.core.incidents.matching import fit
from monitor.core.incidents.model import Incident
from monitor.core.notices.escalation import restored, snapshot
from monitor.core.notices.keys import OWN_PACK, RECEIVER_FAILING, receiver_subject
from monitor.core.notices.model import Policy, Receiver, Route
from monitor.core.rules.model import rank

SCHEDULE: Final = "schedule:"
NAMES: Final = ("severity", "pack", "rule", "model", "version", "segment", "owner")  # and labels.NAME
_ALL: Final = Route(())


@dataclass(frozen=True, slots=True)
class Listener:
    """A receiver that is called, `after` seconds from the first of an escalation; `stage` is its step there."""

    receiver: Receiver
    route: Route
    wait: float  # how long an incident stands open before it is called
    repeat: float  # how often it is told again
    stage: int = 0
    after: float = 0.0


def facts_of(incident: Incident, labels: Mapping[str, str]) -> dict[str, str]:
    """What matchers compare. `labels` are the rule's."""
    plain = {name: str(getattr(incident, name) or "") for name in NAMES}
    return {**plain, **{f"labels.{name}": value for name, value in labels.items()}}


def listeners(incident: Incident, policy: Policy, labels: Mapping[str, str], at: float) -> tuple[Listener, ...]:
    """Whom an open incident calls, in the order of the routes; the first route that names a receiver sets its terms.

    The first route that matches is the last unless it says `continue`. Without routes every receiver is told. Whoever
    is on call at `at` stands for a schedule. Of one receiver there may be several: one for each step that names it.
    """
    found: dict[tuple[str, int], Listener] = {}
    for listener in _called(incident, policy, labels, at):
        for each in (listener, *_instead(listener, policy)):
            found.setdefault((each.receiver.name, each.stage), each)
    called = tuple(found.values())
    return called if incident.pack != OWN_PACK else _by_others(called, incident, policy)


def _called(incident: Incident, policy: Policy, labels: Mapping[str, str], at: float) -> Iterator[Listener]:
    if not policy.routes:
        yield from (_listener(policy, receiver, _ALL) for receiver in policy.receivers)
    for route in matching(incident, policy, labels):
        yield from _of(route, incident, policy, at)


def _instead(listener: Listener, policy: Policy) -> Iterator[Listener]:
    """Who is called as well while a receiver fails, on the same terms: its fallback, or that one's."""
    known = {receiver.name: receiver for receiver in policy.receivers}
    passed, receiver = {listener.receiver.name}, listener.receiver
    while receiver.name in policy.failing and receiver.fallback in known and receiver.fallback not in passed:
        receiver = known[receiver.fallback]
        passed.add(receiver.name)
        yield replace(listener, receiver=receiver)


def _by_others(called: tuple[Listener, ...], incident: Incident, policy: Policy) -> tuple[Listener, ...]:
    """That a receiver fails is told by others: by those of the routes, or if they fail too by every one that works."""
    others = tuple(each for each in called if receiver_subject(each.receiver.name) != incident.model)
    if incident.rule != RECEIVER_FAILING or any(each.receiver.name not in policy.failing for each in others):
        return others
    return tuple(_listener(policy, each, _ALL) for each in policy.receivers if each.name not in policy.failing)


def owners_receivers(incident: Incident, policy: Policy, labels: Mapping[str, str], at: float) -> tuple[Receiver, ...]:
    """Where the incident's owner is told: the routes that name the owner, or all that match if none does."""
    if not policy.routes:
        return policy.receivers
    own = [route for route in policy.routes if _names_owner(route) and _fits(route, incident, labels)]
    taken = own or matching(incident, policy, labels)
    found = [
        listener.receiver for route in taken for listener in _of(route, incident, policy, at) if not listener.stage
    ]
    return tuple(dict.fromkeys(found))


def matching(incident: Incident, policy: Policy, labels: Mapping[str, str]) -> list[Route]:
    """The routes an incident takes."""
    taken = []
    for route in policy.routes:
        if _fits(route, incident, labels):
            taken.append(route)
            if not route.continue_:
                break
    return taken


def escalating(incident: Incident, policy: Policy, labels: Mapping[str, str]) -> str | None:
    """What a new incident keeps of the policy of its first route that has one."""
    names = [route.escalation for route in matching(incident, policy, labels) if route.escalation is not None]
    return snapshot(policy.escalations[names[0]]) if names and names[0] in policy.escalations else None


def hand_over(incident: Incident, policy: Policy, labels: Mapping[str, str], at: float) -> float | None:
    """When somebody else may be on call in a schedule that the incident concerns."""
    taken = matching(incident, policy, labels)
    names = {name for route in taken for name in route.receivers}
    names |= {name for route in taken for step in _steps(incident, policy, route) for name in step}
    schedules = [policy.schedules.get(name.removeprefix(SCHEDULE)) for name in names if name.startswith(SCHEDULE)]
    changes = [schedule.next_change(at) for schedule in schedules if schedule is not None]
    return min((change for change in changes if change is not None), default=None)


def _of(route: Route, incident: Incident, policy: Policy, at: float) -> Iterator[Listener]:
    for receiver in _resolved(policy, route.receivers, at):
        yield _listener(policy, receiver, route)
    if route.escalation is None:
        return
    kept = None if incident.escalation is None else restored(incident.escalation)
    if kept is None or kept.name != route.escalation:  # opened before the route escalated
        kept = policy.escalations.get(route.escalation)
    stages = [] if kept is None else [(*each, _resolved(policy, each[2].receivers, at)) for each in kept.stages()]
    working = (after for _, after, _, called in stages if any(each.name not in policy.failing for each in called))
    sooner = next(working, 0.0)  # steps that reach nobody are not waited for
    for stage, after, _, called in stages:
        for receiver in called:
            yield _listener(policy, receiver, route, stage, max(0.0, after - sooner))


def _steps(incident: Incident, policy: Policy, route: Route) -> Iterable[tuple[str, ...]]:
    if route.escalation is None:
        return ()
    kept = None if incident.escalation is None else restored(incident.escalation)
    kept = kept if kept is not None and kept.name == route.escalation else policy.escalations.get(route.escalation)
    return () if kept is None else [step.receivers for step in kept.steps]


def _listener(policy: Policy, receiver: Receiver, route: Route, stage: int = 0, after: float = 0.0) -> Listener:
    wait = policy.group_wait if route.group_wait is None else route.group_wait
    repeat = policy.repeat_interval if route.repeat_interval is None else route.repeat_interval
    return Listener(receiver, route, wait, repeat, stage, after)


def _resolved(policy: Policy, names: Iterable[str], at: float) -> tuple[Receiver, ...]:
    return _named(policy, [name for name in (_on_call(policy, name, at) for name in names) if name is not None])


def _on_call(policy: Policy, name: str, at: float) -> str | None:
    if not name.startswith(SCHEDULE):
        return name
    schedule = policy.schedules.get(name.removeprefix(SCHEDULE))
    return None if schedule is None else schedule.on_call(at)


def _fits(route: Route, incident: Incident, labels: Mapping[str, str]) -> bool:
    if rank(incident.severity) > rank(route.min_severity):
        return False
    having = facts_of(incident, labels)
    globs = all(fnmatchcase(having.get(name, ""), pattern) for name, pattern in route.matchers.items())
    return globs and fit(route.where, having)


def _names_owner(route: Route) -> bool:
    return "owner" in route.matchers or any(name == "owner" for name, _, _ in route.where)


def _named(policy: Policy, names: Iterable[str]) -> tuple[Receiver, ...]:
    known = {receiver.name: receiver for receiver in policy.receivers}
    return tuple(known[name] for name in dict.fromkeys(names) if name in known)
