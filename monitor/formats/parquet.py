"""Parquet files, read a batch at a time. Needs pyarrow, which is an extra."""

from __future__ import annotations

import base64
import datetime
import decimal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from monitor.formats.mapping import MappingError

_ROWS = 1_000


class Table:
    """A Parquet file: `header`, and rows as they are read. Raises MappingError."""

    def __init__(self, path: Path) -> None:
        try:
            import pyarrow.parquet as parquet
        except ImportError as problem:
            raise MappingError(
                "Reading Parquet needs pyarrow, which is not installed: run `pip install 'overloop[parquet]'`."
            ) from problem
        try:
            self._file = parquet.ParquetFile(path)
        except (OSError, ValueError) as problem:  # pyarrow's errors are ValueErrors
            raise MappingError(f"{path} is no Parquet file that can be read: {problem}.") from problem
        self.header: list[str] = list(self._file.schema_arrow.names)
        self.count: int = self._file.metadata.num_rows

    def rows(self) -> Iterator[tuple[int, dict[str, Any]]]:
        number = 0
        try:
            for batch in self._file.iter_batches(batch_size=_ROWS):
                for row in batch.to_pylist():
                    number += 1
                    yield number, {name: plain(value) for name, value in row.items()}
        except (OSError, ValueError) as problem:
            raise MappingError(f"The file cannot be read after row {number}: {problem}.") from problem


def plain(value: Any) -> Any:
    """A value as JSON can hold it. Times without a zone are taken for UTC."""
    if isinstance(value, datetime.datetime):
        return (value if value.tzinfo else value.replace(tzinfo=datetime.UTC)).isoformat()
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, datetime.timedelta):
        return value.total_seconds()
    if isinstance(value, decimal.Decimal):
        return float(value)
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    return value
