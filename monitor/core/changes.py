"""What deciding produces: everything one transaction writes. The loops carry it to the ledger, they add nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from monitor.core.findings import Evidence
from monitor.core.incidents.model import Incident, RuleState, StateKey
from monitor.core.notices.model import Notice

if TYPE_CHECKING:
    from monitor.core.references import Learned

GateState = Literal["auto", "review", "halt"]
GATE_ORDER: tuple[GateState, ...] = ("auto", "review", "halt")


@dataclass(frozen=True, slots=True)
class Asked:
    """One person has asked that a halt end; it ends when another one asks for the same."""

    to: GateState
    by: str
    at: float
    reason: str


@dataclass(frozen=True, slots=True)
class Gate:
    """What the services of one scope (`core.oversight.scopes`) may do. Rules tighten, only people loosen.

    `generation` rises with every change of any gate of the same model; the ledger's gate epoch rises when it comes back
    from a backup, so that a client can tell a restored ledger from one that fell behind.
    """

    scope: str
    state: GateState
    generation: int
    reason: str
    since: float
    by: str
    incident: str | None = None
    asked: Asked | None = None


@dataclass(frozen=True, slots=True)
class Silence:
    """Notices that match are not sent while it is in force. State is computed from now, never stored.

    `matchers` are (name, operator, value) over model, rule, pack, severity; operators `=`, `!=`, `=~`, `!~`.
    """

    id: str
    matchers: tuple[tuple[str, str, str], ...]
    starts_at: float
    ends_at: float
    created_by: str
    reason: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One audit entry. `kind` is of the closed list in `core.audit.kinds`; `body` is JSON."""

    kind: str
    actor: str  # "machine" or an overseer's name
    body: dict[str, Any]


@dataclass(slots=True)
class Changes:
    """Upserts unless named otherwise."""

    rule_states: dict[StateKey, RuleState | None] = field(default_factory=dict)  # None deletes
    incidents: dict[str, Incident] = field(default_factory=dict)
    evidence: list[tuple[str, Evidence]] = field(default_factory=list)  # (incident id, evidence), appended
    notices: list[Notice] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)  # keys of notices no longer owed
    gates: dict[str, Gate] = field(default_factory=dict)
    entries: list[Entry] = field(default_factory=list)
    wanted: list[dict[str, Any]] = field(default_factory=list)  # marks for the pump, as JSON
    learned: list[Learned] = field(default_factory=list)  # references that the step completed

    def __bool__(self) -> bool:
        return bool(
            self.rule_states
            or self.incidents
            or self.evidence
            or self.notices
            or self.cancelled
            or self.gates
            or self.entries
            or self.wanted
            or self.learned
        )
