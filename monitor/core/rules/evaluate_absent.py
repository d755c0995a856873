"""`absent`: how long nothing has come, of a model, a segment, a column, or the label feed."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from monitor.core.events import Batch, Bools, Floats, Ints
from monitor.core.findings import NO, YES, Finding, Level
from monitor.core.rules.evaluate_worst import worst
from monitor.core.rules.model import Absent, Rule
from monitor.core.segments import Segments
from monitor.core.state import StateError
from monitor.core.watcher import Mark
from monitor.core.windows.panes import SETTLED
from monitor.core.windows.versions import Versions
from monitor.core.windows.window import padded

HISTORY = 3600.0  # seconds: what a record of the past brings later than that is no sign of life


class AbsentWatcher:
    """Times are daemon time: `recorded_at` of rows, and `at` of `assess`.

    Without segments the silence begins with the watch, so a model that was never seen is silent too; a segment is
    watched from its first event on. Time in a gap, when nobody watched, does not count.
    """

    def __init__(self, rule: Rule, form: Absent, model: str) -> None:
        self.rule, self.form, self.model = rule, form, model
        self.columns = (*form.by, *(() if form.column is None else (form.column,)))
        self.needs_truth = False  # `truth` watches the feed itself, joined or not
        self._segments = Segments(form.by)
        self._versions = Versions()
        self._began: float | None = None
        self._seen: Floats = np.zeros(0)  # when each segment was last heard of
        self._n: Ints = np.zeros(0, dtype=np.int64)
        self._gap: tuple[float, float] | None = None  # the last one, when nobody watched
        self._last: Level | None = None  # for `describe` only

    def observe(self, batch: Batch, clock: Floats) -> list[Finding]:
        """Take in a batch; there are no edges."""
        if batch.n == 0:
            return []
        self._begin(float(batch.recorded_at[0]))
        now = np.flatnonzero(batch.live | (not batch.event_time) | (batch.at >= batch.recorded_at - HISTORY))
        heard = batch if len(now) == batch.n else batch.take(now)
        if heard.n:
            self._versions.note(heard)
            codes, times = self._segments.codes(heard), self._without_gap(heard.recorded_at)
            self._make_room(codes, times)
            signs = self._signs(heard)
            np.maximum.at(self._seen, codes[signs], times[signs])
            self._n += np.bincount(codes[signs], minlength=len(self._n))
        return []

    def assess(self, at: float) -> Level | None:
        """The level at daemon time `at`: seconds of silence of each segment."""
        self._begin(at)
        silence = np.maximum(at - self._seen, 0.0)
        self._last = Level(
            rule=self.rule.key,
            model=self.model,
            version=self._versions.newest,
            at=at,
            statistic="seconds without " + self._what(),
            column=self.form.column or "",
            segments=tuple(self._segments.names),
            holds=np.where(silence >= self.form.seconds, YES, NO).astype(np.uint8),
            value=silence,
            expected=np.full(len(silence), self.form.seconds),
            effect=silence / self.form.seconds,
            n=self._n.copy(),
        )
        return self._last

    def settled_until(self, at: float) -> float:
        """Until when the silences at `at` are on the same side of the limit, if nothing comes."""
        ends = self._seen + float(self.form.seconds) - SETTLED
        return float(ends[ends > at].min(initial=math.inf))

    def apply(self, mark: Mark) -> None:
        """A gap moves every last sign of life forward by its length."""
        if mark.kind == "gap" and mark.body is not None:
            self._gap = (float(mark.body["from"]), float(mark.body["to"]))
            self._seen = self._without_gap(self._seen)
            self._began = None if self._began is None else float(self._without_gap(np.array([self._began]))[0])

    def memory(self) -> int:
        """Bytes held, about."""
        return 2000 + 300 * len(self._segments.names) + self._seen.nbytes + self._n.nbytes

    def save(self) -> Any:
        """State for `core.state.dump`."""
        return {
            "v": 1,
            "by": list(self.form.by),
            "segments": self._segments.save(),
            "versions": self._versions.save(),
            "began": self._began,
            "seen": self._seen,
            "n": self._n,
            "gap": self._gap,
        }

    def load(self, saved: Any) -> None:
        """Continue from `save`. Raises StateError if another form saved it."""
        try:
            if saved["v"] != 1 or saved["by"] != list(self.form.by):
                raise StateError(f"the silence of {self.rule.key} was saved by {saved['by']}, version {saved['v']}")
            self._segments.load(saved["segments"])
            self._versions.load(saved["versions"])
            self._began, self._seen, self._n = saved["began"], saved["seen"], saved["n"]
            self._gap = None if saved["gap"] is None else (saved["gap"][0], saved["gap"][1])
        except StateError:
            raise
        except (KeyError, TypeError, AttributeError, ValueError) as problem:
            raise StateError(f"the silence of {self.rule.key} cannot be read: {problem!r}") from problem

    def describe(self) -> dict[str, Any]:
        """What it waits for, since when, and the longest silences when last assessed."""
        return {
            "kind": "absent",
            "of": self._what(),
            "limit": {"above": self.form.seconds, "clear": None},
            "since": self._began,
            "version": self._versions.newest,
            "segments": len(self._segments.names),
            "segments_full": self._segments.full,
            "worst": [] if self._last is None else worst(self._last),
        }

    def _begin(self, at: float) -> None:
        if self._began is None:
            self._began = at
            if not self.form.by:
                self._seen, self._n = np.array([at]), np.zeros(1, dtype=np.int64)

    def _make_room(self, codes: Ints, times: Floats) -> None:
        """The silence of a new segment begins with its first event."""
        known = len(self._seen)
        self._seen = padded(self._seen, len(self._segments.names), np.inf)
        self._n = padded(self._n, len(self._segments.names))
        fresh = codes >= known
        np.minimum.at(self._seen, codes[fresh], times[fresh])

    def _signs(self, batch: Batch) -> Bools:
        """Which rows are signs of life."""
        signs = np.ones(batch.n, dtype=bool)
        if self.form.truth and not batch.truth:
            signs = np.zeros(batch.n, dtype=bool)
            for path in batch.columns:
                if path.startswith("truth."):
                    signs |= batch.present(path)
        if self.form.column is not None:
            signs &= batch.present(self.form.column)
        return signs

    def _without_gap(self, times: Floats) -> Floats:
        """Moments moved forward by the part of the last gap that lies after them."""
        if self._gap is None:
            return times
        start, end = self._gap
        return times + np.maximum(end - np.maximum(times, start), 0.0)

    def _what(self) -> str:
        if self.form.truth:
            return "truth"
        return "events" if self.form.column is None else f"a value of {self.form.column}"
