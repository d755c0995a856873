"""Window rules against the obvious: plain lists of the events in the window, one at a time."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from statistics import fmean, pstdev
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from window_batches import BASE, FORMS, make_batch, make_rule

from monitor.core.events import OK, number
from monitor.core.findings import NO, UNKNOWN, YES
from monitor.core.rules.evaluate import window_watcher
from monitor.core.rules.model import Windowed


@dataclass(frozen=True)
class Row:
    clock: float
    x: Any
    g: str | None
    version: str | None

    @property
    def segment(self) -> str:
        return f"inputs.g={'(missing)' if self.g is None else self.g}"

    @property
    def number(self) -> float | None:
        value, code = number(self.x)
        return float(value) if code == OK else None


class Reference:
    """One form over the list of all rows so far."""

    def __init__(self, form: Windowed) -> None:
        self.form = form
        self.function = form.of.split("(")[0] if "(" in form.of else ("count" if form.kind == "count" else "share")
        self.panes = 12 if self.function[0] == "p" or self.function == "distinct" else 60
        self.width = form.over / self.panes
        self.held: set[str] = set()

    def inside(self, rows: list[Row], at: float, newest: int, oldest: int) -> list[Row]:
        now = math.floor(at / self.width)
        return [row for row in rows if now - oldest <= math.floor(row.clock / self.width) <= now - newest]

    def measure(self, rows: list[Row], seconds: float) -> tuple[float, int]:
        """The value and the number of known rows."""
        if self.function == "distinct":
            known = [row.g for row in rows if row.g is not None]
            return float(len(set(known))), len(known)
        if self.function == "rate":
            return len(rows) / seconds, len(rows)
        numbers = [row.number for row in rows if row.number is not None]
        if self.function in ("share", "count"):
            yes = sum(value < float(self.form.of.split("<")[1]) for value in numbers)
            return yes if self.function == "count" else yes / len(numbers) if numbers else math.nan, len(numbers)
        if not numbers:
            return 0.0 if self.function == "sum" else math.nan, 0
        simple: dict[str, Callable[[list[float]], float]] = {
            "mean": fmean,
            "sum": math.fsum,
            "min": min,
            "max": max,
            "stddev": pstdev,
        }
        if self.function in simple:
            return simple[self.function](numbers), len(numbers)
        return sorted(numbers)[math.floor(int(self.function[1:]) / 100 * (len(numbers) - 1))], len(numbers)

    def read(self, rows: list[Row], at: float, watched: float) -> tuple[float, float, int, bool]:
        """What is compared, what it is compared with (NaN: the limit), known rows, and whether that is enough."""
        form, need = self.form, max(self.form.min_events, 1)
        seconds = at - (math.floor(at / self.width) - self.panes) * self.width
        if form.against == "previous_period":
            value, n = self.measure(self.inside(rows, at, 1, self.panes), form.over)
            before, base_n = self.measure(self.inside(rows, at, self.panes + 1, 2 * self.panes), form.over)
            whole = self.function != "rate" or watched >= 2 * form.over + self.width
            return value, before, n, whole and base_n >= need and (n >= need or self.function == "rate")
        live = self.inside(rows, at, 0, self.panes)
        if form.against == "previous_version":
            order = list(dict.fromkeys(row.version for row in rows if row.version is not None))
            sides = [[row for row in live if row.version == name] for name in [*order, None, None][:2]]
            if len(order) > 1:
                sides = [[row for row in live if row.version == name] for name in order[-2:]]
                before, base_n = self.measure(sides[0], seconds)
                value, n = self.measure(sides[1], seconds)
                return value, before, n, n >= need and base_n >= need
            value, n = self.measure(sides[0] if order else [], seconds)
            return value, math.nan, n, False
        value, n = self.measure(live, seconds)
        if form.below is not None and self.function in ("count", "rate", "sum", "distinct"):
            return value, math.nan, n, watched >= form.over and (n > 0 or not live)
        return value, math.nan, n, n >= need

    def holds(self, segment: str, value: float, before: float, sure: bool) -> int | None:
        """The condition; None where rounding of a sketch may decide."""
        form = self.form
        if not sure:
            return UNKNOWN
        limit = form.above if form.above is not None else form.below
        assert limit is not None
        if form.kind == "compare":
            value = (value - before) / abs(before) if before else math.copysign(1e6, value - before) * (value != before)
            limit = limit if form.above is not None else -limit
        slack = 0.03 if self.panes == 12 else 1e-9
        if abs(value - limit) <= slack * max(1.0, abs(limit)) or (self.panes == 12 and abs(before) < 0.05):
            return None
        beyond = value > limit if form.above is not None else value < limit
        if form.clear is not None and segment in self.held:
            beyond = beyond or (value >= form.clear)
        (self.held.add if beyond else self.held.discard)(segment)
        return YES if beyond else NO


ROWS = st.lists(
    st.tuples(
        st.sampled_from([0.0, 0.3, 2.0, 11.0, 70.0]),
        st.one_of(st.floats(-4, 4), st.sampled_from([None, math.nan, "text", True, 2**70])),
        st.sampled_from(["a", "b", "b", None]),
        st.sampled_from(["1", "1", "2", None]),
    ),
    min_size=1,
    max_size=60,
)
SIMPLE = [name for name, form in FORMS.items() if isinstance(form, Windowed) and name not in ("share by", "parity")]


@pytest.mark.parametrize("name", SIMPLE)
@settings(max_examples=40)
@given(data=ROWS, waits=st.lists(st.sampled_from([0.0, 1.0, 7.0, 130.0]), min_size=1, max_size=5))
def test_a_level_equals_a_list_of_the_events_in_the_window(name: str, data: list[Any], waits: list[float]) -> None:
    form = FORMS[name]
    assert isinstance(form, Windowed)
    watcher, reference = window_watcher(make_rule(form), "m"), Reference(form)
    rows: list[Row] = []
    clock = BASE
    share = -(-len(data) // len(waits))
    for turn, wait in enumerate(waits):
        part = data[turn * share : (turn + 1) * share]
        fresh = []
        for gap, x, g, version in part:
            clock += gap
            fresh.append(Row(clock, x, g, version))
        rows += fresh
        columns = {"inputs.x": [row.x for row in fresh], "inputs.g": [row.g for row in fresh]}
        batch = make_batch([row.clock for row in fresh], columns, versions=[row.version for row in fresh])
        watcher.observe(batch, batch.recorded_at)
        clock += wait
        level = watcher.assess(clock)
        assert level is not None
        segments = list(dict.fromkeys(row.segment for row in rows)) if form.by else [""]
        assert list(level.segments) == segments
        for i, segment in enumerate(segments):
            mine = [row for row in rows if not form.by or row.segment == segment]
            order = [row.version for row in rows if row.version is not None]
            if form.against == "previous_version" and order:  # the versions of the model, not of the segment
                mine = [Row(0.0, None, None, v) for v in dict.fromkeys(order)] + mine
            value, before, n, sure = reference.read(mine, clock, clock - rows[0].clock)
            assert int(level.n[i]) == n
            tolerance = 0.011 if reference.panes == 12 else 1e-9
            assert level.value[i] == pytest.approx(value, rel=tolerance, abs=1e-9, nan_ok=True)
            if form.kind == "compare":
                assert level.expected[i] == pytest.approx(before, rel=tolerance, abs=1e-9, nan_ok=True)
            expected = reference.holds(segment, value, before, sure)
            if expected is None:
                return  # the memory of a condition on the edge is not comparable from here on
            assert int(level.holds[i]) == expected
            assert math.isnan(level.effect[i]) == (expected == UNKNOWN)
            if expected == YES and form.clear is None:
                assert level.effect[i] >= 1.0
