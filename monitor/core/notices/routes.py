"""Routes: which receivers an incident concerns, and on what terms each is called."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final

from monitor.core.incidents.matching import fit
from monitor.core.incidents.model import Incident
from monitor.core.notices.escalation import restored, snapshot
from monitor.core.notices.model import Policy, Receiver, Route
from monitor.core.rules.model import rank
from monitor.core.selfrules import RECEIVER_FAILING

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
    That a receiver fails is told to the others: to those of its routes, or to all where there are none.
    """
    about = incident.segment if incident.key == RECEIVER_FAILING.key else None  # who is not told of itself
    everybody = tuple(_listener(policy, r, _ALL) for r in policy.receivers if r.name != about)
    if not policy.routes:
        return everybody
    found: dict[tuple[str, int], Listener] = {}
    for route in matching(incident, policy, labels):
        for listener in _of(route, incident, policy, at):
            found.setdefault((listener.receiver.name, listener.stage), listener)
    called = tuple(listener for listener in found.values() if listener.receiver.name != about)
    return (called or everybody) if found and about is not None else called


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
    for stage, after, step in kept.stages() if kept is not None else ():
        for receiver in _resolved(policy, step.receivers, at):
            yield _listener(policy, receiver, route, stage, after)


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
