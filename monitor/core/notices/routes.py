"""Routes: which receivers an incident concerns."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase

from monitor.core.incidents.model import Incident
from monitor.core.notices.model import Policy, Receiver, Route
from monitor.core.rules.model import rank


def receivers(incident: Incident, policy: Policy, labels: Mapping[str, str]) -> tuple[Receiver, ...]:
    """In the order of the routes; the first route that matches is the last unless it says `continue`.

    Without routes every receiver is told. `labels` are the rule's.
    """
    if not policy.routes:
        return policy.receivers
    return _named(policy, _taken(policy, incident, labels))


def owners_receivers(incident: Incident, policy: Policy, labels: Mapping[str, str]) -> tuple[Receiver, ...]:
    """Where the incident's owner is told: the routes that name the owner, or all that match if none does."""
    taken = _taken(policy, incident, labels)
    own = [route for route in policy.routes if "owner" in route.matchers and _fits(route, incident, labels)]
    return _named(policy, own or taken) if policy.routes else policy.receivers


def _taken(policy: Policy, incident: Incident, labels: Mapping[str, str]) -> list[Route]:
    taken = []
    for route in policy.routes:
        if _fits(route, incident, labels):
            taken.append(route)
            if not route.continue_:
                break
    return taken


def _fits(route: Route, incident: Incident, labels: Mapping[str, str]) -> bool:
    if rank(incident.severity) > rank(route.min_severity):
        return False
    having = {
        "severity": incident.severity,
        "pack": incident.pack,
        "rule": incident.rule,
        "model": incident.model,
        "owner": incident.owner or "",
        **{f"labels.{name}": value for name, value in labels.items()},
    }
    return all(fnmatchcase(having.get(name, ""), pattern) for name, pattern in route.matchers.items())


def _named(policy: Policy, routes: list[Route]) -> tuple[Receiver, ...]:
    known = {receiver.name: receiver for receiver in policy.receivers}
    names = dict.fromkeys(name for route in routes for name in route.receivers)
    return tuple(known[name] for name in names if name in known)
