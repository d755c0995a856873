"""A stream on disk: a folder with `events.ndjson` (the native event schema, in time order) and `truth.json`."""

from __future__ import annotations

import json
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
        except ValueError as problem:
            raise ValueError(f"truth.json is no JSON: {problem}.") from None
        return cls(path, Truth.from_json(said))

    def batches(self) -> Iterator[Batch]:
        """Raises ValueError when no line is an event, or an event has no time."""
        checker = Checker("events", Secrets(KEY))
        first, refused = 0, ""
        with (self.path / "events.ndjson").open("rb") as lines:
            while chunk := list(islice(lines, LINES)):
                checked = checker.check(b"".join(chunk))
                if checked.rejected and not refused:
                    refused = f"; line {first + checked.rejected[0][0]}: {checked.rejected[0][1].rstrip('.')}"
                if not checked.lines:
                    continue
                record = Record(first, len(checked.lines), np.nan, b"\n".join(checked.lines))
                first += record.count
                yield from map(_timed, to_batches([record]))
        if not first:
            raise ValueError(f"No line of events.ndjson is an event{refused}.")


def _timed(batch: Batch) -> Batch:
    if np.isnan(batch.at).any():
        row = int(np.isnan(batch.at).argmax())
        raise ValueError(f"The event {batch.ids[row]!r} has no time (at): a stream cannot be replayed without.")
    batch.recorded_at = arrival(batch.at)
    return batch


def arrival(at: Floats) -> Floats:
    """When events that come in time order were recorded: their own times, but for single ones that are far off."""
    if (np.diff(at) < 0).any():
        padded = np.concatenate([at[:1].repeat(2), at, at[-1:].repeat(2)])
        at = np.median(np.lib.stride_tricks.sliding_window_view(padded, 5), axis=1)
    return np.maximum.accumulate(at)
