from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from river import anomaly

from monitor.core import state
from monitor.core.detectors.base import Matrix, VectorDetector
from monitor.core.detectors.methods import VECTOR
from monitor.core.detectors.univariate import AbsoluteDeviation, Gaussian
from monitor.core.detectors.vector_methods import fitter

SMALL: dict[str, dict[str, Any]] = {"loda": {"n_random_cuts": 10}, "half_space_trees": {"window_size": 50}}


def rows(seed: int, n: int = 150, width: int = 3) -> Matrix:
    mixing = np.random.default_rng(99).normal(0, 0.7, (width, width))
    return np.clip(np.random.default_rng(seed).normal(0, 1, (n, width)) @ mixing, -10, 10)


def make(method: str, matrix: Matrix) -> VectorDetector:
    defaults = {name: p.default for name, p in VECTOR[method].items()}
    return fitter(method, defaults | SMALL.get(method, {}))(matrix)


def events(matrix: Matrix) -> list[dict[str, float]]:
    return [{f"c{i:04}": value for i, value in enumerate(row)} for row in matrix.tolist()]


def test_gaussian_is_rivers_scorer_in_each_column_to_the_last_bit() -> None:
    learned, scored = rows(1), rows(2)
    ours = Gaussian(3)
    ours.learn(learned[:70])
    ours.learn(learned[70:])
    wanted = []
    rivers = [anomaly.GaussianScorer() for _ in range(3)]
    for column, river in enumerate(rivers):
        for value in learned[:, column].tolist():
            river.learn_one(None, value)
    for row in scored.tolist():
        wanted.append(max(r.score_one(None, v) for r, v in zip(rivers, row, strict=True)))
    assert ours.score(scored).tolist() == wanted


def test_absolute_deviation_is_rivers_in_each_column_to_the_last_bit() -> None:
    learned, scored = rows(3), rows(4)
    ours = AbsoluteDeviation(3)
    ours.learn(learned)
    rivers = [anomaly.StandardAbsoluteDeviation() for _ in range(3)]
    for column, river in enumerate(rivers):
        for value in learned[:, column].tolist():
            river.learn_one(None, value)
    wanted = [max(r.score_one(None, v) for r, v in zip(rivers, row, strict=True)) for row in scored.tolist()]
    assert ours.score(scored).tolist() == wanted


def test_gaussian_says_nothing_in_its_grace_period_and_nothing_bad_of_a_constant() -> None:
    ours = Gaussian(1)
    ours.learn(np.full((99, 1), 4.0))
    assert np.isnan(ours.score(np.full((2, 1), 4.0))).all()
    ours.learn(np.full((1, 1), 4.0))
    assert ours.score(np.array([[4.0], [4.1]])).tolist() == [0.0, 1.0]


@pytest.mark.parametrize(
    ("method", "oracle"),
    [("loda", anomaly.LODA(n_random_cuts=10, seed=1)), ("lof", anomaly.LocalOutlierFactor(n_neighbors=10))],
)
def test_loda_and_lof_score_as_river_does(method: str, oracle: Any) -> None:
    learned, scored = rows(5, 80), rows(6, 20)
    ours = make(method, learned)
    ours.learn(learned)
    for event in events(learned):
        oracle.learn_one(event)
    assert ours.score(scored).tolist() == [oracle.score_one(event) for event in events(scored)]


def test_the_one_class_svm_is_turned_round_so_that_high_is_unusual() -> None:
    learned = rows(7, 300)
    ours = make("one_class_svm", learned)
    ours.learn(learned)
    far = rows(8, 50)
    far[:, 0] += 8
    assert np.median(ours.score(far)) > np.quantile(ours.score(rows(9, 200)), 0.95)


@pytest.mark.parametrize("method", VECTOR)
def test_state_goes_on_identically_and_cuts_do_not_matter(method: str) -> None:
    learned, scored = rows(10, 120), rows(11, 30)
    ours = make(method, learned)
    ours.learn(learned)
    other = make(method, learned)
    other.learn(learned[:50])
    other.learn(learned[50:])
    loaded = make(method, rows(12, 120))
    loaded.load(state.load(state.dump(ours.save())))
    wanted = ours.score(scored)
    assert np.isfinite(wanted).all()
    assert np.array_equal(other.score(scored), wanted)
    assert np.array_equal(loaded.score(scored), wanted)
    assert np.array_equal(np.concatenate([ours.score(scored[i : i + 1]) for i in range(30)]), wanted)
    assert state.dump(loaded.save()) == state.dump(ours.save())
    assert 0 < ours.memory() < 2_000_000
