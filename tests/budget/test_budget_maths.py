from __future__ import annotations

import importlib.util
import os
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special

from monitor.core.detectors.budget.beta import betainc, betaincinv
from monitor.core.detectors.budget.bets import BETS, WEIGHTS, bet_table, drift, linear_table
from monitor.core.detectors.budget.cells import LEAST, cut_levels, fit_cells, load_cells
from monitor.core.detectors.budget.normal import ndtr, ndtri
from monitor.core.detectors.budget.replay import Drawn, pages, resample

REFERENCE = os.environ.get("BET_TABLE", "")  # a file with another construction of the same table, if there is one
SETTINGS = [(4000, 4000.0, 0.05, 0.10), (4000, 600.0, 0.0, 0.0), (500, 500.0, 0.02, 0.05), (100, 30.0, 0.1, 0.1)]
# of `bet_table` at each of the settings: its shape, sum, largest entry, and the first two of the first row
FROZEN = [
    ((48, 8), 430.48929094635525, 15.862671083603084, 0.47407999880486107, 1.8799720196543208),
    ((48, 8), 517.0989563304174, 26.72085922191968, 0.2704003532033981, 3.185043395109415),
    ((42, 8), 320.02316920337455, 6.620210542370488, 0.42435623303265446, 2.012816245410285),
    ((34, 8), 228.4257613890602, 2.0992539587794314, 0.9112928263462704, 1.052829655302356),
]


def test_the_normal_distribution_is_scipys() -> None:
    x = np.concatenate([np.linspace(-37, 8, 4001), [-np.inf, np.inf]])
    assert np.allclose(ndtr(x), special.ndtr(x), rtol=1e-12, atol=0)
    p = np.concatenate([10.0 ** -np.arange(1.0, 300.0, 7), np.linspace(1e-9, 1 - 1e-9, 5001)])
    assert np.abs(ndtri(p) - special.ndtri(p)).max() < 1e-12


@settings(deadline=None)
@given(st.floats(0.5, 8000), st.floats(0.5, 8000), st.floats(0.001, 0.999))
def test_quantiles_of_the_beta_distribution_are_scipys(a: float, b: float, p: float) -> None:
    assert betaincinv(a, b, p) == pytest.approx(special.betaincinv(a, b, p), rel=1e-9, abs=1e-12)
    assert betainc(a, b, betaincinv(a, b, p)) == pytest.approx(p, abs=1e-9)


def test_the_ends_of_the_beta_distribution() -> None:
    assert betainc(2.0, 3.0, 0.0) == 0.0
    assert betainc(2.0, 3.0, 1.0) == 1.0


@pytest.mark.parametrize("n", [60, 100, 500, 4000, 8192])
def test_cut_levels_are_order_statistics_with_enough_outside(n: int) -> None:
    levels = cut_levels(n)
    ranks = levels * (n + 1)
    assert np.abs(ranks - np.round(ranks)).max() < 1e-9
    assert np.all(np.diff(ranks) > 0)
    assert ranks[0] >= LEAST
    assert n + 1 - ranks[-1] >= LEAST
    assert len(levels) <= 49


@pytest.mark.parametrize(("n", "n_eff", "tolerance", "spread"), SETTINGS)
def test_every_bet_has_expectation_at_most_one_under_what_nobody_would_act_on(
    n: int, n_eff: float, tolerance: float, spread: float
) -> None:
    levels, d = cut_levels(n), drift(tolerance)
    for make in (bet_table, linear_table):
        table = make(levels, n_eff, d, spread)
        assert table.shape == (len(levels) + 1, len(BETS))
        assert table.min() >= 0.02 * 0.99
        edges = np.concatenate([[-np.inf], special.ndtri(levels), [np.inf]])
        for mean, sd in [(0, 1), (d, 1), (-d, 1), (d / 2, 1), (0, np.exp(spread)), (0, np.exp(-spread))]:
            mass = np.diff(special.ndtr((edges - mean) / sd))
            assert (mass @ table).max() <= 1 + 1e-12


@pytest.mark.skipif(not REFERENCE, reason="BET_TABLE names no file")
@pytest.mark.parametrize(("n", "n_eff", "tolerance", "spread"), SETTINGS)
def test_the_bet_table_is_that_of_the_reference_construction(
    n: int, n_eff: float, tolerance: float, spread: float
) -> None:
    spec = importlib.util.spec_from_file_location("reference_bets", REFERENCE)
    assert spec is not None and spec.loader is not None
    reference = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(reference)
    assert np.array_equal(cut_levels(n), reference.levels(n))
    mine = bet_table(cut_levels(n), n_eff, drift(tolerance), spread)
    assert np.abs(mine - reference.bet_table(reference.levels(n), n_eff, tolerance, spread)).max() < 1e-11


@pytest.mark.parametrize(("setting", "frozen"), list(zip(SETTINGS, FROZEN, strict=True)))
def test_the_bet_table_does_not_change(setting: tuple[int, float, float, float], frozen: tuple[Any, ...]) -> None:
    n, n_eff, tolerance, spread = setting
    table = bet_table(cut_levels(n), n_eff, drift(tolerance), spread)
    told = (table.sum(), table.max(), *table[0, :2])
    assert table.shape == frozen[0]
    assert told == pytest.approx(frozen[1:], rel=1e-10)


def test_a_constant_has_a_table_of_ones() -> None:
    cells = fit_cells(np.full(500, 3.0))
    assert cells.constant
    assert bet_table(cells.levels, 500, 0.1, 0.1).tolist() == [[1.0] * 8]
    assert cells.of(np.array([-np.inf, 3.0, 1e300])).tolist() == [0, 0, 0]


def test_atoms_are_cells_and_rare_ones_are_put_together() -> None:
    values = np.repeat([1.0, 2.0, 3.0, 4.0], [500, 300, 5, 195])
    cells = fit_cells(np.random.default_rng(1).permutation(values))
    assert cells.of(np.array([1.0, 2.0, 3.0, 4.0, 99.0])).tolist() == [0, 1, 2, 2, 2]
    assert cells.levels == pytest.approx([500.5 / 1001, 800.5 / 1001])


def test_a_cut_stands_at_the_end_of_its_ties() -> None:
    rng = np.random.default_rng(2)
    values = np.concatenate([rng.normal(0, 1, 700), np.zeros(300)])
    cells = fit_cells(values)
    for cut, rank in zip(cells.cuts, cells.ranks, strict=True):
        assert int(rank) == int((values <= cut).sum())
    assert 0.0 in cells.cuts


def test_cells_of_a_transformed_column_are_the_same() -> None:
    rng = np.random.default_rng(3)
    values, later = rng.normal(0, 1, 2000), rng.normal(0.3, 1, 500)
    plain, bent = fit_cells(values), fit_cells(np.exp(3 * values))
    assert plain.of(later).tolist() == bent.of(np.exp(3 * later)).tolist()
    assert np.array_equal(plain.levels, bent.levels)


def test_scores_are_those_of_a_standard_normal_and_cells_survive_saving() -> None:
    values = np.random.default_rng(4).gamma(2.0, 1.0, 5000)
    cells = fit_cells(values)
    scores = cells.scores()[cells.of(values)]
    assert abs(scores.mean()) < 0.01
    assert scores.std() == pytest.approx(1.0, abs=0.02)
    again = load_cells(cells.save())
    assert np.array_equal(again.cuts, cells.cuts)
    assert np.array_equal(again.ranks, cells.ranks)


def test_weights_are_a_distribution() -> None:
    assert WEIGHTS.sum() == pytest.approx(1.0)


def test_what_is_drawn_from_a_reference_row_by_row_pages_as_it_would_all_at_once() -> None:
    rng = np.random.default_rng(1)
    table = np.concatenate([rng.uniform(0.3, 2.5, (6, 8)), np.ones((1, 8))])
    cells, rows = rng.integers(0, 7, (300, 3)), resample(300, 400, 20.0, rng)
    due, weights = np.full(3, 0.05), np.full(8, 1 / 8)
    drawn = Drawn(cells, rows)
    assert drawn.shape == cells[rows].shape
    counts = [pages(table, c, due, weights, 1.0, 1e9) for c in (cells[rows], drawn)]
    assert counts[0] == counts[1] > 0
