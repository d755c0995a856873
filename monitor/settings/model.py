"""The settings themselves, named as in `overloop.toml`. Durations are in seconds, rates in pages a week."""

from __future__ import annotations

import ipaddress
import socket
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from monitor.core.rules.model import Scalar, Severity
from monitor.settings.values import (
    Credential,
    Dates,
    Days,
    Duration,
    File,
    Hours,
    Listen,
    MatcherText,
    Moment,
    PageRate,
    Variable,
    WebAddress,
    Window,
    Zone,
)

Positive = Annotated[float, Meta(gt=0, le=100_000)]
Megabytes = Annotated[int, Meta(ge=1, le=4096)]


class Spool(msgspec.Struct, frozen=True, kw_only=True):
    """How much traffic is kept for replays, and how much may come in at once."""

    retain_days: Positive = 7.0
    retain_gb: Positive = 5.0
    segment_mb: Megabytes = 256
    max_body_mb: Megabytes = 32  # of one post, inflated
    max_waiting_events: Annotated[int, Meta(ge=1000)] = 5_000_000  # unobserved: beyond it posts are refused with 503


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """What holds for the models that match a pattern. The first pattern that matches counts."""

    time: Literal["recorded", "event"] | None = None  # the rule clock; None: as the source asks
    lateness: Duration = 0.0
    false_pages: PageRate = 1.0
    truth: Literal["complete", "positives_only"] = "complete"
    matures: Duration = 30 * 86_400.0
    params: dict[str, dict[str, Scalar]] = msgspec.field(default_factory=dict)  # pack -> parameter -> value


class Receiver(msgspec.Struct, frozen=True, kw_only=True):
    """Where notices go. The address and the key are secrets, so this says only where to find them."""

    type: Literal["apprise", "pagerduty", "alertmanager", "webhook"] = "apprise"
    url_env: Variable | None = None
    url_credential: Credential | None = None  # a file in $CREDENTIALS_DIRECTORY
    key_env: Variable | None = None  # PagerDuty's routing key; the secret a webhook is signed with
    key_credential: Credential | None = None
    region: Literal["us", "eu"] = "us"  # of PagerDuty
    hook_env: Variable | None = None  # the secret of its webhooks
    hook_credential: Credential | None = None
    ack_links: bool = False  # its calls bring a link that acknowledges without signing in
    public_only: bool = False
    send_resolved: bool = True
    fallback: str | None = None  # who is called as well while it takes no messages


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """Which receivers are told of what. The first that matches counts, and the next ones too after `continue`.

    Whom it calls stands in `receivers`, in a policy of escalation, or in both.
    """

    receivers: tuple[str, ...] = ()
    match: dict[str, str] = msgspec.field(default_factory=dict)
    matchers: tuple[MatcherText, ...] = ()
    min_severity: Severity = "low"
    continue_: bool = False
    policy: str | None = None
    group_by: tuple[str, ...] | None = None
    group_wait: Duration | None = None
    group_interval: Duration | None = None
    repeat_interval: Duration | None = None
    mute_time_intervals: tuple[str, ...] = ()
    active_time_intervals: tuple[str, ...] = ()


class TimeInterval(msgspec.Struct, frozen=True, kw_only=True):
    """Days, hours and dates on the clock of a place; what is not given does not limit."""

    zone: Zone
    days: tuple[Days, ...] = ()
    hours: tuple[Hours, ...] = ()
    dates: tuple[Dates, ...] = ()


class InhibitRule(msgspec.Struct, frozen=True, kw_only=True):
    source_matchers: Annotated[tuple[MatcherText, ...], Meta(min_length=1)]
    target_matchers: Annotated[tuple[MatcherText, ...], Meta(min_length=1)]
    equal: tuple[str, ...] = ()


class Maintenance(msgspec.Struct, frozen=True, kw_only=True):
    """Once, from one time to another in a zone, or again and again, during a time interval."""

    matchers: Annotated[tuple[MatcherText, ...], Meta(min_length=1)]
    reason: str
    during: str | None = None
    zone: Zone | None = None
    starts: Moment | None = None
    ends: Moment | None = None


class Step(msgspec.Struct, frozen=True, kw_only=True):
    receivers: Annotated[tuple[str, ...], Meta(min_length=1)]
    wait: Duration = 600.0  # before the next step


class Escalation(msgspec.Struct, frozen=True, kw_only=True):
    """Who is told after whom while nobody acts."""

    steps: Annotated[tuple[Step, ...], Meta(min_length=1)]
    repeat: Annotated[int, Meta(ge=0, le=20)] = 0


class Rotation(msgspec.Struct, frozen=True, kw_only=True):
    receivers: Annotated[tuple[str, ...], Meta(min_length=1)]
    starts: Moment  # the first hand-over
    shift: Duration = 7 * 86_400.0
    during: str | None = None  # a time interval


class Override(msgspec.Struct, frozen=True, kw_only=True):
    """A shift that somebody else takes."""

    receiver: str
    starts: Moment
    ends: Moment


class Schedule(msgspec.Struct, frozen=True, kw_only=True):
    """Who is on call. The first rotation that covers a time counts."""

    zone: Zone
    rotations: Annotated[tuple[Rotation, ...], Meta(min_length=1)]
    overrides: tuple[Override, ...] = ()


class Notices(msgspec.Struct, frozen=True, kw_only=True):
    group_wait: Duration = 5.0
    repeat_interval: Duration = 4 * 3600.0
    acknowledge_for: Duration = 8 * 3600.0
    again_interval: Duration = 300.0


class Heartbeat(msgspec.Struct, frozen=True, kw_only=True):
    """A URL elsewhere that is fetched while all is well, so that somebody notices when this machine is gone."""

    url_env: Variable | None = None
    url_credential: Credential | None = None
    every: Duration = 60.0


class Digest(msgspec.Struct, frozen=True, kw_only=True):
    """A daily summary: what is open, what closed by itself, what low severities said without paging anybody."""

    receivers: tuple[str, ...] = ()  # nobody: there is no digest
    hour: Annotated[int, Meta(ge=0, le=23)] = 8  # UTC


class Log(msgspec.Struct, frozen=True, kw_only=True):
    format: Literal["auto", "json", "console"] = "auto"
    level: Literal["debug", "info", "warning", "error"] = "info"


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    home: File = Path()
    listen: Listen = "127.0.0.1:8420"
    public_url: WebAddress | None = None  # what links in messages are built from
    tls_cert: File | None = None
    tls_key: File | None = None
    rules: tuple[File, ...] = ()  # folders of packs
    gates_file: File | None = None  # what all gates are, for readers without a network
    single: bool = False  # one process for all
    engines: Annotated[int, Meta(ge=1, le=16)] = 1  # processes; partitions are dealt out to them in turn
    partitions: Annotated[int, Meta(ge=1, le=64)] = 1  # `load` makes them as many as engines where it is left at 1
    batch_window: Window = 0.05  # for so long events gather before the engine looks at them together
    spool: Spool = Spool()
    models: dict[str, Model] = msgspec.field(default_factory=dict)  # glob -> what holds for it
    receivers: dict[str, Receiver] = msgspec.field(default_factory=dict)
    routes: tuple[Route, ...] = ()
    time_intervals: dict[str, TimeInterval] = msgspec.field(default_factory=dict)
    inhibit_rules: tuple[InhibitRule, ...] = ()
    maintenance: tuple[Maintenance, ...] = ()
    policies: dict[str, Escalation] = msgspec.field(default_factory=dict)
    schedules: dict[str, Schedule] = msgspec.field(default_factory=dict)
    notices: Notices = Notices()
    heartbeat: Heartbeat = Heartbeat()
    digest: Digest = Digest()
    log: Log = Log()

    @property
    def host(self) -> str:
        return self.listen.rpartition(":")[0].strip("[]")

    @property
    def port(self) -> int:
        return int(self.listen.rpartition(":")[2])

    @property
    def url(self) -> str:
        """Where people and programs reach the daemon, without a slash at the end."""
        if self.public_url:
            return self.public_url
        host = socket.gethostname() if self.host in ("0.0.0.0", "::") else self.listen.rpartition(":")[0]  # noqa: S104
        return f"{'https' if self.tls_cert else 'http'}://{host}:{self.port}"

    @property
    def loopback(self) -> bool:
        """Only programs of this machine can connect."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    def to_json(self) -> dict[str, Any]:
        """For handing them to a child process; there is no secret in them."""
        plain: dict[str, Any] = msgspec.to_builtins(self, enc_hook=str)
        return plain

    @classmethod
    def from_json(cls, plain: dict[str, Any]) -> Settings:
        return msgspec.convert(plain, cls, dec_hook=lambda kind, value: kind(value))
