"""A stream on disk: a folder with `events.ndjson` (the native event schema, in time order) and `truth.json`."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from bench.quality.stream import Truth
from monitor.core.events import Batch, Floats
from monitor.formats.decode import to_batches
from monitor.formats.native import Checker
from monitor.formats.secrets import Secrets
from monitor.spool import Flags

LINES = 4096  # read at a time
LATE = 86400.0  # seconds that events may come behind later ones
EVENT_TIME = Flags(event_time=True)
KEY = bytes(16)  # what the columns of secrets are hashed with: nothing leaves the harness


@dataclass(frozen=True, slots=True)
class Record:
    """Lines as the spool would give them back."""

    first: int
    count: int
    recorded_at: float
    payload: bytes
    kind: str = "events"
    flags: Flags = EVENT_TIME


@dataclass(frozen=True, slots=True)
class Folder:
    """A stream read through the intake that a daemon has: what it would refuse is left out."""

    path: Path
    truth: Truth

    @property
    def name(self) -> str:
        return self.path.name

    @classmethod
    def open(cls, path: Path) -> Folder:
        """Raises ValueError, with a sentence, if the folder is no stream."""
        if not (path / "events.ndjson").is_file():
            raise ValueError("There is no events.ndjson in it.")
        try:
            said = json.loads((path / "truth.json").read_bytes())
        except FileNotFoundError:
            raise ValueError("There is no truth.json in it.") from None
        except OSError as problem:
            raise ValueError(f"truth.json cannot be read: {problem.strerror}.") from None
        except ValueError as problem:
            raise ValueError(f"truth.json is no JSON: {problem}.") from None
        try:
            return cls(path, Truth.from_json(said))
        except ValueError as problem:
            raise ValueError(f"truth.json: {problem}") from None

    def batches(self) -> Iterator[Batch]:
        """What the intake refuses is left out, and standard error told. Raises ValueError, with a sentence that names
        the line, when no line is an event, an event has no time, or events are not in time order."""
        events, reader = self.path / "events.ndjson", Reader()
        with events.open("rb") as lines:
            while chunk := list(islice(lines, LINES)):
                yield from reader.read(chunk)
        if not reader.first:
            raise ValueError(f"No line of events.ndjson is an event; {reader.complaint or 'it is empty'}.")
        if reader.refused:
            more = reader.refused - 1
            told = f"It and {more} more are left out" if more else "It is left out"
            print(f"{self.name}/events.ndjson, {reader.complaint}. {told}.", file=sys.stderr)


class Reader:
    """Lines of events as batches. `first`: how many were events so far; `refused`: how many were not, and
    what is wrong with the first of those."""

    def __init__(self) -> None:
        self.checker = Checker("events", Secrets(KEY))
        self.first, self.lines = 0, 0
        self.refused, self.complaint = 0, ""
        self.latest: dict[str, float] = {}  # by model, when its last event was recorded

    def read(self, chunk: list[bytes]) -> Iterator[Batch]:
        """Raises ValueError."""
        lists = [number for number, line in enumerate(chunk, 1) if line.lstrip().startswith(b"[")]
        for number in lists:  # the intake would take all that follows for one list
            chunk[number - 1] = b"\n"
        checked = self.checker.check(b"".join(chunk))
        rejected = sorted([*checked.rejected, *((number, "It is a list, not an event") for number in lists)])
        if rejected and not self.refused:
            self.complaint = f"line {self.lines + rejected[0][0]}: {rejected[0][1].rstrip('.')}"
        self.refused += len(rejected)
        wrong = {number for number, _ in rejected}
        events = [self.lines + n for n, line in enumerate(chunk, 1) if n not in wrong and line.strip()]
        self.lines += len(chunk)
        if checked.lines:
            record = Record(self.first, len(checked.lines), np.nan, b"\n".join(checked.lines))
            for batch in to_batches([record]):
                self._record(batch, [events[min(i - self.first, len(events) - 1)] for i in batch.offsets.tolist()])
                yield batch
            self.first += record.count

    def _record(self, batch: Batch, lines: list[int]) -> None:
        """When the events of one model, at these lines, were recorded."""
        if np.isnan(batch.at).any():
            line = lines[int(np.isnan(batch.at).argmax())]
            raise ValueError(f"events.ndjson, line {line}: The event has no time (at), so it cannot be replayed.")
        usual = steadied(batch.at)
        latest = np.maximum.accumulate(np.maximum(usual, self.latest.get(batch.model, -np.inf)))
        late = np.flatnonzero(usual < latest - LATE)
        if len(late):
            raise ValueError(
                f"events.ndjson, about line {lines[int(late[0])]}: The events come more than a day after later ones; "
                f"they must be in time order."
            )
        self.latest[batch.model] = float(latest[-1])
        batch.recorded_at = latest


def arrival(at: Floats) -> Floats:
    """When events that come in time order were recorded: their own times, but for single ones that are far off."""
    return np.maximum.accumulate(steadied(at))


def steadied(at: Floats) -> Floats:
    """Times without single ones that are far off."""
    if (np.diff(at) < 0).any():
        padded = np.concatenate([at[:1].repeat(2), at, at[-1:].repeat(2)])
        return np.asarray(np.median(np.lib.stride_tricks.sliding_window_view(padded, 5), axis=1))
    return at
