"""River's detectors as its documentation uses them: raw values in, one detector a column, an alarm each time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bench.quality.score import Alarm, Outcome
from bench.quality.stream import Setting
from bench.quality.systems.base import NumberColumns, alarms_at
from bench.quality.systems.kswin import FastKswin
from monitor.core.events import Batch, Floats

BINARY = ("ddm", "eddm", "hddm-a", "hddm-w", "fhddm")


def maker(method: str) -> Callable[..., Any]:
    """River's class for one of our names; it takes River's parameters."""
    from river import drift
    from river.drift import binary

    made: Mapping[str, Callable[..., Any]] = {
        "adwin": drift.ADWIN,
        "pagehinkley": drift.PageHinkley,
        "kswin": FastKswin,
        "ddm": binary.DDM,
        "eddm": binary.EDDM,
        "hddm-a": binary.HDDMA,
        "hddm-w": binary.HDDMW,
        "fhddm": binary.FHDDM,
    }
    return made[method]


@dataclass(frozen=True, slots=True)
class River:
    """A drift detector of River at its defaults, or with `parameters`."""

    method: str
    parameters: tuple[tuple[str, float], ...] = ()

    @property
    def name(self) -> str:
        return f"river-{self.method}"

    def start(self, setting: Setting) -> RiverRun:
        return RiverRun(self.method, dict(self.parameters))


class RiverRun:
    """Values before the end of the reference are fed too: their alarms do not count, what was learned does."""

    def __init__(self, method: str, parameters: dict[str, float]) -> None:
        self.method, self.parameters, self.make = method, parameters, maker(method)
        self.columns, self.alarms = NumberColumns(), list[Alarm]()
        self.detectors: dict[tuple[str, str], Any] = {}
        self.refused: str | None = None

    def feed(self, batch: Batch) -> None:
        for path, values, rows in self.columns.series(batch):
            if self.method in BINARY and not np.isin(values, (0.0, 1.0)).all():
                self.refused = f"{self.method} takes zeros and ones only, and {path} has other values"
            if self.refused is not None:
                return
            detector = self.detectors.get((batch.model, path))
            if detector is None:
                detector = self.detectors[batch.model, path] = self.make(**self.parameters)
            hits = scan(detector, values)
            self.alarms += alarms_at(batch, rows[hits])

    def finish(self) -> Outcome:
        return Outcome([] if self.refused else self.alarms, self.refused)


def scan(detector: Any, values: Floats) -> list[int]:
    """Where the detector says drift. It starts itself anew at the value after."""
    hits = []
    update = detector.update
    for i, value in enumerate(values.tolist()):
        update(value)
        if detector.drift_detected:
            hits.append(i)
    return hits


@dataclass(frozen=True, slots=True)
class Trees:
    """Half-space trees behind a MinMaxScaler and a QuantileFilter, as River's documentation shows them (q = 0.95)."""

    name: str = "river-halfspacetrees"
    q: float = 0.95

    def start(self, setting: Setting) -> TreesRun:
        return TreesRun(self.q)


@dataclass(slots=True)
class TreesRun:
    q: float
    columns: NumberColumns = field(default_factory=NumberColumns)
    alarms: list[Alarm] = field(default_factory=list)
    models: dict[str, Any] = field(default_factory=dict)

    def feed(self, batch: Batch) -> None:
        model = self.models.setdefault(batch.model, _trees(self.q))
        rows: list[dict[str, float]] = [{} for _ in range(batch.n)]
        for path, values, places in self.columns.series(batch):
            for row, value in zip(places.tolist(), values.tolist(), strict=True):
                rows[row][path] = value
        hits = [i for i, row in enumerate(rows) if row and _unusual(model, row)]
        self.alarms += alarms_at(batch, np.array(hits, dtype=np.int64))

    def finish(self) -> Outcome:
        return Outcome(self.alarms)


def _trees(q: float) -> Any:
    from river import anomaly, compose, preprocessing

    return compose.Pipeline(preprocessing.MinMaxScaler(), anomaly.QuantileFilter(anomaly.HalfSpaceTrees(seed=42), q=q))


def _unusual(model: Any, row: dict[str, float]) -> bool:
    unusual = bool(model["QuantileFilter"].classify(model.score_one(row)))
    model.learn_one(row)
    return unusual
