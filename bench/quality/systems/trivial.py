"""Detectors that a table must contain to be read: never a word, a word a week, and three standard deviations."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from bench.quality.score import Alarm, Outcome
from bench.quality.stream import WEEK, Setting
from bench.quality.systems.base import NumberColumns, alarms_at
from monitor.core.events import Batch, Floats, Ints


@dataclass(frozen=True, slots=True)
class AlwaysSilent:
    """Never says anything: perfect on every null stream."""

    name: str = "always-silent"

    def start(self, setting: Setting) -> SilentRun:
        return SilentRun()


class SilentRun:
    def feed(self, batch: Batch) -> None:
        pass

    def finish(self) -> Outcome:
        return Outcome()


@dataclass(frozen=True, slots=True)
class Periodic:
    """Speaks once every `every` seconds from the end of the reference, whatever the data: what luck alone finds."""

    name: str = "periodic"
    every: float = WEEK

    def start(self, setting: Setting) -> PeriodicRun:
        return PeriodicRun(setting.reference_until + self.every, self.every)


@dataclass(slots=True)
class PeriodicRun:
    due: float
    every: float
    alarms: list[Alarm] = field(default_factory=list)

    def feed(self, batch: Batch) -> None:
        at = batch.recorded_at
        while at[-1] >= self.due:
            self.alarms += alarms_at(batch, np.array([np.searchsorted(at, self.due)]))
            self.due += self.every

    def finish(self) -> Outcome:
        return Outcome(self.alarms)


@dataclass(frozen=True, slots=True)
class ThreeSigma:
    """A value further than `k` standard deviations of the reference from its mean, in any column."""

    name: str = "three-sigma"
    k: float = 3.0

    def start(self, setting: Setting) -> ThreeSigmaRun:
        return ThreeSigmaRun(setting.reference_until, self.k)


class ThreeSigmaRun:
    def __init__(self, until: float, k: float) -> None:
        self.until, self.k = until, k
        self.columns, self.alarms = NumberColumns(), list[Alarm]()
        self.moments: dict[tuple[str, str], Floats] = {}  # count, mean, sum of squared deviations

    def feed(self, batch: Batch) -> None:
        end = int(np.searchsorted(batch.recorded_at, self.until))
        beyond = np.zeros(batch.n, bool)
        for path, values, rows in self.columns.series(batch):
            learned = int(np.searchsorted(rows, end))
            self._learn((batch.model, path), values[:learned])
            beyond[self._beyond((batch.model, path), values[learned:], rows[learned:])] = True
        self.alarms += alarms_at(batch, np.flatnonzero(beyond))

    def _learn(self, key: tuple[str, str], values: Floats) -> None:
        n, mean, spread = self.moments.get(key, np.zeros(3))
        if len(values):
            m, own = len(values), values.mean()
            total = n + m
            spread += ((values - own) ** 2).sum() + (own - mean) ** 2 * n * m / total
            self.moments[key] = np.array([total, mean + (own - mean) * m / total, spread])

    def _beyond(self, key: tuple[str, str], values: Floats, rows: Ints) -> Ints:
        n, mean, spread = self.moments.get(key, np.zeros(3))
        if n < 2:
            return rows[:0]
        return np.asarray(rows[np.abs(values - mean) > self.k * np.sqrt(spread / (n - 1))])

    def finish(self) -> Outcome:
        return Outcome(self.alarms)
