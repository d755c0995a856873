"""A rule whose columns are streams of numbers, one change detector each: what shift and harm share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from monitor.core.detectors.base import ScalarDetector
from monitor.core.detectors.keyed import Key, Keyed
from monitor.core.detectors.keyed_watcher import Edge, KeyedWatcher, Part, values_of
from monitor.core.detectors.report import finding, in_segment
from monitor.core.detectors.series import Change, Series, Settings
from monitor.core.events import Batch, Floats, Ints
from monitor.core.findings import Evidence
from monitor.core.rules.model import Rule

CAP = 2000  # series of one rule on one model
SHOWN = 20  # series that `describe` lists


@dataclass(frozen=True, slots=True)
class Plan:
    """What makes a stream watcher shift or harm."""

    parts: Callable[[Batch], list[Part]]  # values: float64, one an event
    make: Callable[[], ScalarDetector]
    settings: Settings
    statistic: str
    tell: Callable[[str, Change], str]  # (column, change) -> what happened, without the full stop
    about: Callable[[], dict[str, Any]]


class StreamWatcher(KeyedWatcher[Series]):
    """One finding per series and episode: a series that has reported takes nothing in until a mark.

    rearm: watch again against the same baseline. reference: learn a new baseline. freeze: neither learn nor find.
    """

    def __init__(self, rule: Rule, by: tuple[str, ...], form: str, plan: Plan, cap: int = CAP) -> None:
        super().__init__(rule, by, form, Keyed(lambda key: Series(plan.make, plan.settings), cap))
        self._plan = plan

    def parts(self, batch: Batch) -> list[Part]:
        return self._plan.parts(batch)

    def feed(self, entry: Series, key: Key, part: Part, rows: Ints, batch: Batch, clock: Floats) -> list[Edge]:
        hit = entry.feed(values_of(part, rows))
        if hit is None:
            return []
        row = int(rows[hit[0]])
        return [(row, finding(self.rule, batch, row, self._evidence(key, hit[1], float(clock[row]))))]

    def _evidence(self, key: Key, change: Change, at: float) -> Evidence:
        _, segment, column = key
        return Evidence(
            column=column,
            segment=segment,
            statistic=self._plan.statistic,
            value=change.value,
            expected=change.expected,
            effect=change.effect,
            interval=change.interval,
            n=change.n,
            at=at,
            detail=f"{self._plan.tell(column, change)}{in_segment(segment)}.",
        )

    def about(self) -> dict[str, Any]:
        return self._plan.about() | {"nearest": self._nearest()}

    def _nearest(self) -> list[dict[str, Any]]:
        """The series furthest from their baseline, in its standard deviations; latched ones say where they are now."""
        rows: list[tuple[float, dict[str, Any]]] = []
        for (version, segment, column), series in self._entries.entries.items():
            mean, effect = series.now() or (None, None)
            row = {"column": column, "segment": segment, "version": version, "state": series.state}
            rows.append((abs(effect or 0.0), row | {"seen": series.seen, "mean_now": mean, "effect_now": effect}))
        rows.sort(key=lambda item: (-item[0], item[1]["column"], item[1]["segment"], item[1]["version"]))
        return [row for _, row in rows[:SHOWN]]
