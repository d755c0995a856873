"""The product itself, by its public way: a rule book, a rehearsal of the pump's steps, incidents, people's actions.

The way a page ends is the same for null and for changed streams, since nobody knows the truth: a person closes the
incident 24 hours after it opened, without a verdict, and the rearm mark that closing asks for is placed in the next
step. So the detectors watch again against the same reference, and time is not saved by leaving an incident open.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from bench.quality.score import Alarm, Outcome
from bench.quality.stream import DAY, Setting
from monitor.core.changes import Changes
from monitor.core.events import Batch, Ints
from monitor.core.incidents import actions
from monitor.core.incidents.casework import Casework
from monitor.core.notices.model import Policy
from monitor.core.rehearse import Rehearsal
from monitor.core.rules.compile import Source
from monitor.core.rules.model import Book, ModelOptions
from monitor.core.step import mark_from_json
from monitor.core.watcher import Mark
from monitor.runtime.books import BookRefused, compile_source

PACK = """pack: quality
models: ["*"]
rules:
- alert: InputShift
  detect: {detect}
  severity: high
"""
DEFAULT = '{shift: "inputs.*"}'
CLOSE_AFTER = DAY
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
    """Steps end at each day, at the end of the reference and where an incident is due to be closed."""

    def __init__(self, until: float, book: Book) -> None:
        self.until = until
        self.rehearsal = Rehearsal(book, Policy())
        self.at = -np.inf
        self.learning = True
        self.marks: list[Mark] = []
        self.alarms: list[Alarm] = []
        self.due: dict[str, float] = {}  # incident -> when it is closed
        self.models: dict[str, None] = {}
        self.refusals: dict[str, tuple[str, bool] | None] = {}  # by model, as of the end of the reference

    def feed(self, batch: Batch) -> None:
        self.models[batch.model] = None
        clock = np.maximum.accumulate(np.minimum(batch.at, batch.recorded_at + 60.0))
        start = 0
        while start < batch.n:
            stop = start + int(np.searchsorted(clock[start:], self._boundary(float(clock[start])), side="left"))
            self._settle(float(clock[start]))
            part = batch if stop - start == batch.n else batch.take(range(start, stop))
            self._step(float(batch.recorded_at[stop - 1]), part, clock[start:stop])
            start = stop

    def _boundary(self, now: float) -> float:
        """The first moment after `now` at which something is due."""
        moments = [(now // DAY + 1) * DAY, *self.due.values(), *([self.until] if self.learning else [])]
        return min(moment for moment in moments if moment > now)

    def _settle(self, now: float) -> None:
        """What people do by `now`: end the reference, close what has been open for a day."""
        if self.learning and now >= self.until:
            self.learning = False
            for model in self.models:
                self.marks.append(Mark("reference", self.until, model, body={"until": self.until}))
        for id_ in [id_ for id_, due in self.due.items() if due <= now]:
            del self.due[id_]
            self._close(id_, now)

    def _close(self, id_: str, now: float) -> None:
        view = self.rehearsal.view
        work = Casework(view, self.rehearsal.policy, self.rehearsal.book, now)
        incident = work.incident(id_)
        if incident is not None and incident.state != "closed":
            refusal = actions.close(work, incident, "harness")
            assert refusal is None, refusal
        changes = work.finish()
        view.absorb(changes)
        self.marks += map(mark_from_json, changes.wanted)
        view.forget_closed(now - 2 * DAY)

    def _step(self, at: float, batch: Batch, clock: Any) -> None:
        self.at = max(self.at, at)
        marks, self.marks = self.marks, []
        known = set(self.rehearsal.view.incidents)
        self._note(self.rehearsal.step(self.at, [batch], more=marks), known, clock, batch.offsets)
        for mark in marks:
            if mark.kind == "reference" and mark.model is not None:
                self.refusals[mark.model] = _refusal(self._describe(mark.model))

    def _note(self, changes: Changes, known: set[str], clock: Any, offsets: Ints) -> None:
        for id_, incident in changes.incidents.items():
            if id_ in known or incident.stage != "live" or incident.historical:
                continue
            at = min(evidence.at for owner, evidence in changes.evidence if owner == id_)
            index = int(offsets[min(int(np.searchsorted(clock, at, side="left")), len(clock) - 1)])
            self.alarms.append(Alarm(at, index, incident.model))
            self.due[id_] = at + CLOSE_AFTER

    def finish(self) -> Outcome:
        """A stream counts as refused if no series was watched for slow shifts when its reference ended. What is said
        about it all the same (sudden things; later, when a refused series was looked at again) counts too."""
        broken = next((text for name in self.models if (text := _failure(self._describe(name)))), None)
        said = list(self.refusals.values())
        told = [refusal for refusal in said if refusal is not None]
        if broken is None and (not said or len(told) < len(said)):
            return Outcome(self.alarms)
        watched = bool(self.alarms) or any(watched for _, watched in told)
        return Outcome(self.alarms, broken or told[0][0], watched)

    def _describe(self, model: str) -> dict[str, Any]:
        part = self.rehearsal.bank.models[model]
        return {"failed": dict(part.failed), **{key: watcher.describe() for key, watcher in part.watchers.items()}}


def _failure(described: dict[str, Any]) -> str | None:
    return "; ".join(described["failed"].values()) or None


def _refusal(described: dict[str, Any]) -> tuple[str, bool] | None:
    """Why no series of the rule is watched for slow shifts, in the product's own words, and whether they are watched
    for anything at all. None if one is."""
    rows = [row for key, about in described.items() if key != "failed" for row in about.get("references", ())]
    if not rows or any(row["state"] not in ("refused", "disabled") and not _only_sudden(row) for row in rows):
        return None
    watched = any(row["state"] not in ("refused", "disabled") for row in rows)
    told = str(rows[0].get("refused") or rows[0].get("chosen") or rows[0]["state"])
    return (
        "Only what is sudden is watched; the reference is too dependent." if _only_sudden(rows[0]) else told
    ), watched


def _only_sudden(row: dict[str, Any]) -> bool:
    return ONLY_SUDDEN in row.get("chosen", "")
