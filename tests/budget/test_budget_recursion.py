"""The recursion against a scalar form written from its definition, one row, one series, one bet at a time."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.core.detectors.budget.bets import WEIGHTS, bet_table, drift
from monitor.core.detectors.budget.cells import cut_levels, fit_cells
from monitor.core.detectors.budget.recursion import BLOCK, FLOOR, Recursion
from monitor.core.detectors.budget.shares import CAP, PERIOD, shares


@dataclass
class Scalar:
    """As the definition says it: plain numbers, plain loops."""

    series: int
    threshold: float
    m: list[list[float]] = field(default_factory=list)
    g: list[list[float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.m = [[0.0] * len(WEIGHTS) for _ in range(self.series)]
        self.g = [[1.0] * len(WEIGHTS) for _ in range(self.series)]

    def row(self, ratios: list[list[float] | None], due: list[float]) -> float | None:
        """The evidence if a page is due. A ratio of None: the series has no value."""
        for i, ratio in enumerate(ratios):
            for j, weight in enumerate(WEIGHTS.tolist()):
                if ratio is not None:
                    self.m[i][j] = ratio[j] * (self.m[i][j] + weight * due[i])
                    self.g[i][j] = max(self.g[i][j], 1.0) * ratio[j]
                else:
                    self.g[i][j] = max(self.g[i][j], 1.0)
        evidence = max(sum(w * g for w, g in zip(WEIGHTS.tolist(), line, strict=True)) for line in self.g)
        if sum(map(sum, self.m)) >= self.threshold and evidence >= FLOOR:
            self.m = [[0.0] * len(WEIGHTS) for _ in range(self.series)]
            return evidence
        return None


def stream(seed: int, rows: int, series: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Table, cells and accruals of values that shift now and then and are missing now and then."""
    rng = np.random.default_rng(seed)
    levels = cut_levels(2000)
    table = np.concatenate([bet_table(levels, 2000, drift(0.02), 0.05), np.ones((1, len(WEIGHTS)))])
    reference = fit_cells(rng.normal(0, 1, 2000))
    values = rng.normal(0, 1, (rows, series)) + 1.5 * (np.sin(np.arange(rows) / 60) > 0.5)[:, None]
    cells = np.minimum(reference.of(values.ravel()).reshape(values.shape), len(table) - 2)
    missing = rng.random(cells.shape) < 0.1
    cells[missing] = len(table) - 1
    due = np.where(missing, 0.0, rng.exponential(1 / 2016, cells.shape) / series)
    return table, cells, due


def play(table: np.ndarray, cells: np.ndarray, due: np.ndarray, threshold: float, cuts: list[int]) -> tuple:
    """Rows of pages with masses, in pieces; and the state at the end."""
    recursion = Recursion(WEIGHTS)
    recursion.resize(cells.shape[1], np.full(cells.shape[1], -1))
    pages = []
    edges = sorted({0, len(cells), *(c for c in cuts if c < len(cells))})
    for start, stop in itertools.pairwise(edges):
        while start < stop:
            page = recursion.run(table, cells[start:stop], due[start:stop], threshold)
            if page is None:
                break
            start += page.row + 1
            pages.append((start - 1, page.mass.tolist(), page.evidence.tolist()))
    return pages, {name: np.asarray(value).tolist() for name, value in recursion.save().items()}


@pytest.mark.parametrize("series", [1, 3, 10])
def test_the_array_form_is_the_scalar_form(series: int) -> None:
    table, cells, due = stream(series, 700, series)
    scalar, expected = Scalar(series, 1.0), []
    for k in range(len(cells)):
        ratios = [None if c == len(table) - 1 else table[c].tolist() for c in cells[k]]
        if (evidence := scalar.row(ratios, due[k].tolist())) is not None:
            expected.append((k, evidence))
    pages, end = play(table, cells, due, 1.0, [])
    assert [row for row, _, _ in pages] == [row for row, _ in expected]
    assert len(pages) >= 3
    assert [max(evidence) for _, _, evidence in pages] == pytest.approx([e for _, e in expected], rel=1e-12)
    now = np.array(end["P"]) * np.array(end["m"]) + np.array(end["C"])
    assert now == pytest.approx(np.array(scalar.m), rel=1e-12, abs=1e-300)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 5), st.lists(st.integers(1, 399), max_size=60))
def test_cuts_change_no_bit(seed: int, cuts: list[int]) -> None:
    given_ = stream(seed, 400, 2)
    assert play(*given_, 1.0, cuts) == play(*given_, 1.0, [])


def test_the_order_of_series_does_not_matter() -> None:
    table, cells, due = stream(8, 600, 6)
    order = np.random.default_rng(1).permutation(6)
    plain, _ = play(table, cells, due, 1.0, [])
    mixed, _ = play(table, cells[:, order], due[:, order], 1.0, [])
    assert [row for row, _, _ in mixed] == [row for row, _, _ in plain]
    for (_, there, _), (_, here, _) in zip(mixed, plain, strict=True):
        assert there == pytest.approx(np.array(here)[order], rel=1e-12)


def test_a_series_without_values_changes_nothing() -> None:
    table, cells, due = stream(9, 500, 3)
    wider = np.concatenate([cells, np.full((500, 2), len(table) - 1)], axis=1)
    pages, _ = play(table, cells, due, 1.0, [])
    more, _ = play(table, wider, np.concatenate([due, np.zeros((500, 2))], axis=1), 1.0, [])
    assert [row for row, _, _ in more] == [row for row, _, _ in pages]


def test_series_keep_their_masses_when_others_come_and_go() -> None:
    table, cells, due = stream(10, BLOCK + 9, 2)
    recursion = Recursion(WEIGHTS)
    recursion.resize(2, np.array([-1, -1]))
    assert recursion.run(table, cells, due, 1e9) is None
    before = {name: np.array(value) for name, value in recursion.save().items()}
    recursion.resize(3, np.array([1, -1, 0]))
    for name in ("m", "P", "C", "G", "E"):
        assert np.array_equal(getattr(recursion, name)[[2, 0]], before[name])
    assert recursion.phase == 9


def test_time_alone_never_pages() -> None:
    table = np.ones((2, len(WEIGHTS)))
    cells, due = np.zeros((3000, 1), dtype=np.int64), np.full((3000, 1), 1.0)
    assert play(table, cells, due, 1.0, [])[0] == []


def test_shares_are_half_equal_and_half_by_traffic_and_small_for_rare_series() -> None:
    got = shares(np.array([2016.0, 2016.0, 5.0]))
    assert got[0] == got[1] == pytest.approx(0.5 / 3 + 0.5 * 2016 / 4037)
    assert got[2] == pytest.approx(5 * CAP)
    assert shares(np.array([100.0])).tolist() == [1.0]
    assert shares(np.empty(0)).tolist() == []
    assert shares(np.array([0.0, 0.0])).tolist() == [0.0, 0.0]
    assert shares(np.random.default_rng(1).exponential(1000, 50)).sum() <= 1 + 1e-12
    assert PERIOD == 604_800
