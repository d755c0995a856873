"""What observing a step brought, in the forms in which it is committed and told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from monitor.core.bank import Bank
from monitor.core.canary import is_canary, newest_canary
from monitor.core.changes import Entry
from monitor.core.events import Batch
from monitor.core.findings import Finding, Observation
from monitor.core.modelwatch import ModelWatch
from monitor.core.step import Step
from monitor.core.watcher import Mark
from monitor.runtime.holes import lost_events
from monitor.runtime.poison import Poisoned
from monitor.store.ledger import ModelSeen, QuarantineRow

BROKEN = "detector_error"  # the statistic of a finding about a detector that stopped


@dataclass(frozen=True, slots=True)
class Seen:
    """`events` counts lines, truth left out; `poisoned` are those the step leaves out."""

    step: Step
    batches: list[Batch]
    observation: Observation
    poisoned: list[Poisoned]
    events: int

    def totals(self, before: Mapping[str, int]) -> dict[str, int]:
        """The partition's running totals after this step."""
        aside, lost = sum(not p.truth for p in self.poisoned), lost_events(self.step.marks)
        add = {"observed": self.events - aside, "quarantined": aside + lost, "findings": len(self.observation.findings)}
        add |= {"lost": lost} if lost else {}
        if ids := [id_ for batch in self.batches if is_canary(batch.model) for id_ in batch.ids]:
            add["canary"] = len(ids)
            before = {**before, "canary_newest": newest_canary(ids, before.get("canary_newest", 0))}
        return {**before, **{name: before.get(name, 0) + n for name, n in add.items()}}

    def quarantine(self) -> list[QuarantineRow]:
        return [QuarantineRow(p.offset, p.model, p.event_id, p.reason) for p in self.poisoned]

    def last_events(self) -> dict[str, float]:
        """When each model's newest line was recorded."""
        return {
            batch.model: float(batch.recorded_at[-1])
            for batch in self.batches
            if batch.n and not is_canary(batch.model)
        }

    def models(self, bank: Bank) -> list[ModelSeen]:
        """What the ledger is to know of the step's models, and of those a new book expects and nobody has seen."""
        names = dict.fromkeys(batch.model for batch in self.batches)
        if any(mark.kind == "book" for mark in self.step.marks):
            names |= dict.fromkeys(name for name, part in bank.models.items() if part.born == self.step.seq)
        parts = [bank.models[name] for name in names if name in bank.models]
        return [
            ModelSeen(
                p.name,
                p.since,
                p.last_seen,
                p.events,
                tuple(p.versions),
                dict(p.columns.kinds),
                p.late_by,
                _estimates(p),
            )
            for p in parts
        ]

    def entries(self, bank: Bank) -> list[Entry]:
        """For the audit log: gaps in watching, models that answered for the first time, detectors that stopped."""
        step = self.step
        found = [_gap(mark, step.partition) for mark in step.marks if mark.kind == "gap"]
        parts = [bank.models[name] for name in sorted(self.observation.clocks)]
        new = [part.name for part in parts if part.born == step.seq and part.events]
        found += [Entry("model_seen", "machine", {"model": name, "partition": step.partition}) for name in new]
        return found + [_stopped(f) for f in self.observation.findings if f.evidence.statistic == BROKEN]


def _estimates(part: ModelWatch) -> list[dict[str, Any]]:
    """What rules estimate of a model's performance without truth."""
    asked = (getattr(watcher, "estimates", None) for watcher in part.watchers.values())
    return [row for ask in asked if ask is not None for row in ask()]


def _gap(mark: Mark, partition: int) -> Entry:
    return Entry("gap", "machine", {"partition": partition, **(mark.body or {})})


def _stopped(finding: Finding) -> Entry:
    body = {"rule": finding.rule, "model": finding.model, "why": finding.evidence.detail}
    where = {"column": finding.evidence.column, "segment": finding.evidence.segment}
    return Entry("detector_disabled", "machine", {**body, **{name: text for name, text in where.items() if text}})
