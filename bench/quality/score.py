"""From alarms to a row: one de-duplication rule for everybody, then false pages, detections and delays."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bench.quality.stream import DAY, WEEK, Truth
from monitor.core.events import Floats


@dataclass(frozen=True, slots=True, order=True)
class Alarm:
    """`index` counts the events of the stream from 0: the one at which the system spoke. `at` is that event's time."""

    at: float
    index: int
    model: str = ""


@dataclass(slots=True)
class Outcome:
    """What a system said about a stream. `refused`: why it did not watch, if it did not; `watched`: it did in part, and
    what it says counts."""

    alarms: list[Alarm] = field(default_factory=list)
    refused: str | None = None
    watched: bool = False


class Tally:
    """What scoring must know of the events, gathered while they pass: memory does not grow with the stream."""

    def __init__(self, truth: Truth) -> None:
        self.marks = np.array([*truth.changes, *(change + truth.horizon for change in truth.changes)])
        self.before = np.zeros(len(self.marks), dtype=np.int64)  # events before each mark
        self.events, self.last = 0, -np.inf

    def add(self, at: Floats) -> None:
        self.events += len(at)
        self.last = max(self.last, float(at.max()))
        if len(self.marks):
            self.before += np.searchsorted(np.maximum.accumulate(at), self.marks, side="left")


@dataclass(frozen=True, slots=True)
class Row:
    """One system on one stream. Delays: one a change, in their order; a missed change counts as its horizon.

    `weeks` is the time after the reference in which nothing changes (until the first change): what false pages are
    counted over. A refused system may be `watched` in part: then its pages count like others'. `alarms` is what the
    system said in all, before de-duplication.
    """

    stream: str
    system: str
    weeks: float
    refused: bool
    pages: int
    false_pages: int
    detected: int
    missed: int
    delays_events: list[int]
    delays_seconds: list[float]
    alarms: int = 0
    why: str | None = None
    watched: bool = True
    page_rows: list[int] = field(default_factory=list)  # the events at which pages went out

    def to_json(self) -> dict[str, Any]:
        """The pinned names only."""
        names = ("stream", "system", "weeks", "refused", "pages", "false_pages", "detected", "missed")
        delays = {"delays_events": self.delays_events, "delays_seconds": self.delays_seconds}
        return {name: getattr(self, name) for name in names} | delays


def pages(alarms: Iterable[Alarm], after: float, quiet: float = DAY) -> list[Alarm]:
    """The alarms after the reference that reach a person: none within `quiet` seconds of the last page of the model."""
    sent: list[Alarm] = []
    last: dict[str, float] = {}
    for alarm in sorted(alarms):
        if alarm.at >= after and alarm.at >= last.get(alarm.model, -np.inf) + quiet:
            sent.append(alarm)
            last[alarm.model] = alarm.at
    return sent


def score(stream: str, system: str, truth: Truth, tally: Tally, outcome: Outcome) -> Row:
    """The row of one system. A page is false on a null stream and before the first change; within the horizon of a
    change the first page finds it; later pages about a state that lasts are neither."""
    sent = pages(outcome.alarms, truth.reference_until)
    calm_until = truth.changes[0] if truth.changes else tally.last
    false = [page for page in sent if truth.null or page.at < calm_until]
    found = _delays(sent, truth, tally)
    return Row(
        stream=stream,
        system=system,
        weeks=max(0.0, calm_until - truth.reference_until) / WEEK,
        refused=outcome.refused is not None,
        pages=len(sent),
        false_pages=len(false),
        detected=sum(hit for hit, _, _ in found),
        missed=sum(not hit for hit, _, _ in found),
        delays_events=[events for _, events, _ in found],
        delays_seconds=[seconds for _, _, seconds in found],
        alarms=sum(alarm.at >= truth.reference_until for alarm in outcome.alarms),
        why=outcome.refused,
        watched=outcome.refused is None or outcome.watched,
        page_rows=[page.index for page in sent],
    )


def _delays(sent: Sequence[Alarm], truth: Truth, tally: Tally) -> list[tuple[bool, int, float]]:
    """For each change: whether it was found, after how many events (the first one is 1) and seconds."""
    found = []
    count = len(truth.changes)
    for i, change in enumerate(truth.changes):
        until = min([change + truth.horizon, *truth.changes[i + 1 : i + 2]])
        hit = next((page for page in sent if change <= page.at < until), None)
        if hit is not None:
            found.append((True, hit.index - int(tally.before[i]) + 1, hit.at - change))
        else:
            found.append((False, int(tally.before[count + i] - tally.before[i]), truth.horizon))
    return found
