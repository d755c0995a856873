"""What deciding may read: a snapshot of the ledger's own memory, taken once and kept up to date by its own changes."""

from __future__ import annotations

from dataclasses import dataclass, field

from monitor.core.changes import Changes, Gate, Silence
from monitor.core.incidents.model import Incident, RuleState, StateKey
from monitor.core.notices.model import OnRecord


@dataclass(slots=True)
class View:
    """`incidents` holds all that are not closed and those closed within the last day.

    `recorded` holds every notice ever recorded for those incidents, per incident id and key.
    """

    partition: int
    desk_seq: int = 0
    rule_states: dict[StateKey, RuleState] = field(default_factory=dict)
    incidents: dict[str, Incident] = field(default_factory=dict)
    gates: dict[str, Gate] = field(default_factory=dict)
    silences: tuple[Silence, ...] = ()
    recorded: dict[str, dict[str, OnRecord]] = field(default_factory=dict)
    failing: frozenset[str] = frozenset()  # receivers that take no messages for now

    def absorb(self, changes: Changes) -> None:
        """Take in what was just committed, so that the next decision need not read the ledger again."""
        for key, state in changes.rule_states.items():
            if state is None:
                self.rule_states.pop(key, None)
            else:
                self.rule_states[key] = state
        self.incidents.update(changes.incidents)
        self.gates.update(changes.gates)
        for notice in changes.notices:
            self.recorded.setdefault(notice.incident, {})[notice.key] = OnRecord(notice.created_at)

    def forget_closed(self, before: float) -> None:
        """Drop incidents closed before `before`: they can no longer be reopened by the machine."""
        for id_ in [i for i, x in self.incidents.items() if x.closed_at is not None and x.closed_at < before]:
            del self.incidents[id_]
            self.recorded.pop(id_, None)
