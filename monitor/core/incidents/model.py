"""An incident: one rule on one model, one episode. The segments concerned are its evidence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal
from uuid import UUID, uuid5

from monitor.core.rules.model import Severity, Stage

StateKey = tuple[str, str, str, bool]  # rule, model, segment, historical
State = Literal["open", "acknowledged", "recovered", "closed"]
STATES: tuple[State, ...] = ("open", "acknowledged", "recovered", "closed")
# Why it stands open; a notice reason, but for "flapping": it came "again" soon after it had gone away.
Opening = Literal["opened", "again", "flapping", "worsened", "expired", "reopened"]
Verdict = Literal["real", "expected", "false", "unclear"]
NAMESPACE = UUID("3e5a52a4-8b5c-5d0f-9a45-0f6f7c0f5a01")


def incident_id(partition: int, step: int, rule: str, model: str, segment: str = "") -> str:
    """The same step decided again names the same incident."""
    return str(uuid5(NAMESPACE, f"{partition}/{step}/{rule}/{model}/{segment}"))


@dataclass(frozen=True, slots=True)
class Incident:
    """What a person handles. Times are seconds since 1970 UTC in daemon time. Changed only by `machine`.

    `segment` is "" unless the rule splits its incidents. `occurrence` counts how often it opened (1 = first).
    `revision` rises with state, severity, owner and verdict, never with evidence.
    """

    id: str
    pack: str
    rule: str  # the rule's name within its pack
    model: str
    version: str | None
    segment: str
    severity: Severity
    stage: Stage
    historical: bool
    latches: bool
    state: State
    opened_at: float
    changed_at: float  # when it entered its present state
    summary: str
    meaning: str
    action: str
    runbook_url: str | None = None
    occurrence: int = 1
    cleared_at: float | None = None
    closed_at: float | None = None
    closed_by: str | None = None  # "machine" or an overseer's name
    owner: str | None = None
    acknowledged_by: str | None = None
    acknowledged_at: float | None = None
    acknowledged_until: float | None = None
    acknowledged_effect: float | None = None  # what people last took note of: opening, acknowledging, worsening
    worsened_at: float | None = None
    effect: float | None = None  # the worst seen in this occurrence
    seen: bool = False  # a person has acknowledged it at least once
    opening: Opening = "opened"  # how it came to be open the last time
    evidence_at: float | None = None  # when evidence was last appended
    orphaned: str | None = None  # why its watch ended, if it did
    gate: str | None = None  # the gate state it asked for
    gate_held: bool = False
    verdict: Verdict | None = None
    revision: int = 1
    escalation: str | None = None  # the policy that held when it was opened, as `notices.escalation` writes it

    @property
    def key(self) -> str:
        return f"{self.pack}/{self.rule}"


@dataclass(frozen=True, slots=True)
class RuleState:
    """Where the condition of a level rule stands for one segment: kept by the ledger, never by the bank.

    `since` is the rule time at which it began to hold. `firing` once it held for `for`. `last_true` serves
    `keep_firing_for`. `muted_since`: a person closed the incident while it still fired. What history says of a rule is
    kept apart (`historical`) from what the present says, and neither changes the other.
    """

    rule: str
    model: str
    segment: str
    since: float
    firing: bool
    last_true: float
    incident: str | None = None
    paused: float = 0.0  # seconds of unknown within `for`, which do not count
    unknown_since: float | None = None
    muted_since: float | None = None
    historical: bool = False

    @property
    def key(self) -> StateKey:
        return self.rule, self.model, self.segment, self.historical
