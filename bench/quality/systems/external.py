"""Competitors in environments of their own: a worker process each, fed with whole streams."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from bench.quality.score import Alarm, Outcome
from bench.quality.stream import Setting
from bench.quality.systems.base import NumberColumns
from monitor.core.events import Batch, Floats

EXTERNAL = ("evidently", "nannyml", "frouros", "alibi-detect")
FOLDER = "OVERLOOP_BENCH_ENVIRONMENTS"  # where `python -m bench.quality.environments` made them
WORKER = Path(__file__).parents[1] / "workers/detectors.py"


def folder() -> Path:
    return Path(os.environ.get(FOLDER, Path(__file__).parents[3] / "build/environments"))


@dataclass(frozen=True, slots=True)
class External:
    """A library in its own environment. Where that is not there, every stream is refused, and says so."""

    name: str
    strict: float = 1.0  # how many times beyond its default threshold

    def start(self, setting: Setting) -> ExternalRun:
        return ExternalRun(self.name, setting.reference_until, self.strict)


@dataclass(slots=True)
class ExternalRun:
    name: str
    until: float
    strict: float
    at: list[Floats] = field(default_factory=list)
    pieces: list[tuple[int, dict[str, Floats]]] = field(default_factory=list)
    columns: NumberColumns = field(default_factory=NumberColumns)
    models: dict[str, None] = field(default_factory=dict)

    def feed(self, batch: Batch) -> None:
        self.models[batch.model] = None
        self.at.append(batch.recorded_at)
        piece = {path: np.full(batch.n, np.nan) for path, _, _ in self.columns.series(batch)}
        for path, values, rows in self.columns.series(batch):
            piece[path][rows] = values
        self.pieces.append((batch.n, piece))

    def finish(self) -> Outcome:
        at = np.concatenate(self.at)
        until = int(np.searchsorted(at, self.until))
        names = sorted({path for _, piece in self.pieces for path in piece})
        if len(self.models) != 1 or not names or not 0 < until < len(at):
            return Outcome(refused="it takes number columns of one model, with a reference before them")
        columns = {n: np.concatenate([p.get(n, np.full(rows, np.nan)) for rows, p in self.pieces]) for n in names}
        answer = ask(self.name, at, until, columns, self.strict)
        if "error" in answer:
            return Outcome(refused=answer["error"])
        return Outcome([Alarm(float(at[i]), i, *self.models) for i in answer["alarms"]])


def ask(name: str, at: Floats, until: int, columns: dict[str, Floats], strict: float = 1.0) -> dict[str, Any]:
    """What the worker answers: `alarms`, or `error` with a sentence."""
    process = _worker(name)
    if process is None:
        return {"error": f"{name} is not installed; run python -m bench.quality.environments {name}"}
    assert process.stdin is not None and process.stdout is not None
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "stream.npz"
        np.savez(path, **{"at": at, "until": np.array(until), **columns})  # type: ignore[arg-type]
        process.stdin.write(json.dumps({"path": str(path), "strict": strict}) + "\n")
        process.stdin.flush()
        line = process.stdout.readline()
    if not line:
        _worker.cache_clear()
        return {"error": f"the worker of {name} ended"}
    answer: dict[str, Any] = json.loads(line)
    return answer


@lru_cache(maxsize=len(EXTERNAL))
def _worker(name: str) -> subprocess.Popen[str] | None:
    """One worker a process of ours and library; it ends when its input does."""
    python = folder() / name / "bin/python"
    if not python.exists():
        return None
    command = [str(python), str(WORKER), name]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert process.stdout is not None
    return process if process.stdout.readline() else None
