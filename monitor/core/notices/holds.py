"""Why nobody is called for now, and until when: mute routes, maintenance, inhibition. Computed, never stored."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import Final

from monitor.core.incidents.matching import fit
from monitor.core.incidents.model import Incident
from monitor.core.incidents.words import clock_text
from monitor.core.notices.model import Inhibition, Maintenance, Policy, Route
from monitor.core.notices.routes import facts_of, listeners
from monitor.core.rules.model import Book

Around = Sequence[tuple[Incident, Mapping[str, str]]]  # incidents with the labels of their rules
NOTHING_AROUND: Final[Around] = ()
_CHANGES: Final = 100  # changes of intervals looked through for a time at which a route is open


@dataclass(frozen=True, slots=True)
class Hold:
    """Calls wait `until` (inf: for something else to happen); `why` is a sentence."""

    until: float
    why: str


def standing(incidents: Iterable[Incident], book: Book, policy: Policy) -> Around:
    """What may hold others back; nothing where the policy has no inhibition, so that nothing is spent on it."""
    if not policy.inhibitions:
        return NOTHING_AROUND
    known = (i for i in incidents if i.state in ("open", "acknowledged") and i.stage == "live" and not i.historical)
    found = ((incident, book.find(incident.key, incident.model)) for incident in known)
    return [(incident, {} if rule is None else rule[1].labels) for incident, rule in found]


def held_back(
    incident: Incident, policy: Policy, labels: Mapping[str, str], at: float, around: Around = NOTHING_AROUND
) -> Hold | None:
    """What holds back every call about an incident: of several the one that ends last."""
    if not policy.inhibitions and not policy.maintenance:
        return None
    having = facts_of(incident, labels)
    holds = [_inhibited(rule, incident, having, around) for rule in policy.inhibitions]
    holds += [_maintained(window, having, policy, at) for window in policy.maintenance]
    return max((hold for hold in holds if hold is not None), key=lambda hold: hold.until, default=None)


def call_held(
    target: str,
    incident: Incident,
    policy: Policy,
    labels: Mapping[str, str],
    at: float,
    around: Around = NOTHING_AROUND,
) -> Hold | None:
    """What holds back a call to one receiver: every route that leads there must be mute for the routes to hold it."""
    hold = held_back(incident, policy, labels, at, around)
    if hold is not None:
        return hold
    here = [each.route for each in listeners(incident, policy, labels, at) if each.receiver.name == target]
    mutes = [muted(route, policy, at) for route in here]
    known = [mute for mute in mutes if mute is not None]
    return min(known, key=lambda mute: mute.until) if known and len(known) == len(mutes) else None


def muted(route: Route, policy: Policy, at: float) -> Hold | None:
    """What holds back calls that take a route: it is mute, or not active, on the clock of some place."""
    name = _closed(route, policy, at)
    if name is None:
        return None
    until = at
    for _ in range(_CHANGES):
        until = min(policy.intervals[each].changes_after(until) for each in (*route.mute, *route.active))
        if _closed(route, policy, until) is None:
            break
    return Hold(until, f'The route is mute until {clock_text(until)} by the time interval "{name}".')


def _closed(route: Route, policy: Policy, at: float) -> str | None:
    """The interval by which a route calls nobody at `at`."""
    mute = next((name for name in route.mute if policy.intervals[name].holds(at)), None)
    if mute is not None or not route.active:
        return mute
    return None if any(policy.intervals[name].holds(at) for name in route.active) else route.active[0]


def _maintained(window: Maintenance, having: Mapping[str, str], policy: Policy, at: float) -> Hold | None:
    if not window.starts_at <= at < window.ends_at or not fit(window.matchers, having):
        return None
    until = window.ends_at
    if window.during is not None:
        interval = policy.intervals[window.during]
        if not interval.holds(at):
            return None
        until = min(until, interval.changes_after(at))
    return Hold(until, f"Maintenance holds calls back until {clock_text(until)}: {window.reason}")


def _inhibited(rule: Inhibition, incident: Incident, having: Mapping[str, str], around: Around) -> Hold | None:
    if not fit(rule.target, having):
        return None
    for other, labels in around:
        if other.id == incident.id:
            continue
        theirs = facts_of(other, labels)
        alike = all(having.get(name) and having.get(name) == theirs.get(name) for name in rule.equal)
        if alike and fit(rule.source, theirs) and not fit(rule.target, theirs):
            return Hold(inf, f"Incident {other.id} of {other.key} stands, and while it does this one calls nobody.")
    return None
