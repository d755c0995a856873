"""The tests of a pack: scripted events at relative times, and what is expected of the rules at given times.

In promtool's spirit: time starts at the test's `start`, an empty list asserts silence. The events are the same on
every run. The runner is `core.rehearse`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from monitor.core.events import MISSING
from monitor.core.incidents.model import State
from monitor.core.notices.model import Reason
from monitor.core.rules.model import Severity, Stage
from monitor.core.rules.scripted import Values


@dataclass(frozen=True, slots=True)
class ScriptedEvents:
    """`count` events of one model, one every `every` seconds from `start` (seconds after the test's start).

    `values` are by dotted path. `truth_after`: the truth comes in a post of its own that much later; None: with the
    event. `late`: the event's own time lies that far before its arrival.
    """

    model: str
    start: float
    every: float
    count: int
    values: Mapping[str, Values]
    version: str | None = None
    truth_after: float | None = None
    late: float = 0.0
    number: int = 0  # of the script within its test: part of the ids


@dataclass(frozen=True, slots=True)
class ExpectedIncident:
    """An incident that must be there. What is None is not compared."""

    rule: str  # "pack/Rule"
    model: str
    state: State = "open"
    segment: str | None = None
    severity: Severity | None = None
    stage: Stage | None = None


@dataclass(frozen=True, slots=True)
class ExpectedNotice:
    """A notice that must have been owed by then, whatever came of it."""

    rule: str
    model: str
    reason: Reason


@dataclass(frozen=True, slots=True)
class Expectation:
    """The state at one time: exactly these incidents that are not closed, exactly these notices so far.

    None: not compared. `line` of the test file serves messages.
    """

    at: float
    incidents: tuple[ExpectedIncident, ...] | None
    notices: tuple[ExpectedNotice, ...] | None
    line: int


@dataclass(frozen=True, slots=True)
class PackTest:
    """One test. `start` is seconds since 1970; the test runs until its last expectation, with a tick every `tick`."""

    name: str
    start: float
    tick: float
    scripts: tuple[ScriptedEvents, ...]
    expect: tuple[Expectation, ...]
    line: int

    @property
    def end(self) -> float:
        """Seconds since 1970 at which the last expectation is due."""
        return self.start + max(expectation.at for expectation in self.expect)


@dataclass(frozen=True, slots=True)
class TimedRecord:
    """One event or one truth as a producer would post it, and when it arrives (seconds since 1970)."""

    at: float
    kind: Literal["events", "truth"]
    body: dict[str, Any]


def expand(test: PackTest) -> list[TimedRecord]:
    """All that producers post during a test, by time of arrival; bodies as the two POST routes take them."""
    records = [record for script in test.scripts for record in _of_script(script, test.start)]
    return sorted(records, key=lambda record: record.at)


def _of_script(script: ScriptedEvents, start: float) -> list[TimedRecord]:
    records: list[TimedRecord] = []
    for index in range(script.count):
        at = start + script.start + index * script.every
        body: dict[str, Any] = {"id": f"{script.number}-{index}", "model": script.model}
        for path, values in script.values.items():
            root, _, name = path.partition(".")
            value = values.at(index, script.count)
            if value is not MISSING:
                body.setdefault(root, {})[name] = value
        truth = body.pop("truth", None) if script.truth_after is not None else None
        event = {**body, "at": _rfc3339(at - script.late), "inputs": body.get("inputs", {})}
        event["output"] = body.get("output", {})
        if script.version is not None:
            event["version"] = script.version
        records.append(TimedRecord(at, "events", event))
        if truth is not None and script.truth_after is not None:
            late = {"id": body["id"], "model": script.model, "truth": truth}
            records.append(TimedRecord(at + script.truth_after, "truth", late))
    return records


def _rfc3339(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat().replace("+00:00", "Z")
