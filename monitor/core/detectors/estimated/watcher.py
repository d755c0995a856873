"""`detect: {estimated_errors: output.confidence, wrong: …}`: more errors are to be expected, before truth comes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from monitor.core.columns import Columns
from monitor.core.detectors.budget.arming import Terms
from monitor.core.detectors.budget.points import single
from monitor.core.detectors.budget.pool import Hit
from monitor.core.detectors.budget.series import BudgetSeries
from monitor.core.detectors.estimated.calibration import UNIT
from monitor.core.detectors.estimated.series import EstimatedSeries
from monitor.core.detectors.estimated.words import described, estimated_finding, performance
from monitor.core.detectors.keyed import Key
from monitor.core.detectors.keyed_watcher import Edge, Part
from monitor.core.detectors.methods import TOLERATED
from monitor.core.detectors.report import clean
from monitor.core.detectors.routing import Route
from monitor.core.detectors.staked.series import StakedSeries
from monitor.core.detectors.staked.watcher import Indicator, StakedWatcher
from monitor.core.events import OK, Batch, Bools, Floats, Ints
from monitor.core.findings import UNKNOWN, YES, Finding
from monitor.core.rules.model import Detect, Rule
from monitor.core.rules.reads import reads

SHOWN = 20


@dataclass(frozen=True, slots=True)
class _Labels:
    """Answers whose truth has come and is not taken yet: from `start` on."""

    batch: Batch
    clock: Floats
    codes: Ints  # twice the confidence in ten-thousandths, plus 1 if wrong
    start: int = 0


class EstimatedWatcher(StakedWatcher):
    """Confidence of answers as they come; what it is worth from truth, up to the event at which a reference is done.

    Nothing that comes behind that event has a say in the reference, so where batches are cut changes nothing.
    """

    ARMS = (1.0, 0.0)
    GIVEN = False

    def __init__(
        self,
        rule: Rule,
        detect: Detect,
        columns: Columns,
        form: str,
        budget: float,
        model: str,
        wrong: Indicator | None,
    ) -> None:
        super().__init__(rule, detect, columns, form, budget, model)
        self._wrong = wrong
        self._tolerance = TOLERATED["estimated_errors"] if detect.tolerance is None else detect.tolerance
        self._later = any(path.startswith("truth.") for path in reads(rule))  # whether it takes truth to know
        self._labels: _Labels | None = None
        self._last = 0  # the last row of those that are being watched
        self._outside = 0  # confidences outside 0 to 1

    def _series(self, key: Key) -> BudgetSeries:
        return EstimatedSeries()

    def parts(self, batch: Batch) -> list[Part]:
        codes, usable, outside = self._confidence(batch)
        self._outside += outside
        return [Part(self._detect.columns[0], codes.astype(np.float64), usable)]

    def _confidence(self, batch: Batch) -> tuple[Ints, Bools, int]:
        """In ten-thousandths, where it is one, and how many are none for lying outside 0 to 1."""
        path = self._detect.columns[0]
        if path not in batch.columns:
            return np.zeros(batch.n, dtype=np.int64), np.zeros(batch.n, dtype=bool), 0
        values, known = batch.numbers(path)
        usable: Bools = (known == OK) & (values >= 0.0) & (values <= 1.0)
        codes = np.rint(np.where(usable, values, 0.0) * UNIT).astype(np.int64)
        return codes, usable, int(((known == OK) & ~usable).sum())

    # -- truth --

    def calibrate(self, joined: Batch, clock: Floats) -> None:
        """Events whose truth has come, before the batch that it came with is observed."""
        if self._later:
            self._learn(joined, clock)

    def _learn(self, joined: Batch, clock: Floats) -> None:
        if self._wrong is None or not joined.n:
            return
        codes, usable, _ = self._confidence(joined)
        known = self._wrong.evaluate(joined)
        rows = np.flatnonzero(usable & (known != UNKNOWN))
        if len(rows):
            self._labels = _Labels(joined.take(rows), clock[rows], (2 * codes + (known == YES))[rows])

    def observe(self, batch: Batch, clock: Floats) -> list[Finding]:
        if not self._later and not batch.truth:
            self._learn(batch, clock)
        found = super().observe(batch, clock)
        self._take_labels(np.inf)
        return found

    def _watch(self, routes: list[Route], parts: list[Part], batch: Batch, told: Floats, clock: Floats) -> list[Edge]:
        self._last = max((int(route.rows[-1]) for route in routes), default=0)
        return super()._watch(routes, parts, batch, told, clock)

    def _feed(
        self,
        streams: list[tuple[Key, Part, Ints]],
        stretch: tuple[int, int],
        batch: Batch,
        told: Floats,
        at: Floats,
        clock: Floats,
    ) -> list[Edge]:
        found = super()._feed(streams, stretch, batch, told, at, clock)
        self._take_labels(float(batch.offsets[min(stretch[1] - 1, self._last)]))
        return found

    def _take_labels(self, until: float) -> None:
        """Hand to their series what came with events up to an offset."""
        labels = self._labels
        if labels is None:
            return
        stop = int(labels.batch.offsets.searchsorted(until, side="right"))
        rows = np.arange(labels.start, stop)
        if len(rows):
            part = labels.batch.take(rows)
            for key, mine in self._keys(part).items():
                entry = self._entries.entries.get(key)
                if isinstance(entry, EstimatedSeries) and not self._entries.is_frozen(key[1]):
                    at = rows[mine]
                    entry.label(single(mine, labels.clock[at], part.at[mine], labels.codes[at].astype(np.float64)))
        done = stop >= labels.batch.n
        self._labels = None if done else _Labels(labels.batch, labels.clock, labels.codes, max(stop, labels.start))

    def _keys(self, batch: Batch) -> dict[Key, Ints]:
        segments = self._routes.segments
        codes = segments.codes(batch).tolist()
        apart = self._routes.on_version == "compare"
        rows: dict[Key, list[int]] = {}
        for row, (code, version) in enumerate(zip(codes, batch.versions, strict=True)):
            key = ((version or "") if apart else "", segments.names[code], self._detect.columns[0])
            rows.setdefault(key, []).append(row)
        return {key: np.array(mine, dtype=np.int64) for key, mine in rows.items()}

    # -- the reference, and what is said --

    def _fit(self, entry: StakedSeries, until: float, terms: Terms, complete: bool, now: float) -> None:
        assert isinstance(entry, EstimatedSeries)
        entry.fit(until, terms, complete, now)

    def _finding(self, batch: Batch, hit: Hit, clock: float) -> Finding:
        return estimated_finding(self.rule, batch, hit, clock)

    def _told(self, key: Key, entry: BudgetSeries) -> dict[str, Any]:
        assert isinstance(entry, EstimatedSeries)
        return described(entry, self._pool.delays(key))

    def about(self) -> dict[str, Any]:
        more: dict[str, Any] = {"detects": "estimated_errors", "not_covered": "", "outside": self._outside}
        if self._outside:
            left = f"{self._outside:,} values of {clean(self._detect.columns[0])} lay outside 0 to 1 and are left out"
            more["not_covered"] = f"confidences that are no probability: {left}"
        return super().about() | more | {"not_numbers": []}

    def estimates(self) -> list[dict[str, Any]]:
        """What the model's page shows: of each series that is watched, the estimate and what it assumes."""
        found = []
        for (version, segment, column), entry in sorted(self._entries.entries.items()):
            if isinstance(entry, EstimatedSeries) and entry.calibration is not None:
                where = {"rule": self.rule.key, "column": column, "segment": segment, "version": version}
                found.append(where | performance(entry))
        return found[:SHOWN]

    def save(self) -> Any:
        return super().save() | {"outside": self._outside}

    def load(self, saved: Any) -> None:
        super().load(saved)
        self._outside = saved["outside"]
