from __future__ import annotations

import itertools
import random
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from river.drift import ADWIN

from monitor.core.detectors.adwin import Adwin
from monitor.core.detectors.base import every
from monitor.core.state import StateError

DEFAULTS = {"delta": 0.002, "clock": 32, "max_buckets": 5, "min_window_length": 5, "grace_period": 10}


def river_says(values: list[float], **parameters: Any) -> list[int]:
    adwin = ADWIN(**DEFAULTS | parameters)
    found = []
    for index, value in enumerate(values):
        adwin.update(value)
        if adwin.drift_detected:
            found.append(index)
    return found


def in_pieces(adwin: Adwin, values: list[float], cuts: list[int]) -> list[int]:
    found = []
    edges = [0, *sorted(cuts), len(values)]
    for start, stop in itertools.pairwise(edges):
        found += [start + i for i in every(adwin, np.array(values[start:stop], dtype=float))]
    return found


def steps(seed: int, levels: list[float], length: int) -> list[float]:
    rng = random.Random(seed)
    return [rng.gauss(level, 1.0) for level in levels for _ in range(length)]


@pytest.mark.parametrize("parameters", [{}, {"clock": 1}, {"delta": 0.2, "clock": 5}, {"max_buckets": 2}])
@pytest.mark.parametrize("seed", range(3))
def test_array_form_finds_what_river_finds(seed: int, parameters: dict[str, Any]) -> None:
    values = steps(seed, [0, 3, 3, -4, 0, 9], 250)
    wanted = river_says(values, **parameters)
    rng = random.Random(seed)
    assert len(wanted) >= 3
    for cuts in ([], [1, 2, 3], [wanted[0]], [wanted[0] + 1], [rng.randrange(len(values)) for _ in range(40)]):
        assert in_pieces(Adwin(DEFAULTS | parameters), values, cuts) == wanted


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.sampled_from([0.0, 1.0, -1.0, 1e6, 0.1, 5e-324]) | st.floats(-1e3, 1e3), max_size=400),
    st.lists(st.integers(0, 400), max_size=6),
)
def test_array_form_finds_what_river_finds_on_anything(values: list[float], cuts: list[int]) -> None:
    values = [v for v in values for _ in range(3)]
    inside = [c for c in cuts if c <= len(values)]
    assert in_pieces(Adwin(DEFAULTS | {"clock": 3}), values, inside) == river_says(values, clock=3)


def test_a_constant_an_empty_and_a_single_value_find_nothing() -> None:
    adwin = Adwin(DEFAULTS)
    assert adwin.first(np.empty(0)) == -1
    assert adwin.first(np.array([7.0])) == -1
    assert every(adwin, np.full(5000, 7.0)) == []


def test_state_goes_on_identically_and_equal_states_are_equal_bytes() -> None:
    values = np.array(steps(4, [0, 3, 3, -4], 300))
    undisturbed, moved = Adwin(DEFAULTS), Adwin(DEFAULTS)
    for start in range(0, len(values), 61):
        part = values[start : start + 61]
        assert every(undisturbed, part) == every(moved, part)
        fresh = Adwin(DEFAULTS)
        fresh.load(moved.save())
        moved = fresh
        assert moved.save() == undisturbed.save()


@pytest.mark.parametrize("damage", [{"river": "0.1.0"}, {"core": b""}, {"core": b"\xff" * 400}])
def test_a_state_that_cannot_be_read_is_refused(damage: dict[str, Any]) -> None:
    with pytest.raises(StateError):
        Adwin(DEFAULTS).load(Adwin(DEFAULTS).save() | damage)


def test_a_shift_watcher_imports_neither_river_drift_nor_scipy() -> None:
    code = """
import sys
import numpy as np
from monitor.core.columns import Columns
from monitor.core.detectors.build import detector_watcher
from monitor.core.events import Batch
from monitor.core.rules.model import Detect, Position, Rule
values = np.random.default_rng(1).normal(0, 1, 1200)
at = np.arange(1200.0)
for kind in ("shift", "anomaly", "outlier", "quality"):
    rule = Rule("p", "R", Detect(kind, ("inputs.*",), budget=False), "high", Position("f", 1, 1))
    columns = Columns()
    watcher = detector_watcher(rule, "m", columns)
    batch = Batch("m", ["x"] * 1200, at, at, np.arange(1200), {"inputs.a": values.tolist()}, [None] * 1200)
    columns.learn(batch)
    watcher.observe(batch, at)
    assert kind == "quality" or watcher.describe()["series"] == {"watching": 1}, watcher.describe()
heavy = [n for n in sys.modules if n.split(".")[0] in ("scipy", "sqlalchemy", "pandas") or n.startswith(
    ("river.drift", "river.anomaly", "river.tree", "river.stats"))]
assert not heavy, heavy
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
