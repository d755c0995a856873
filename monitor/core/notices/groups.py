"""Which incidents one message may speak of, and how a message about several is worded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from types import MappingProxyType
from typing import Final

from monitor.core.incidents.model import Incident
from monitor.core.incidents.words import clock_text
from monitor.core.notices.clean import clean
from monitor.core.notices.model import Notice, Policy
from monitor.core.notices.render import Links, Message, witness
from monitor.core.notices.routes import facts_of, listeners
from monitor.core.rules.model import SEVERITIES, rank

MOST: Final = 20  # incidents in one message: so many are still read, and fit where few characters do
LINKED: Final = 8  # of which each can have its link and still be read; with more a link to all of them must do
INTERVAL: Final = 300.0  # seconds between messages about a group that a route names, unless it says otherwise
_ALONE: Final = frozenset({"pagerduty"})  # one incident is one there


@dataclass(frozen=True, slots=True)
class Group:
    """Calls of equal `key` to one target may be sent as one; a group told of waits `interval` for its next one."""

    key: str
    interval: float = 0.0


def group_of(target: str, incident: Incident, policy: Policy, labels: Mapping[str, str], at: float) -> Group | None:
    """The group of a call, by the route that leads to the target; by model where no route says. None: it goes alone."""
    found = next((each for each in listeners(incident, policy, labels, at) if each.receiver.name == target), None)
    if found is None or found.receiver.kind in _ALONE:
        return None
    by, having = found.route.group_by, facts_of(incident, labels)
    names = ("model",) if by is None else by
    default = 0.0 if by is None else INTERVAL
    interval = default if found.route.group_interval is None else found.route.group_interval
    return Group("\n".join(f"{name}={having.get(name, '')}" for name in names), interval)


def bundle_key(notices: Sequence[Notice]) -> str:
    """Names a message about several notices: the same ones, the same name."""
    return "bundle/" + sha256("\n".join(sorted(notice.key for notice in notices)).encode()).hexdigest()[:40]


def render_bundle(
    calls: Sequence[tuple[Notice, Incident]],
    links: Links,
    head: tuple[int, str] | None,
    acks: Mapping[str, str] = MappingProxyType({}),
) -> Message:
    """One message for several calls: how many, where, the worst first, and the id of each.

    `acks`: by incident, a link that acknowledges it.
    """
    ordered = sorted((incident for _, incident in calls), key=lambda each: (rank(each.severity), each.opened_at))
    models = list(dict.fromkeys(clean(incident.model, 80) for incident in ordered))
    where = f"on {models[0]}" if len(models) == 1 else f"on {len(models)} models"
    worst = min((incident.severity for incident in ordered), key=SEVERITIES.index)
    title = clean(f"{len(ordered)} incidents {where} (worst: {worst})", 160)
    lines = [_line(incident, len(models) > 1, acks.get(incident.id)) for incident in ordered]
    page = f"{links.public_url.rstrip('/')}/incidents?state=open" if links.public_url else ""
    facts = "\n".join(filter(None, [page, witness(head)]))
    opening = f"A person is needed: {len(ordered)} incidents are open {where}."
    return Message(title, "\n\n".join(filter(None, [opening, "\n".join(lines), facts])), worst)


def _line(incident: Incident, several: bool, ack: str | None) -> str:
    model = f"{clean(incident.model, 40)}: " if several else ""
    said = clean(incident.summary, 80)
    since = clock_text(incident.opened_at)
    line = f"- {incident.severity}, {model}{clean(incident.rule, 40)} since {since}: {said} Incident: {incident.id}"
    return f"{line}\n  To acknowledge it: {ack}" if ack else line
