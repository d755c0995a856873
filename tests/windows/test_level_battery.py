"""What every level watcher must stand: cuts, restarts, bad values, floods of segments, jumps of time."""

from __future__ import annotations

import itertools
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from window_batches import BASE, FORMS, WILD, cut, make_batch, make_rule, windowed

from monitor.core.events import Batch
from monitor.core.findings import UNKNOWN, Level
from monitor.core.rules.evaluate import window_watcher
from monitor.core.rules.model import Absent
from monitor.core.state import dump, load
from monitor.core.watcher import Mark, Watcher

GAPS = st.sampled_from([0.0, 0.0, 0.1, 3.0, 20.0, 90.0])
VERSIONS = st.sampled_from([None, "1", "1", "2", "3"])
ROWS = st.lists(st.tuples(GAPS, st.sampled_from(WILD), st.sampled_from(WILD), VERSIONS), min_size=1, max_size=50)
SIZES = st.lists(st.integers(1, 12), min_size=1, max_size=4)


def make(name: str) -> Watcher:
    return window_watcher(make_rule(FORMS[name]), "m")


def batch_of(rows: list[tuple[float, Any, Any, str | None]]) -> Batch:
    clock = (BASE + np.cumsum([gap for gap, _, _, _ in rows])).tolist()
    columns = {"inputs.x": [x for _, x, _, _ in rows], "inputs.g": [g for _, _, g, _ in rows]}
    columns["truth.label"] = columns["inputs.x"]
    return make_batch(clock, columns, versions=[version for _, _, _, version in rows])


def same(left: Level | None, right: Level | None) -> bool:
    assert left is not None
    assert right is not None
    arrays = all(
        np.array_equal(getattr(left, name), getattr(right, name), equal_nan=True)
        for name in ("holds", "value", "expected", "effect", "n")
    )
    return arrays and (left.segments, left.version, left.at) == (right.segments, right.version, right.at)


@pytest.mark.parametrize("name", FORMS)
@settings(max_examples=20)
@given(rows=ROWS, sizes=SIZES, stops=st.lists(st.integers(1, 50), max_size=3))
def test_neither_cuts_nor_restarts_change_state_or_levels(
    name: str, rows: list[Any], sizes: list[int], stops: list[int]
) -> None:
    whole, pieces = make(name), make(name)
    bounds = sorted({0, *(stop for stop in stops if stop < len(rows)), len(rows)})
    batch = batch_of(rows)
    for start, end in itertools.pairwise(bounds):
        part = batch.take(list(range(start, end)))
        at = float(part.recorded_at[-1]) + 5.0
        whole.observe(part, part.recorded_at)
        for piece in cut(part, sizes):
            pieces.observe(piece, piece.recorded_at)
            saved = load(dump(pieces.save()))
            pieces = make(name)
            pieces.load(saved)
        assert same(whole.assess(at), pieces.assess(at))
        for watcher in (whole, pieces):
            watcher.apply(Mark("gap", at, body={"from": at - 4.0, "to": at}))
        saved = load(dump(pieces.save()))
        pieces = make(name)
        pieces.load(saved)
        assert dump(whole.save()) == dump(pieces.save())


@pytest.mark.parametrize("name", FORMS)
def test_bad_values_and_missing_columns_never_raise_and_never_poison(name: str) -> None:
    watcher, clean = make(name), make(name)
    versions = [None, "1", "2", "\ud800"]
    for turn, value in enumerate(WILD):
        rows = [(0.1, value, other, versions[(turn + i) % 4]) for i, other in enumerate(WILD)]
        batch = batch_of(rows)
        watcher.observe(batch, batch.recorded_at)
    empty = make_batch([BASE + 3.0], {})
    watcher.observe(empty, empty.recorded_at)
    assert watcher.assess(BASE + 4.0) is not None
    json.dumps(watcher.describe(), allow_nan=False)
    for watched in (watcher, clean):
        for turn in range(400):  # both windows and both periods are full of good values
            good = batch_of([(1000.0 + turn, 0.5 + turn % 2, "a", "9" if turn > 200 else "8")])
            watched.observe(good, good.recorded_at)
    after, expected = watcher.assess(BASE + 1400.0), clean.assess(BASE + 1400.0)
    assert after is not None
    assert expected is not None
    segment, wanted = [s.segments.index(expected.segments[-1]) for s in (after, expected)]
    assert after.holds[segment] == expected.holds[wanted]
    assert after.value[segment] == pytest.approx(float(expected.value[wanted]), nan_ok=True)


@pytest.mark.parametrize("name", [name for name, form in FORMS.items() if not isinstance(form, Absent)])
def test_numbers_at_the_edge_of_float64_give_finite_effects(name: str) -> None:
    watcher = make(name)
    values = [1.7e308, -1.7e308, 5e-324, 0.0, 1e300] * 4
    rows = [(1.0, x, "a", "1" if i % 2 else "2") for i, x in enumerate(values)]
    batch = batch_of(rows)  # type: ignore[arg-type]
    watcher.observe(batch, batch.recorded_at)
    level = watcher.assess(BASE + 21.0)
    assert level is not None
    assert np.isfinite(level.effect[level.holds != UNKNOWN]).all()


def test_arithmetic_that_overflows_is_unknown_and_not_infinite() -> None:
    watcher = window_watcher(make_rule(windowed("measure", "mean(inputs.x * 1e308)", above=5.0)), "m")
    batch = make_batch([BASE] * 2, {"inputs.x": [100.0, 1e-308]})
    watcher.observe(batch, batch.recorded_at)
    level = watcher.assess(BASE)
    assert level is not None
    assert (level.n[0], level.value[0]) == (1, pytest.approx(1.0))


@pytest.mark.parametrize("name", FORMS)
def test_a_jump_to_the_year_9999_and_back_costs_no_more_than_a_turn_of_the_ring(name: str) -> None:
    watcher = make(name)
    clock = [BASE, BASE + 1, 253_402_000_000.0, 253_402_000_001.0]
    batch = make_batch(clock, {"inputs.x": [0.5] * 4, "inputs.g": ["a"] * 4})
    watcher.observe(batch, batch.recorded_at)
    assert watcher.assess(253_402_000_001.0) is not None
    batch = make_batch([BASE], {"inputs.x": [0.5], "inputs.g": ["a"]})
    watcher.observe(batch, batch.recorded_at)
    assert watcher.assess(BASE) is not None


def test_a_flood_of_segments_ends_in_other_and_in_bounded_memory() -> None:
    watcher = window_watcher(make_rule(windowed("share", "inputs.x < 1", above=0.5, by=("inputs.g",))), "m")
    memory = []
    for turn in range(100):
        first = turn * 10_000
        columns: dict[str, list[Any]] = {"inputs.x": [0.5] * 10_000, "inputs.g": list(range(first, first + 10_000))}
        batch = make_batch([BASE + turn] * 10_000, columns)
        watcher.observe(batch, batch.recorded_at)
        memory.append(watcher.memory())
    level = watcher.assess(BASE + 30.0)
    assert level is not None
    assert len(level.segments) == 1001
    assert level.segments[-1] == "other"
    assert watcher.describe()["segments_full"]
    assert memory[-1] == memory[1] < 4_000_000


@pytest.mark.parametrize("of", ["p99(inputs.x)", "distinct(inputs.u)"])
def test_a_thousand_segments_of_sketches_stay_within_24_kilobytes_each(of: str) -> None:
    watcher = window_watcher(make_rule(windowed("measure", of, above=1e9, by=("inputs.g",))), "m")
    rng = np.random.default_rng(5)
    for turn in range(20):
        n = 3000
        columns = {
            "inputs.x": np.exp(rng.uniform(-50, 50, n)).tolist(),
            "inputs.u": rng.integers(0, 10**9, n).tolist(),
            "inputs.g": rng.integers(0, 2000, n).tolist(),
        }
        batch = make_batch(np.linspace(BASE + turn * 6, BASE + turn * 6 + 5, n).tolist(), columns)
        watcher.observe(batch, batch.recorded_at)
    assert watcher.memory() <= 1001 * 24_000 * 1.2
