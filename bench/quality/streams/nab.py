"""Files of the Numenta Anomaly Benchmark. They are not part of the project: say where they are."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path

import numpy as np

from bench.quality.nab_score import Window, probation
from bench.quality.stream import Truth, cut
from monitor.core.events import Batch, Floats


@dataclass(frozen=True, slots=True)
class Nab:
    """One file as a stream. The reference is the benchmark's probation: the first 15 %, 750 rows at most."""

    root: str
    file: str

    @property
    def name(self) -> str:
        return f"nab/{self.file.removesuffix('.csv')}"

    @property
    def truth(self) -> Truth:
        at, _ = read(Path(self.root) / self.file)
        edges = self.edges()
        widest = max((right - left for left, right in edges), default=1.0)
        return Truth(float(at[probation(len(at))]), not edges, tuple(left for left, _ in edges), widest)

    def edges(self) -> list[tuple[float, float]]:
        """The labelled windows, in seconds."""
        said = json.loads((Path(self.root) / "windows.json").read_bytes()).get(self.file, [])
        return [(_seconds(left), _seconds(right)) for left, right in said]

    def windows(self) -> tuple[Window, ...]:
        """The labelled windows, in rows."""
        at, _ = read(Path(self.root) / self.file)
        rows = [np.searchsorted(at, edge) for edge in self.edges()]
        return tuple((int(left), int(right)) for left, right in rows)

    def length(self) -> int:
        return len(read(Path(self.root) / self.file)[0])

    def batches(self) -> Iterator[Batch]:
        at, values = read(Path(self.root) / self.file)
        return cut("nab", at, {"inputs.value": values})


def corpus(root: Path) -> list[Nab]:
    """All files of the folder that have an entry in `windows.json`."""
    labelled = json.loads((root / "windows.json").read_bytes())
    return [Nab(str(root), file) for file in sorted(labelled) if (root / file).is_file()]


@lru_cache(maxsize=4)
def read(path: Path) -> tuple[Floats, Floats]:
    """Times and values, by time."""
    with path.open(newline="") as lines:
        rows = [(_seconds(row["timestamp"]), float(row["value"])) for row in csv.DictReader(lines)]
    table = np.array(rows)
    table = table[np.argsort(table[:, 0], kind="stable")]
    return table[:, 0].copy(), table[:, 1].copy()


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()
