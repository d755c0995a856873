"""Files into lines of our own format, whatever they hold."""

from __future__ import annotations

import gzip
import io
import sys
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from monitor.formats import csv, limits, parquet
from monitor.formats.mapping import MappingError, Places, event_of, places
from monitor.formats.split import split

FORMATS = ("ndjson", "csv", "parquet")
_ARRAY_BYTES = 256 << 20


@dataclass(frozen=True, slots=True)
class Reading:
    """How to read a file: `columns` maps columns of a table to places, `model` is for tables that do not say it."""

    truth: bool = False
    model: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    format: str | None = None
    zone: str | None = None

    def describe(self) -> str:
        """The same text for the same way of reading."""
        return repr((self.truth, self.model, sorted(self.columns.items()), self.format, self.zone))


@dataclass(slots=True)
class Source:
    """One file. `lines` gives (number in the file, line); `done` and `size` are bytes, for a progress bar."""

    path: Path
    reading: Reading
    name: str
    id_prefix: str
    size: int | None = None
    note: str = ""
    _raw: BinaryIO | None = None

    @property
    def done(self) -> int:
        return self._raw.tell() if self._raw is not None and not self._raw.closed and self.size else 0

    def lines(self) -> Iterator[tuple[int, bytes]]:
        """Raises MappingError and OSError."""
        kind = self.reading.format or _format(self.path)
        if kind == "parquet":
            rows = parquet.Table(self.path)
            yield from self._made(rows.rows(), self._placed(rows.header))
            return
        with self._opened() as stream:
            if kind == "csv":
                text = io.TextIOWrapper(stream, "utf-8-sig", newline="")
                try:
                    table = csv.Table(text)
                    placed = self._placed(table.header)
                    as_text = [name for name, place in placed.of.items() if place in ("id", "model", "version")]
                    yield from self._made(table.rows(as_text), placed)
                finally:
                    text.detach()  # the file is closed by who opened it
            else:
                yield from _ndjson(stream)

    def _placed(self, header: list[str]) -> Places:
        how = self.reading
        placed = places(header, how.model, how.columns, self.id_prefix, how.truth, how.zone)
        self.note = placed.describe()
        return placed

    def _made(self, rows: Iterator[tuple[int, dict[str, Any]]], placed: Places) -> Iterator[tuple[int, bytes]]:
        for row, (number, cells) in enumerate(rows, 1):
            yield number, _encoded(event_of(cells, placed, row, self.reading.truth))

    @contextmanager
    def _opened(self) -> Iterator[BinaryIO]:
        if str(self.path) == "-":
            yield sys.stdin.buffer
            return
        with self.path.open("rb") as raw:
            self._raw, self.size = raw, self.path.stat().st_size
            if self.path.suffix != ".gz":
                yield raw
                return
            try:
                with gzip.open(raw) as inflated:
                    yield inflated  # type: ignore[misc]
            except (EOFError, zlib.error, gzip.BadGzipFile) as problem:
                raise MappingError(
                    f"{self.path} is no gzip that can be read to its end ({problem}): compress it again."
                ) from problem


def _format(path: Path) -> str:
    suffix = path.with_suffix("").suffix if path.suffix == ".gz" else path.suffix
    return {".csv": "csv", ".tsv": "csv", ".parquet": "parquet", ".pq": "parquet"}.get(suffix.lower(), "ndjson")


def _ndjson(stream: BinaryIO) -> Iterator[tuple[int, bytes]]:
    first = stream.readline(limits.LINE_BYTES + 2)
    if first.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"["):
        body = first + stream.read(_ARRAY_BYTES)
        if len(body) > _ARRAY_BYTES:
            raise MappingError(
                f"The file is one JSON array of more than {_ARRAY_BYTES >> 20} MB: write one event a line."
            )
        yield from split(body)
        return
    number, line = 1, first
    while line:
        if line.strip():
            yield number, line.strip()
        if len(line) > limits.LINE_BYTES + 1 and not line.endswith(b"\n"):
            _skip_to_the_end_of_the_line(stream)  # what was read of it is enough to be refused as too long
        line = stream.readline(limits.LINE_BYTES + 2)
        number += 1


def _skip_to_the_end_of_the_line(stream: BinaryIO) -> None:
    while (part := stream.readline(1 << 20)) and not part.endswith(b"\n"):
        pass


def _encoded(event: dict[str, Any]) -> bytes:
    """As JSON; what is not finite becomes its word."""
    return msgspec.json.encode(_finite(event))


def _finite(value: Any) -> Any:
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    return [_finite(item) for item in value] if isinstance(value, list) else value
