"""What the routes answer, for `/openapi.json`. Answers are not checked against it at run time; a test does that."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Time = str  # RFC 3339, UTC
Severity = Literal["critical", "high", "medium", "low"]


class _Shape(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Evidence(_Shape):
    column: str
    segment: str
    statistic: str
    value: float | None
    expected: float | None
    effect: float | None
    interval: Annotated[list[float | None], Field(min_length=2, max_length=2)] | None
    n: int
    at: Time


class EvidenceInWords(Evidence):
    detail: str


class Notice(_Shape):
    target: str
    reason: str
    state: str
    at: Time


class Note(_Shape):
    at: Time
    author: str
    text: str


class Listed(_Shape):
    """An incident as lists show it, with its newest 20 pieces of evidence and notices."""

    id: str
    state: Literal["open", "acknowledged", "recovered", "closed"]
    pack: str
    rule: str
    model: str
    version: str | None
    severity: Severity
    stage: Literal["shadow", "live"]
    historical: bool
    opened_at: Time
    changed_at: Time
    summary: str
    meaning: str
    action: str
    evidence: list[Evidence]
    owner: str | None
    acknowledged_by: str | None
    acknowledged_at: Time | None
    verdict: Literal["real", "expected", "false", "unclear"] | None
    notices: list[Notice]
    revision: int


class Incident(Listed):
    """One incident, with its newest 500 pieces of evidence and notices."""

    evidence: list[EvidenceInWords]  # type: ignore[assignment]
    segment: str
    occurrence: int
    runbook_url: str | None
    latches: bool
    closed_by: str | None
    orphaned: str | None
    gate: str | None
    gate_held: bool
    cleared_at: Time | None
    closed_at: Time | None
    acknowledged_until: Time | None
    notes: list[Note]


class Incidents(_Shape):
    incidents: list[Listed]
    next: str | None


class Override(_Shape):
    id: str
    model: str
    decision_id: str
    verb: Literal["not_use", "disregard", "override", "reverse"]
    reason: str
    note: str | None
    answer: Any
    reverses: str | None
    at: Time
    by: str


class Overrides(_Shape):
    overrides: list[Override]


GateState = Literal["auto", "review", "halt"]


class Asked(_Shape):
    """Who asked that a halt end, where it takes two."""

    to: GateState
    by: str
    at: Time
    reason: str


class GateSet(_Shape):
    """One gate that was set. `scope` is the model, or `model;version=3`."""

    model: str
    scope: str
    state: GateState
    epoch: str | None
    generation: int
    reason: str
    since: Time | None
    by: str
    incident: str | None
    asked: Asked | None
    lease_seconds: int


class GateTerms(_Shape):
    """What the packs say: people and time it takes to end a halt, and what services do on their own."""

    release: int
    hold_seconds: float
    on_stale: Literal["keep", "review", "auto"]
    on_start: Literal["last", "review", "halt"]
    review: Literal["pre", "post"]
    deadline_seconds: float
    sample: float


class GatePart(_Shape):
    """The gate of a version, segment or operation of the model."""

    part: Literal["version", "segment", "operation"]
    value: str
    state: GateState
    generation: int
    reason: str


class Gate(GateSet):
    """What holds: the most restrictive of all that match. `generation` is the newest of any gate of the model."""

    scopes: list[GatePart]
    terms: GateTerms
    safe_states: dict[str, str]


class Gates(_Shape):
    gates: list[GateSet]


class GateNews(_Shape):
    news: bool


class GateClient(_Shape):
    client: str
    user: str
    epoch: str
    generation: int
    state: GateState
    drill: GateState
    applied_at: Time
    seen_at: Time
    live: bool


class GateClients(_Shape):
    model: str
    epoch: str | None
    generation: int
    clients: list[GateClient]


class GateDrill(_Shape):
    """`silent` are clients that were live and never said that they follow."""

    model: str
    generation: int
    passed: bool
    clients: int
    acknowledged: int
    p50_seconds: float | None
    p95_seconds: float | None
    max_seconds: float | None
    silent: list[str]
    waited_seconds: float
    at: Time
    by: str


class GateDrills(_Shape):
    drills: list[GateDrill]


class RolloutGate(_Shape):
    state: GateState
    generation: int
    reason: str


class Decision(_Shape):
    """`answer` is what holds, once it is decided; a decision whose deadline is over has its fallback."""

    id: str
    model: str
    decision_id: str
    mode: Literal["pre", "post"]
    version: str | None
    inputs: Any
    proposed: Any
    fallback: Any
    state: Literal["waiting", "approved", "changed", "rejected", "expired"]
    answer: Any
    generation: int
    asked_by: str
    asked_at: Time
    deadline_at: Time
    decided_by: str | None
    decided_at: Time | None
    reason: str | None


class Decisions(_Shape):
    decisions: list[Decision]


class Matcher(_Shape):
    name: str
    operator: Literal["=", "!=", "=~", "!~"]
    value: str


class Silence(_Shape):
    id: str
    state: Literal["pending", "active", "expired"]
    matchers: list[Matcher]
    starts_at: Time
    ends_at: Time
    created_by: str
    reason: str


class SilenceAdded(Silence):
    matches_now: list[str]


class Silences(_Shape):
    silences: list[Silence]


class Receiver(_Shape):
    name: str
    type: Literal["apprise", "pagerduty", "alertmanager", "webhook"]
    failing_since: Time | None


class Receivers(_Shape):
    receivers: list[Receiver]


class ReceiverTest(_Shape):
    receiver: str
    test: str
    state: Literal["pending", "sending", "delivered", "retry", "dead", "unknown", "cancelled"]
    attempts: int
    problem: str | None


class Deploy(_Shape):
    version: str
    at: Time
    note: str | None
    by: str


class DeployTold(Deploy):
    model: str


class Estimated(_Shape):
    rate: float
    interval: list[float] = Field(description="95 %, of chance and of what the calibration does not know")
    n: int


class Checked(_Shape):
    n: int
    wrong: int
    expected: float | None


class Estimate(_Shape):
    rule: str
    column: str
    segment: str
    version: str
    estimate: Estimated | None = Field(description="share of the answers of the last week expected to be wrong")
    usual: float | None = Field(description="the same in the reference")
    assumes: str
    checked: Checked = Field(description="answers since the reference whose truth came")


class Model(_Shape):
    model: str
    first_seen: Time | None
    last_seen: Time | None
    events: int
    late_by: float | None = Field(description="seconds that its newest event lay back, if it was taken for history")
    estimates: list[Estimate] = Field(description="performance that is estimated without truth")
    versions: list[str]
    columns: dict[str, str]
    retired_at: Time | None


class ModelInFull(Model):
    deploys: list[Deploy]


class Models(_Shape):
    models: list[Model]


class Reference(_Shape):
    id: str
    model: str
    rule: str | None
    version: int
    author: str
    reason: str
    source: dict[str, Any]
    created_at: Time
    expires_at: Time | None
    ended_at: Time | None
    rules: list[str]


class FittedSeries(_Shape):
    column: str
    segment: str
    version: str
    watched: bool
    sentences: list[str]


class FittedRule(_Shape):
    rule: str
    budget: float | None
    tolerance: float
    series: list[FittedSeries]


class ReferenceInFull(Reference):
    fitted: list[FittedRule]


class References(_Shape):
    references: list[Reference]


class Link(_Shape):
    url: str
    user: str
    expires_at: Time


class Token(_Shape):
    id: str
    user: str
    role: str
    label: str
    created_at: Time
    expires_at: Time | None
    used_at: Time | None
    revoked_at: Time | None


class TokenMade(Token):
    token: str


class Tokens(_Shape):
    tokens: list[Token]


class Revoked(_Shape):
    revoked: str


class User(_Shape):
    name: str
    role: str
    created_at: Time
    disabled_at: Time | None


class Users(_Shape):
    users: list[User]


class UserAdded(_Shape):
    name: str
    role: str
    token: str


class Disabled(_Shape):
    disabled: str


class Entry(_Shape):
    seq: int
    at: Time
    kind: str
    actor: str
    body: dict[str, Any] | None
    leaf: str


class Entries(_Shape):
    entries: list[Entry]
    next: int | None


class Head(_Shape):
    size: int
    root: str
    against: str


class Status(_Shape):
    status: str
    remark: str | None = None


class EngineTurn(_Shape):
    partitions: list[int] | None  # null, as all but `ready`, of an engine that has not spoken yet
    ready: bool
    pid: int | None
    turns: int | None
    began: float | None
    waiting: str | None


class Turn(_Shape):
    began: float  # seconds since the machine started
    unwatched: int  # models for which there was no room
    unplaced: int = 0  # references given for models that did not come while there was room for them to wait
    ready: bool
    turns: int
    seq: int
    at: Time
    pid: int
    waiting: str
    losses: list[str] = []
    partitions: list[int]  # those whose events are observed
    engines: list[EngineTurn] = []  # each by itself, where there are several
    detectors_disabled: int | None = None  # because they failed; null until they were counted
    snapshots_failing: bool = False
    roundtrip: float | None = None  # seconds the last event that goes round took, if there is one
    rounded_at: Time | None = None


class Loaded(_Shape):
    book: str
    packs: list[str]
    rules: int


class Accounting(_Shape):
    received: int
    accepted: int
    rejected: int
    duplicates: int
    observed: int
    waiting: int
    quarantined: int
    canary: int
    lost: int
    refused: int
    truth_received: int
    truth_accepted: int
    dedup_since: Time | None


class RejectedLine(_Shape):
    line: int
    reason: str


class Taken(_Shape):
    """What became of a post. Beyond the first thousand rejected lines only their number is told."""

    accepted: int
    rejected: list[RejectedLine]
    duplicates: int
    rejected_beyond: int | None = None


class ProblemDocument(BaseModel):
    """RFC 9457. Some problems have more members: a conflict has all those of the newer incident or gate."""

    model_config = ConfigDict(extra="allow", strict=True)
    type: Literal["about:blank"]
    title: str
    status: int
    detail: str
