from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from river.anomaly import HalfSpaceTrees as River

from monitor.core import state
from monitor.core.detectors.base import Matrix
from monitor.core.detectors.trees import HalfSpaceTrees
from monitor.core.detectors.vector_methods import limits
from monitor.core.events import Floats

SHAPES = [(10, 10, 8, 250), (3, 5, 3, 20), (1, 1, 1, 2), (4, 50, 10, 100)]  # columns, trees, height, window


def river_scores(matrix: Matrix, low: Floats, high: Floats, parameters: dict[str, Any]) -> list[float]:
    """Score, then learn, event by event; River says 0 during its first window."""
    names = [f"c{i:03}" for i in range(matrix.shape[1])]
    bounds = dict(zip(names, zip(low.tolist(), high.tolist(), strict=True), strict=True))
    trees = River(limits=bounds, **parameters)
    scores = []
    for row in matrix.tolist():
        event = dict(zip(names, row, strict=True))
        scores.append(trees.score_one(event))
        trees.learn_one(event)
    return scores


def our_scores(trees: HalfSpaceTrees, matrix: Matrix, size: int) -> list[float]:
    scores: list[float] = []
    start = 0
    while start < len(matrix):
        part = matrix[start : start + min(size, trees.room)]
        scores += np.nan_to_num(trees.score(part)).tolist()
        trees.learn(part)
        start += len(part)
    return scores


@pytest.mark.parametrize(("columns", "n_trees", "height", "window"), SHAPES)
def test_scores_are_rivers_to_the_last_bit(columns: int, n_trees: int, height: int, window: int) -> None:
    rng = np.random.default_rng(columns)
    matrix = rng.normal(0, 1, (3 * window + 7, columns))
    matrix[2 * window :] += 2  # a change in the middle of a window
    matrix[window + 1] = 1e300
    low, high = np.full(columns, -3.0), np.linspace(2.0, 4.0, columns)
    parameters = {"n_trees": n_trees, "height": height, "window_size": window, "seed": 5}
    wanted = river_scores(matrix, low, high, parameters)
    assert max(wanted) > 0
    for size in (1, 64, 10_000):
        assert our_scores(HalfSpaceTrees(low, high, **parameters), matrix, size) == wanted


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=90))
def test_scores_are_rivers_on_any_numbers(values: list[float]) -> None:
    matrix = np.array(values).reshape(-1, 1)
    low, high = np.zeros(1), np.ones(1)
    parameters = {"n_trees": 3, "height": 4, "window_size": 20, "seed": 1}
    wanted = river_scores(matrix, low, high, parameters)
    assert our_scores(HalfSpaceTrees(low, high, **parameters), matrix, 33) == wanted


def test_before_the_first_full_window_the_score_is_not_a_number_instead_of_zero() -> None:
    trees = HalfSpaceTrees(np.zeros(2), np.ones(2), 5, 4, 50, 1)
    trees.learn(np.full((49, 2), 0.5))
    assert np.isnan(trees.score(np.full((3, 2), 0.5))).all()
    trees.learn(np.full((1, 2), 0.5))
    assert np.isfinite(trees.score(np.full((3, 2), 0.5))).all()
    assert len(trees.score(np.empty((0, 2)))) == 0


def test_rivers_own_limits_cannot_see_what_frozen_limits_see() -> None:
    rng = np.random.default_rng(2)
    normal, high = rng.normal(100, 5, (500, 3)), rng.normal(160, 5, (200, 3))
    blind = HalfSpaceTrees(np.zeros(3), np.ones(3), 10, 8, 250, 1)
    seeing = HalfSpaceTrees(*limits(normal), 10, 8, 250, 1)
    for trees in (blind, seeing):
        trees.learn(normal)
    assert blind.score(high).mean() == blind.score(normal).mean()
    assert seeing.score(high).mean() > seeing.score(normal).mean() + 0.05


def test_state_goes_on_identically() -> None:
    rng = np.random.default_rng(3)
    matrix = rng.normal(0.5, 0.2, (777, 4))
    trees = HalfSpaceTrees(np.zeros(4), np.ones(4), 6, 6, 100, 9)
    trees.learn(matrix[:333])
    other = HalfSpaceTrees(np.zeros(4), np.ones(4), 6, 6, 100, 1)
    other.load(state.load(state.dump(trees.save())))
    for each in (trees, other):
        each.learn(matrix[333:500])
    assert np.array_equal(trees.score(matrix), other.score(matrix))
    assert state.dump(trees.save()) == state.dump(other.save())
    assert trees.memory() < 1_000_000
