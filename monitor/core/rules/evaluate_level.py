"""A windowed rule as a watcher: segments, the gauge, the limit, and whether the condition held before."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from monitor.core.events import Batch, Bools, Floats
from monitor.core.findings import NO, UNKNOWN, YES, Finding, Level
from monitor.core.rules.evaluate_gauges import gauge_of
from monitor.core.rules.evaluate_limit import limit_of
from monitor.core.rules.evaluate_worst import worst
from monitor.core.rules.model import Rule, Windowed
from monitor.core.segments import Segments
from monitor.core.state import StateError
from monitor.core.watcher import Mark
from monitor.core.windows.versions import Versions
from monitor.core.windows.window import PANES, padded


class LevelWatcher:
    """`share`, `count`, `measure`, `parity`, `compare` on one model.

    Whether a segment's condition held is kept here, because with a clear level of its own the level depends on it;
    it moves with each `assess`, and steps repeat their assessments when they are run again. Since when it holds, and
    whether it fires, is the ledger's.
    """

    def __init__(self, rule: Rule, form: Windowed, model: str) -> None:
        self.rule, self.form, self.model = rule, form, model
        self.limit = limit_of(form)
        self.gauge = gauge_of(form)
        self.columns = tuple(dict.fromkeys((*self.gauge.quantity.columns, *form.by)))
        self.needs_truth = any(path.startswith("truth.") for path in self.columns)
        self._segments = Segments(form.by)
        self._versions = Versions()
        self._began: float | None = None  # rule clock of the first row or assessment
        self._whole = math.inf  # everything since then was seen
        self._gap = False  # nobody watched just before whatever comes next
        self._held: Bools = np.zeros(0, dtype=bool)
        self._last: Level | None = None  # for `describe` only

    def observe(self, batch: Batch, clock: Floats) -> list[Finding]:
        """Take in a batch; there are no edges."""
        if batch.n:
            self._see(float(clock[0]))
            codes, versions = self._segments.codes(batch), self._versions.note(batch)
            self.gauge.add(batch, codes, clock, versions)
        return []

    def assess(self, at: float) -> Level | None:
        """The level at rule time `at`."""
        self._see(at)
        names = tuple(self._segments.names)
        reading = self.gauge.read(at, len(names), self._whole)
        sure = reading.sure & np.isfinite(reading.compared)
        held: Bools = padded(self._held, len(names))
        beyond = self.limit.holds(reading.compared, held)
        self._held = np.where(sure, beyond, held) if self.limit.remembers else self._held
        self._last = Level(
            rule=self.rule.key,
            model=self.model,
            version=self._versions.newest,
            at=at,
            statistic=_statistic(self.form),
            column=self.columns[0] if self.gauge.quantity.columns else "",
            segments=names,
            holds=np.where(sure, np.where(beyond, YES, NO), UNKNOWN).astype(np.uint8),
            value=reading.value,
            expected=np.full(len(names), self.limit.value) if reading.expected is None else reading.expected,
            effect=np.where(sure, self.limit.effect(reading.compared), np.nan),
            n=reading.n,
        )
        return self._last

    def settled_until(self, at: float) -> float:
        """Until when the level at `at` stays as it is, if no rows come."""
        return self.gauge.settled_until(at, self._whole)

    def apply(self, mark: Mark) -> None:
        """A re-arm forgets that conditions held; after a gap longer than a pane the window must fill again."""
        if mark.kind == "rearm":
            named = [mark.segment in ("", name) for name in self._segments.names]
            self._held = self._held & ~np.array(named[: len(self._held)], dtype=bool)
        elif mark.kind == "gap" and mark.body is not None:
            self._gap |= mark.body["to"] - mark.body["from"] > self.form.over / PANES

    def memory(self) -> int:
        """Bytes held, about."""
        return self.gauge.memory() + 300 * len(self._segments.names) + self._held.nbytes + 2000

    def save(self) -> Any:
        """State for `core.state.dump`."""
        return {
            "v": 1,
            "form": _identity(self.form),
            "segments": self._segments.save(),
            "versions": self._versions.save(),
            "began": self._began,
            "whole": self._whole,
            "gap": self._gap,
            "held": self._held,
            "gauge": self.gauge.save(),
        }

    def load(self, saved: Any) -> None:
        """Continue from `save`. Raises StateError if another form saved it."""
        try:
            if saved["v"] != 1 or saved["form"] != _identity(self.form):
                raise StateError(
                    f"the windows of {self.rule.key} were saved for {saved['form']!r}, version {saved['v']}"
                )
            self._segments.load(saved["segments"])
            self._versions.load(saved["versions"])
            self._began, self._whole, self._gap = saved["began"], saved["whole"], saved["gap"]
            self._held = saved["held"]
            self.gauge.load(saved["gauge"])
        except StateError:
            raise
        except (KeyError, TypeError, AttributeError, ValueError) as problem:
            raise StateError(f"the windows of {self.rule.key} cannot be read: {problem!r}") from problem

    def describe(self) -> dict[str, Any]:
        """What it watches, since when, and how near the worst segments were to tripping when last assessed."""
        return {
            "kind": self.form.kind,
            "of": self.form.of,
            "over": self.form.over,
            "limit": {"above" if self.limit.upward else "below": self.limit.value, "clear": self.limit.clear},
            "since": self._began,
            "whole_window": self._last is not None and self._last.at - self._whole >= self.form.over,
            "version": self._versions.newest,
            "segments": len(self._segments.names),
            "segments_full": self._segments.full,
            "late": self.gauge.late(),
            "worst": [] if self._last is None else worst(self._last, self._unknown(self._last.at)),
        }

    def _unknown(self, at: float) -> list[int]:
        unknown: list[int] = self.gauge.read(at, len(self._segments.names), self._whole).unknown.tolist()
        return unknown

    def _see(self, at: float) -> None:
        if self._began is None or at < self._began:
            self._began = self._whole = at
        if self._gap:
            self._whole, self._gap = at, False


def _identity(form: Windowed) -> list[Any]:
    return [form.kind, form.of, form.over, list(form.by), form.against]


def _statistic(form: Windowed) -> str:
    if form.kind == "measure":
        return form.of
    if form.kind == "parity":
        return f"rate of {form.of} against the {'highest' if form.below is not None else 'lowest'}"
    if form.kind == "compare":
        return f"{form.of} against the {'previous period' if form.against == 'previous_period' else 'previous version'}"
    return f"{form.kind} of {form.of}"
