"""A rule book over traffic of the past: when it would have fired, and how near it came where it did not.

The same step as live. People are played by one habit: an incident that only a person can end is closed a day after it
opened, without a verdict, so that its detectors watch again and what comes later is counted too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from monitor.core.changes import Changes
from monitor.core.columns import KINDS, Kind
from monitor.core.events import Batch
from monitor.core.findings import NO, UNKNOWN, Level
from monitor.core.incidents import actions
from monitor.core.incidents.casework import Casework
from monitor.core.incidents.model import Incident
from monitor.core.notices.model import Policy
from monitor.core.rehearse import Rehearsal
from monitor.core.rules.model import Book
from monitor.core.step import mark_from_json
from monitor.core.watcher import Mark

DAY = 86_400.0
CLOSED_AFTER = DAY  # seconds an incident stands that only a person can end


@dataclass(frozen=True, slots=True)
class Firing:
    """An incident that would have opened, or opened again. `until`: when it was over; None if it was not."""

    incident: str
    rule: str
    model: str
    stage: str
    severity: str
    at: float
    segments: tuple[str, ...]
    columns: tuple[str, ...]
    effect: float | None
    summary: str
    until: float | None = None


@dataclass(frozen=True, slots=True)
class Near:
    """The nearest that a rule came to firing without doing so. `ratio`: 1 is where it fires."""

    ratio: float
    at: float
    column: str
    segment: str


@dataclass(slots=True)
class Backtest:
    """Fed step by step in the order of time. `kinds` is what columns of models are known to be, `given` the references
    (marks) that models start with."""

    book: Book
    kinds: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    given: Mapping[str, Iterable[Mark]] = field(default_factory=dict)
    firings: list[Firing] = field(default_factory=list)
    nearest: dict[tuple[str, str], Near] = field(default_factory=dict)  # (rule, model)
    watched_from: dict[tuple[str, str], float] = field(default_factory=dict)
    rehearsal: Rehearsal = field(init=False)
    _open: dict[str, int] = field(default_factory=dict)  # incident -> its place in `firings`
    _latched: dict[str, float] = field(default_factory=dict)  # incident -> when it is closed
    _marks: list[Mark] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rehearsal = Rehearsal(self.book, Policy())

    def step(self, at: float, batches: Iterable[Batch], marks: Iterable[Mark] = ()) -> None:
        """Everything up to `at`, and a look at all rules."""
        found = list(batches)
        for batch in found:
            self._meet(batch.model, at)
        self._close_old(at)
        more, self._marks = [*self._marks, *marks], []
        changes = self.rehearsal.step(at, found, tick=True, more=more)
        self.rehearsal.notices.clear()
        self._note(changes)
        for level in self.rehearsal.seen.levels:
            self._note_level(level)
        self._note_watchers(at)
        self.rehearsal.view.forget_closed(at - 2 * DAY)

    def _meet(self, model: str, at: float) -> None:
        """A model's first event: it is known already what its columns are, and what was normal for it."""
        bank = self.rehearsal.bank
        if model in bank.models or (model not in self.kinds and model not in self.given):
            return
        if self.rehearsal.seq == 0:
            self.rehearsal.step(at, ())
        part = bank.part(model, self.book, at, bank.seq + 1)
        if part is None:
            return
        known: dict[str, Kind] = {kind: kind for kind in KINDS}
        for path, kind in self.kinds.get(model, {}).items():
            if kind in known:
                part.columns.fix(path, known[kind])
        for mark in self.given.get(model, ()):
            part.apply(mark)

    # -- what came of it ------------------------------------------------------------------------------------------

    def _note(self, changes: Changes) -> None:
        for id_, incident in changes.incidents.items():
            known = self._open.get(id_)
            over = incident.state in ("recovered", "closed") or incident.cleared_at is not None
            if not over and known is None:
                self._fired(incident, changes)
            elif over and known is not None:
                self._over(id_, incident.cleared_at or incident.changed_at)

    def _fired(self, incident: Incident, changes: Changes) -> None:
        rows = [row for id_, row in changes.evidence if id_ == incident.id]
        edge = incident.latches or incident.historical
        at = min(row.at for row in rows) if edge and rows else incident.changed_at
        self._open[incident.id] = len(self.firings)
        if incident.latches:
            self._latched[incident.id] = at + CLOSED_AFTER
        self.firings.append(
            Firing(
                incident.id,
                incident.key,
                incident.model,
                incident.stage,
                incident.severity,
                at,
                tuple(dict.fromkeys(row.segment for row in rows)),
                tuple(dict.fromkeys(row.column for row in rows if row.column)),
                incident.effect,
                incident.summary,
            )
        )

    def _over(self, id_: str, at: float) -> None:
        place = self._open.pop(id_)
        self.firings[place] = replace(self.firings[place], until=at)
        self._latched.pop(id_, None)

    def _close_old(self, at: float) -> None:
        for id_ in [id_ for id_, due in self._latched.items() if due <= at]:
            rehearsal = self.rehearsal
            work = Casework(rehearsal.view, rehearsal.policy, self.book, at)
            incident = work.incident(id_)
            if incident is not None and incident.state != "closed":
                actions.close(work, incident, "backtest")
            changes = work.finish()
            rehearsal.view.absorb(changes)
            self._marks += map(mark_from_json, changes.wanted)
            self._over(id_, at)

    def _note_level(self, level: Level) -> None:
        key = (level.rule, level.model)
        if (level.holds != UNKNOWN).any():
            self.watched_from.setdefault(key, level.at)
        below = np.where((level.holds == NO) & np.isfinite(level.effect), level.effect, -np.inf)
        if len(below):
            place = int(np.argmax(below))
            self._nearer(key, Near(float(below[place]), level.at, level.column, level.segments[place]))

    def _note_watchers(self, at: float) -> None:
        for model, part in self.rehearsal.bank.models.items():
            for rule, watcher in part.watchers.items():
                ask = getattr(watcher, "nearness", None)
                found = None if ask is None else ask()
                if found is not None:
                    self.watched_from.setdefault((rule, model), at)
                    ratio, column, segment = found
                    self._nearer((rule, model), Near(min(ratio, 1.0), at, column, segment))

    def _nearer(self, key: tuple[str, str], near: Near) -> None:
        known = self.nearest.get(key)
        if np.isfinite(near.ratio) and (known is None or near.ratio > known.ratio):
            self.nearest[key] = near
