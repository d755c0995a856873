"""What must hold of every stream: nothing but ranks counts, neither order nor cuts nor traffic matter, the budget holds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monitor.core import state

Make = Callable[..., Any]
WEEK = 2016
DAY = 288
STEP = 300.0
START = 1_700_000_000.0


def slow(found: list[Any]) -> list[tuple[float, str]]:
    return [(f.evidence.at, f.evidence.column) for f in found if f.evidence.statistic == "shift: e-detector"]


def watch(player: Make, early: dict[str, Any], late: dict[str, Any], cuts: int = 1000) -> list[Any]:
    """What is found in `late` by the reference `early`."""
    watched = player()
    watched.watcher.allow(1e-9)
    watched.feed({path: values.tolist() for path, values in early.items()})
    watched.arm()
    watched.watcher.allow(1.0)
    return list(watched.feed({path: values.tolist() for path, values in late.items()}, cuts=cuts))


BENDS: dict[str, Callable[[Any], Any]] = {
    "exp": np.exp,
    "cube": lambda v: v**3,
    "far off": lambda v: 1e6 + 10 * v,
    "tiny": lambda v: 1e-12 * v,
    "logistic": lambda v: 1 / (1 + np.exp(-v)),
    "stretched": lambda v: np.sinh(2 * v),
}


@pytest.mark.parametrize("bend", BENDS.values(), ids=BENDS)
@pytest.mark.parametrize("size", [-0.7, 1.0])
def test_slow_findings_do_not_depend_on_a_strictly_increasing_transform(
    player: Make, bend: Callable[[Any], Any], size: float
) -> None:
    rng = np.random.default_rng(8)
    early, late = rng.normal(0, 1, 2 * WEEK), rng.normal(size, 1, 200)
    plain = slow(watch(player, {"inputs.x": early}, {"inputs.x": late}))
    assert plain
    assert slow(watch(player, {"inputs.x": bend(early)}, {"inputs.x": bend(late)})) == plain


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order=st.permutations(range(4)), cuts=st.integers(1, 700))
def test_neither_the_order_of_columns_nor_cuts_change_a_finding(player: Make, order: list[int], cuts: int) -> None:
    rng = np.random.default_rng(9)
    early = {f"inputs.{c}": rng.normal(0, 1, 2 * WEEK) for c in "abcd"}
    late = {path: rng.normal(0, 1, 400) for path in early}
    late["inputs.b"][150:] += 1.5
    late["inputs.d"][300] = 60.0
    paths = [list(early)[i] for i in order]
    expected = watch(player, early, late, cuts=400)
    assert {f.evidence.column for f in expected} == {"inputs.b", "inputs.d"}
    mixed = watch(player, {p: early[p] for p in paths}, {p: late[p] for p in paths}, cuts=cuts)
    assert mixed == expected


@pytest.mark.parametrize("times", [0.1, 0.3, 3.0, 10.0])
def test_the_budget_holds_at_any_traffic_by_the_same_reference(player: Make, times: float) -> None:
    weeks, seeds, pages = 4, 4, 0
    for seed in range(seeds):
        rng = np.random.default_rng([seed, int(10 * times)])
        watched = player()
        watched.watcher.allow(1e-9)
        watched.feed({"inputs.x": rng.normal(0, 1, 2 * WEEK).tolist()})
        watched.arm()
        watched.watcher.allow(1.0)
        watched.step, watched.offset = STEP / times, int(2 * WEEK * times)
        pages += len(watched.feed({"inputs.x": rng.normal(0, 1, int(weeks * WEEK * times)).tolist()}, cuts=5000))
    assert pages <= 0.25 * weeks * seeds


def drawn(rng: np.random.Generator, n: int) -> Any:
    """A null of a kind nobody chose: some dependence, some season, some margin."""
    phi, amplitude = rng.uniform(0, 0.9), rng.choice([0.0, rng.uniform(0, 3)])
    noise = rng.normal(0, 1, n)
    values = np.empty(n)
    last = 0.0
    for i, shock in enumerate((np.sqrt(1 - phi**2) * noise).tolist()):
        last = phi * last + shock
        values[i] = last
    t = np.arange(n)
    values += amplitude * np.sin(2 * np.pi * (t / DAY + rng.random()))
    bends = (lambda v: v, np.exp, lambda v: np.round(3 * v), lambda v: np.sinh(1.5 * v))
    return bends[int(rng.integers(len(bends)))](values)


def test_the_budget_holds_on_random_nulls(player: Make) -> None:
    weeks, streams, pages = 4, 8, 0
    for seed in range(streams):
        values = drawn(np.random.default_rng([77, seed]), (2 + weeks) * WEEK)
        pages += len(watch(player, {"inputs.x": values[: 2 * WEEK]}, {"inputs.x": values[2 * WEEK :]}))
    assert pages <= 0.5 * weeks * streams


@pytest.mark.parametrize("seasonal", [False, True])
def test_state_is_at_most_two_kilobytes_a_series_and_restored_exactly(player: Make, seasonal: bool) -> None:
    rng, n = np.random.default_rng(4), 2 * WEEK
    wave = 2 * np.sin(2 * np.pi * np.arange(n) / DAY) if seasonal else np.zeros(n)
    watched = player()
    columns = {f"inputs.a_column_{i:02d}": (wave + rng.normal(0, 1, n)).tolist() for i in range(20)}
    watched.feed(columns)
    watched.arm()
    watched.feed({path: values[:301] for path, values in columns.items()})
    saved = state.dump(watched.watcher.save())
    assert len(saved) <= 20 * 2048
    watched.reload()
    assert state.dump(watched.watcher.save()) == saved
