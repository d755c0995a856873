"""Kept lines into columns. A pure function of the records: the same bytes give the same batches for ever."""

from __future__ import annotations

import gc
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from itertools import groupby
from typing import Any, Protocol

import msgspec
import numpy as np

from monitor.core.events import Batch, Floats, Ints
from monitor.formats import limits
from monitor.formats.columns import Table
from monitor.formats.envelope import EVENT_SECTIONS, TRUTH_SECTIONS, Event, Truth
from monitor.formats.typed import Shapes, Typed
from monitor.formats.typed import columns as typed_columns

_CHUNK_LINES = 1_000
_PIECE = 1 << 17
log = logging.getLogger(__name__)


class HasFlags(Protocol):
    @property
    def event_time(self) -> bool: ...
    @property
    def live(self) -> bool: ...


class SpoolRecord(Protocol):
    """Lines that were accepted together, as the spool gives them back."""

    @property
    def first(self) -> int: ...
    @property
    def count(self) -> int: ...
    @property
    def kind(self) -> str: ...
    @property
    def recorded_at(self) -> float: ...
    @property
    def flags(self) -> HasFlags: ...
    @property
    def payload(self) -> bytes: ...


class DecodeError(ValueError):
    """Kept lines that this version cannot read back."""


def to_batches(records: Sequence[SpoolRecord], shapes: Shapes | None = None) -> list[Batch]:
    """One batch per model and run of records of the same kind and flags, models in the order of first appearance.

    `shapes` remembers what lines looked like, which saves time and changes nothing.
    """
    batches: list[Batch] = []
    with _no_collection():
        for (kind, event_time, live), run in groupby(records, _likeness):
            batches.extend(_run(list(run), kind == "truth", event_time, live, shapes))
    return batches


@contextmanager
def _no_collection() -> Iterator[None]:
    """Decoding makes many containers and no cycles; looking for cycles among them takes a quarter of its time."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


def _likeness(record: SpoolRecord) -> tuple[str, bool, bool]:
    return record.kind, record.flags.event_time, record.flags.live


def _run(
    records: Sequence[SpoolRecord], truth: bool, event_time: bool, live: bool, shapes: Shapes | None
) -> list[Batch]:
    growing: dict[str, _Growing] = {}
    for chunk in _chunks(records):
        counts = [record.count for record in chunk]
        recorded_at = np.repeat(np.array([record.recorded_at for record in chunk], dtype=np.float64), counts)
        offsets = np.concatenate([np.arange(r.first, r.first + r.count, dtype=np.int64) for r in chunk])
        start = 0
        for events, shape in _events(chunk, truth, shapes):
            here = slice(start, start + len(events))
            start = here.stop
            _grow(growing, events, offsets[here], recorded_at[here], shape, truth)
        if start != len(offsets):
            where = f"The lines from offset {chunk[0].first}"
            raise DecodeError(f"{where} are {start}, and the spool counted {len(offsets)}.")
    return [part.batch(model, event_time, live) for model, part in growing.items()]


def _grow(
    growing: dict[str, _Growing],
    events: Sequence[Any],
    offsets: Ints,
    recorded_at: Floats,
    shape: Typed | None,
    truth: bool,
) -> None:
    """Add some events to the batches of their models; none where there are more than were counted."""
    if len(events) != len(offsets):
        return
    for model, rows in _rows_by_model(events).items():
        whole = len(rows) == len(events)
        growing.setdefault(model, _Growing(truth)).add(
            events if whole else [events[row] for row in rows],
            offsets if whole else offsets[rows],
            recorded_at if whole else recorded_at[rows],
            shape,
        )


def _chunks(records: Sequence[SpoolRecord]) -> Iterator[list[SpoolRecord]]:
    """Small records together: about a thousand events at a time stay in the processor's cache."""
    chunk: list[SpoolRecord] = []
    lines = 0
    for record in records:
        if chunk and lines + record.count > _CHUNK_LINES:
            yield chunk
            chunk, lines = [], 0
        chunk.append(record)
        lines += record.count
    if chunk:
        yield chunk


def _events(
    records: Sequence[SpoolRecord], truth: bool, shapes: Shapes | None
) -> Iterator[tuple[Sequence[Any], Typed | None]]:
    """The events of some records as structs, piece by piece, and the shape by which they were read if they were."""
    lines = b"\n".join([record.payload for record in records])
    model, shape = ("", None) if truth or shapes is None else shapes.of(lines)
    read = 0
    if shape is not None:
        for piece in _pieces(lines):
            found = shape.read(piece)
            if found is None:
                break
            read += len(found)
            yield found, shape
        else:
            return
    events = _untyped(lines, records[0].first, truth)
    if shapes is not None and model:
        shapes.learn(model, events)
    yield events[read:], None


def _pieces(lines: bytes) -> Iterator[memoryview]:
    """Whole lines, about `_PIECE` bytes of them: what is made of them is still in the cache when it is used."""
    view, start = memoryview(lines), 0
    while start < len(lines):
        end = lines.find(b"\n", start + _PIECE)
        stop = len(lines) if end < 0 else end + 1
        yield view[start:stop]
        start = stop


def _untyped(lines: bytes, first: int, truth: bool) -> Sequence[Any]:
    decoder: Any = msgspec.json.Decoder(Truth if truth else Event)
    try:
        events: list[Any] = decoder.decode_lines(lines)
    except (ValueError, RecursionError) as problem:  # msgspec's errors are ValueErrors
        raise DecodeError(f"The lines from offset {first} cannot be read back: {problem}.") from problem
    return events


def _rows_by_model(events: Sequence[Any]) -> dict[str, Sequence[int]]:
    models = [event.model for event in events]
    if models and models.count(models[0]) == len(models):
        return {models[0]: range(len(models))}
    rows: dict[str, Any] = {}
    for row, model in enumerate(models):
        known = rows.get(model)
        if known is None:
            rows[model] = [row]
        else:
            known.append(row)
    return rows


class _Growing:
    """The batch of one model while its chunks come in."""

    def __init__(self, truth: bool) -> None:
        self._truth = truth
        self._sections = TRUTH_SECTIONS if truth else EVENT_SECTIONS
        self._table = Table()
        self._ids: list[str] = []
        self._versions: list[str | None] = []
        self._at: list[Floats] = []
        self._recorded_at: list[Floats] = []
        self._offsets: list[Ints] = []

    def add(self, events: Sequence[Any], offsets: Ints, recorded_at: Floats, shape: Typed | None) -> None:
        if shape is None:
            sections = [(name, [getattr(event, name) for event in events]) for name in self._sections]
            self._table.extend(len(events), sections)
        else:
            found = (part for section in shape.sections for part in typed_columns(section, events))
            self._table.extend_by_columns(len(events), found)
        self._ids += _texts([event.id for event in events])
        self._versions += [None] * len(events) if self._truth else _texts([event.version for event in events])
        self._at.append(_times([event.at for event in events], recorded_at))
        self._recorded_at.append(recorded_at)
        self._offsets.append(offsets)

    def batch(self, model: str, event_time: bool, live: bool) -> Batch:
        offsets = np.concatenate(self._offsets)
        if self._table.left_out:
            log.warning(
                "Model %r has more than %d columns in the lines from offset %d to %d: %d were left out.",
                model,
                limits.COLUMNS,
                offsets[0],
                offsets[-1],
                len(self._table.left_out),
            )
        return Batch(
            model=model,
            ids=self._ids,
            at=np.concatenate(self._at),
            recorded_at=np.concatenate(self._recorded_at),
            offsets=offsets,
            columns=self._table.columns,
            versions=self._versions,
            truth=self._truth,
            event_time=event_time,
            live=live,
        )


def _times(values: list[Any], recorded_at: Floats) -> Floats:
    """Seconds since 1970 UTC; `recorded_at` where the producer gave no time."""
    kinds = set(map(type, values))
    if kinds == {type(None)}:
        return recorded_at.copy()
    if datetime in kinds:
        values = [value.timestamp() if type(value) is datetime else value for value in values]
    if type(None) in kinds:
        values = [at if value is None else value for value, at in zip(values, recorded_at.tolist(), strict=True)]
    return np.array(values, dtype=np.float64)


def _texts(values: list[Any]) -> list[Any]:
    """Ids and versions: numbers as text, None as it is."""
    if {*map(type, values)} <= {str, type(None)}:
        return values
    return [value if value is None or type(value) is str else str(value) for value in values]
