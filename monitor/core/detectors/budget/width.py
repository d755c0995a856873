"""How wide blocks of values are: the spread within them as a second view of a series, ranked like their means.

A point has one cell of each view. Both are kept in one number, its code, whose parts are rows of one table: the bets of
a view are ones in the rows of the other.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from monitor.core.detectors.budget.bets import BETS, Table, bet_table
from monitor.core.detectors.budget.cells import Cells, fit_cells, load_cells
from monitor.core.detectors.budget.points import Points
from monitor.core.detectors.budget.predictor import LAGS, Predictor, choose, fit, load_predictor, remaining, slots
from monitor.core.events import Floats, Ints

BASE = 256  # more than a table has rows
LEVELS = 20  # cuts of the values from which the spread within a block says something that their mean does not
BET = 1.1  # normal score of a block's spread that is bet on


@dataclass(frozen=True)
class Width:
    """Frozen when the series is armed. What `predictor` leaves of the log of a block's spread is ranked by `inner`.

    `d` is how far that may move without anybody acting on it; `n_eff`: independent blocks of the reference.
    """

    predictor: Predictor
    inner: Cells
    n_eff: float
    d: float

    @cached_property
    def cuts(self) -> Floats:
        return both_sides(self.inner.cuts, self.d)

    def table(self, spread: float) -> Table:
        """A row for each cell, all bets in columns; those on means are ones."""
        plain = bet_table(self.inner.levels, self.n_eff, 0.0, spread)
        up, down = sides(self.inner.cuts, self.d)
        found = np.ones((len(up), len(BETS)))
        for j, bet in enumerate(BETS):
            if bet.side in ("wide", "narrow"):
                mu, way = (BET, up) if bet.side == "wide" else (-BET, down)
                found[:, j] = plain[way, [other.mu for other in BETS].index(mu)]
        return found

    def cells(self, points: Points, lags: Floats) -> tuple[Ints, Floats]:
        left, after = self.left(points, lags if len(lags) else np.zeros(LAGS))
        return self.cuts.searchsorted(left, side="left"), after

    def left(self, points: Points, lags: Floats) -> tuple[Floats, Floats]:
        assert points.wide is not None
        return self.predictor.innovations(points.wide - self.predictor.expected(slots(points.at)), lags)

    def save(self) -> Any:
        return [self.predictor.save(), self.inner.save(), np.array([self.n_eff, self.d])]


def load_width(saved: Any) -> Width:
    form, inner, numbers = saved
    return Width(load_predictor(form), load_cells(inner), *numbers.tolist())


def fit_width(points: Points, raw: Cells, spread: float, form: Width | None = None) -> Width | None:
    """The view of the spread within blocks that were scored by `raw`; None where it would say nothing.

    `form` is a view whose form is taken over. Means may move by what is tolerated and change no spread within blocks,
    but where values are few: there is none of those.
    """
    if points.wide is None or len(raw.cuts) < LEVELS:
        return None
    if form is None:
        made = choose(points.wide, points.at)
    else:
        past = form.predictor.past
        made = fit(points.wide, points.at, form.predictor.shape, len(past.phi), past.slow != 0)
    left, _ = made.innovations(points.wide - made.expected(slots(points.at)), np.zeros(LAGS))
    return Width(made, _coarse(fit_cells(left)), points.n / remaining(left), spread * max(0.0, 1.0 - sum(made.phi)))


def _coarse(cells: Cells) -> Cells:
    """Every third cut: what is bet on the spread needs no more, and state is to be small."""
    kept = slice(len(cells.cuts) // 2 % 3, None, 3)
    return Cells(cells.cuts[kept], cells.ranks[kept], cells.n)


def both_sides(cuts: Floats, d: float) -> Floats:
    """The cuts of a statistic of which both what it is less `d` and what it is plus `d` are ranked."""
    return np.unique(np.concatenate([cuts + d, cuts - d]))


def sides(cuts: Floats, d: float) -> tuple[Ints, Ints]:
    """The cell of the statistic less `d`, and plus `d`, in each cell of `both_sides`."""
    fine = np.append(both_sides(cuts, d), np.inf)
    return (cuts + d).searchsorted(fine, side="left"), (cuts - d).searchsorted(fine, side="left")


def split(codes: Ints) -> tuple[Ints, Ints]:
    """The rows of the table that a code stands for; the second is 0 where there is one view only."""
    return codes % BASE, codes // BASE


def ratios(table: Table, codes: Ints) -> Table:
    """The likelihood ratios of all bets at points with these codes."""
    first, second = split(codes)
    found = table[first]
    return found if not second.any() else found * np.where(second[:, None] > 0, table[second], 1.0)


def renumbered(table: Table, codes: Ints) -> tuple[Table, Ints]:
    """A table with one row for each code there is, and the codes as rows of it."""
    if codes.max(initial=0) < BASE:
        return table, codes
    found, places = np.unique(codes, return_inverse=True)
    return ratios(table, found), places.astype(np.int64)
