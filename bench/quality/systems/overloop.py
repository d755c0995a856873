"""The product itself, by its public way: a rule book, a rehearsal of the pump's steps, references, incidents.

What people do is the same for null and for changed streams, since nobody knows the truth. When the reference ends they
give the rule what `overloop reference fit` makes of everything before. Who is paged acknowledges the incident and keeps
it open: nothing is accepted as the new normal, no detector is told to forget. What is found on is evidence of the one
episode, and reaches them as a notice when they have heard nothing of it for a day.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from bench.quality.score import Alarm, Outcome
from bench.quality.stream import DAY, Setting
from monitor.core.columns import Columns
from monitor.core.detectors.budget.fit import Fitter
from monitor.core.detectors.budget.tell import fitted_rows
from monitor.core.detectors.build import page_budget
from monitor.core.events import Batch
from monitor.core.incidents import actions
from monitor.core.incidents.casework import Casework
from monitor.core.incidents.effects import FURTHER_AFTER
from monitor.core.notices.model import Policy
from monitor.core.references import to_text
from monitor.core.rehearse import Rehearsal
from monitor.core.rules.compile import Source
from monitor.core.rules.model import Book, ModelOptions
from monitor.core.watcher import Mark
from monitor.runtime.books import BookRefused, compile_source
from monitor.runtime.fitting import fittable

PACK = """pack: quality
models: ["*"]
rules:
- alert: InputShift
  detect: {detect}
  severity: high
"""
DEFAULT = '{shift: "inputs.*"}'
SHOWN = 512  # events of the reference that the bank sees
ONLY_SUDDEN = "only what is sudden is found"  # how the product says that it refuses to watch for slow shifts


@dataclass(frozen=True, slots=True)
class Overloop:
    """One pack of one rule, everything else at its defaults."""

    name: str = "overloop"
    detect: str = DEFAULT
    budget: float = 1.0  # pages a week

    def start(self, setting: Setting) -> OverloopRun:
        return OverloopRun(setting.reference_until, book_of(self.detect, self.budget))


def book_of(detect: str = DEFAULT, budget: float = 1.0) -> Book:
    """The rule book in force. Raises BookRefused."""
    options = (("*", ModelOptions(false_pages=budget)),)
    source = Source({"quality/pack.yaml": PACK.format(detect=detect)}, options=options)
    book, found = compile_source(source)
    if book is None:
        raise BookRefused(found)
    return book


class OverloopRun:
    """Steps end at each day, and at the end of the reference.

    Until then events only make the reference; of the last ones the bank sees what its columns are. As steps are long,
    what they find is timed by its events: the machine's own rule for a further change is held against those.
    """

    def __init__(self, until: float, book: Book) -> None:
        self.until, self.book = until, book
        self.rehearsal = Rehearsal(book, Policy())
        self.at = -np.inf
        self.learning = True
        self.fitters: dict[str, list[Fitter]] = {}  # by model, of its rules
        self.last: dict[str, list[Batch]] = {}  # what came last, by model
        self.marks: list[Mark] = []
        self.alarms: list[Alarm] = []
        self.told: dict[str, float] = {}  # model -> when its person heard last
        self.refusals: dict[str, tuple[str, bool] | None] = {}  # by model, as of the end of the reference

    def feed(self, batch: Batch) -> None:
        clock = np.maximum.accumulate(np.minimum(batch.at, batch.recorded_at + 60.0))
        start = int(np.searchsorted(clock, self.until, side="left")) if self.learning else 0
        if start:
            self._learn(batch if start == batch.n else batch.take(range(start)))
        while start < batch.n:
            stop = start + int(np.searchsorted(clock[start:], (clock[start] // DAY + 1) * DAY, side="left"))
            self._settle()
            part = batch if stop - start == batch.n else batch.take(range(start, stop))
            self._step(float(batch.recorded_at[stop - 1]), part, clock[start:stop])
            start = stop

    def _learn(self, batch: Batch) -> None:
        if batch.model not in self.fitters:
            rules = [rule for _, rule in self.book.rules_for(batch.model)]
            pages = self.book.options_for(batch.model).false_pages
            self.fitters[batch.model] = [
                Fitter(rule, batch.model, Columns(), page_budget(rule, rules, pages))
                for rule in fittable(self.book, batch.model)
            ]
        for fitter in self.fitters[batch.model]:
            fitter.feed_batch(batch)
        last = [*self.last.get(batch.model, []), batch]
        while sum(one.n for one in last[1:]) >= SHOWN:
            del last[0]
        self.last[batch.model] = last

    def _settle(self) -> None:
        """What people do: end the reference once, hold every incident."""
        if self.learning:
            self.learning = False
            for model, fitters in self.fitters.items():
                self._give(model, fitters)
        view = self.rehearsal.view
        if all(incident.state != "open" for incident in view.incidents.values()):
            return
        work = Casework(view, self.rehearsal.policy, self.book, self.at)
        for incident in list(view.incidents.values()):
            if incident.state == "open":
                refusal = actions.acknowledge(work, incident, "harness", actions.LONGEST)
                assert refusal is None, refusal
        view.absorb(work.finish())

    def _give(self, model: str, fitters: list[Fitter]) -> None:
        for batch in self.last.pop(model):
            late = batch.take(range(max(batch.n - SHOWN, 0), batch.n))
            self._step(float(late.recorded_at[-1]), late, late.at)
        self.told.clear()
        self.alarms.clear()
        rows: list[dict[str, Any]] = []
        for fitter in fitters:
            made = fitter.result()
            body = {"fitted": to_text(made.pack()), "version": 1}
            self.marks.append(Mark("reference", self.until, model, fitter.rule.key, body=body))
            rows += fitted_rows(made, *(arm * fitter._budget for arm in fitter.ARMS))
        self.refusals[model] = _refusal(rows)
        fitters.clear()

    def _step(self, at: float, batch: Batch, clock: Any) -> None:
        self.at = max(self.at, at)
        marks, self.marks = self.marks, []
        self.rehearsal.step(self.at, [batch], more=marks)
        for finding in sorted(self.rehearsal.seen.findings, key=lambda finding: finding.evidence.at):
            told = finding.evidence.at
            if finding.warming or finding.historical or told < self.told.get(batch.model, -np.inf) + FURTHER_AFTER:
                continue  # evidence of what its person knows of
            self.told[batch.model] = told
            index = int(batch.offsets[min(int(np.searchsorted(clock, told, side="left")), len(clock) - 1)])
            self.alarms.append(Alarm(told, index, batch.model))

    def finish(self) -> Outcome:
        """A stream counts as refused if no series was watched for slow shifts when its reference ended. What is said
        about it all the same (sudden things; later, when a refused series was looked at again) counts too."""
        broken = next((text for name in self.fitters if (text := self._failure(name))), None)
        said = list(self.refusals.values())
        told = [refusal for refusal in said if refusal is not None]
        if broken is None and (not said or len(told) < len(said)):
            return Outcome(self.alarms)
        watched = bool(self.alarms) or any(watched for _, watched in told)
        return Outcome(self.alarms, broken or told[0][0], watched)

    def _failure(self, model: str) -> str | None:
        part = self.rehearsal.bank.models.get(model)
        return None if part is None else "; ".join(dict(part.failed).values()) or None


def _refusal(rows: list[dict[str, Any]]) -> tuple[str, bool] | None:
    """Why no series of the rules is watched for slow shifts, in the product's own words, and whether they are watched
    for anything at all. None if one is."""
    if not rows or any(row["state"] not in ("refused", "disabled") and not _only_sudden(row) for row in rows):
        return None
    watched = any(row["state"] not in ("refused", "disabled") for row in rows)
    told = str(rows[0].get("refused") or rows[0].get("chosen") or rows[0]["state"])
    return (
        "Only what is sudden is watched; the reference is too dependent." if _only_sudden(rows[0]) else told
    ), watched


def _only_sudden(row: dict[str, Any]) -> bool:
    return ONLY_SUDDEN in row.get("chosen", "")
