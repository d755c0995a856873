"""A notice: one message owed to one target, with the reason it is owed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import inf
from typing import Literal

from monitor.core.incidents.matching import Matcher
from monitor.core.notices.escalation import Escalation
from monitor.core.notices.intervals import Interval
from monitor.core.notices.schedules import Schedule
from monitor.core.rules.model import Severity

Reason = Literal[
    "opened",  # a person is needed
    "again",  # it came back before anybody had closed it
    "worsened",
    "repeat",  # still open and unacknowledged after repeat_interval
    "expired",  # an acknowledgement ran out
    "escalated",
    "acknowledged",
    "recovered",
    "closed",
    "reopened",
    "watch_ended",
    "test",
]
NoticeState = Literal["pending", "sending", "delivered", "retry", "dead", "unknown", "cancelled"]
Outcome = Literal["delivered", "retry", "dead", "unknown"]


@dataclass(frozen=True, slots=True)
class Notice:
    """`key` is unique: (incident, reason, occurrence, step, target). A key recorded once is never owed again."""

    key: str
    incident: str
    target: str  # a receiver's name
    reason: Reason
    occurrence: int
    repeat: int
    created_at: float
    due_at: float


@dataclass(frozen=True, slots=True)
class OnRecord:
    """What deciding remembers of a notice: when it was decided, and whether it is void.

    Void is what was cancelled or given up: nobody has heard of it and nobody will.
    """

    at: float
    void: bool = False


@dataclass(frozen=True, slots=True)
class Kept:
    """A notice as the outbox keeps it."""

    notice: Notice
    state: NoticeState


@dataclass(frozen=True, slots=True)
class Receiver:
    """A name and where it leads. The address itself is a secret and never leaves `delivery`."""

    name: str
    kind: str = "apprise"
    send_resolved: bool = True
    fallback: str | None = None  # who is called instead while it takes no messages
    ack_links: bool = False  # its calls bring a link that acknowledges


@dataclass(frozen=True, slots=True)
class Route:
    """First match wins unless `continue_`. `matchers` and `where` compare severity, pack, rule, model, version,
    segment, owner and labels.*. Times that are None are the policy's. `mute` and `active` name intervals.
    """

    receivers: tuple[str, ...]  # names, or schedule:NAME
    matchers: Mapping[str, str] = field(default_factory=dict)  # name -> glob
    min_severity: Severity = "low"
    continue_: bool = False
    where: tuple[Matcher, ...] = ()
    group_by: tuple[str, ...] | None = None
    group_wait: float | None = None
    group_interval: float | None = None
    repeat_interval: float | None = None
    mute: tuple[str, ...] = ()
    active: tuple[str, ...] = ()
    escalation: str | None = None  # the name of a policy of escalation


@dataclass(frozen=True, slots=True)
class Inhibition:
    """While an incident that fits `source` stands, nobody is called about one that fits `target` and is like it in
    everything named in `equal`; what neither of them has is not equal."""

    source: tuple[Matcher, ...]
    target: tuple[Matcher, ...]
    equal: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Maintenance:
    """Nobody is called about what fits, from one moment to another, or during an interval."""

    matchers: tuple[Matcher, ...]
    reason: str
    starts_at: float = -inf
    ends_at: float = inf
    during: str | None = None


@dataclass(frozen=True, slots=True)
class Policy:
    """Who is told, when. Durations in seconds."""

    receivers: tuple[Receiver, ...] = ()
    routes: tuple[Route, ...] = ()
    group_wait: float = 5.0
    repeat_interval: float = 4 * 3600.0
    acknowledge_for: float = 8 * 3600.0  # how long an acknowledgement stands by default
    again_interval: float = 300.0  # what goes away and comes back is told to one receiver at most this often
    intervals: Mapping[str, Interval] = field(default_factory=dict)
    inhibitions: tuple[Inhibition, ...] = ()
    maintenance: tuple[Maintenance, ...] = ()
    escalations: Mapping[str, Escalation] = field(default_factory=dict)
    schedules: Mapping[str, Schedule] = field(default_factory=dict)
    failing: frozenset[str] = frozenset()  # receivers that take no messages for now: no setting, but as of a view


def as_of(policy: Policy, failing: frozenset[str]) -> Policy:
    """The policy while these receivers fail."""
    return policy if policy.failing == failing else replace(policy, failing=failing)
