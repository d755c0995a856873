"""The shift arm's view of a series: points in, cells of innovations out, and the bets on them."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from monitor.core.detectors.budget.bets import BETS, Bet, Table, bet_table, drift, linear_table
from monitor.core.detectors.budget.cells import Cells, fit_cells, load_cells
from monitor.core.detectors.budget.points import Points
from monitor.core.detectors.budget.predictor import (
    LAGS,
    Predictor,
    choose,
    fit,
    load_predictor,
    remaining,
    slots,
)
from monitor.core.detectors.budget.width import BASE, Width, both_sides, fit_width, load_width, sides
from monitor.core.events import Floats, Ints

RISES = ((0, 0, 2, 2, 2, 2, 6, 6), (0, 0, 2, 2, 4, 4, 6, 6))  # whose ratios each bet takes; of both kinds of table
NEAR = 0.2  # drift up to which the bets stand where they are


@dataclass(frozen=True)
class Seen:
    """Frozen when the series is armed.

    Values are scored by `raw`; season and past are taken off by `predictor`; `inner` are the cells of what is left,
    or None where nothing is taken off. `d` is the drift that nobody would act on, in units of what is left.
    """

    raw: Cells
    predictor: Predictor
    inner: Cells | None
    blocks: bool
    n_eff: float
    d: float
    scale: float  # a shift of one standard deviation of the level, in units of what is left
    spread: float
    linear: bool = False
    up: bool = False  # bets on rises only
    width: Width | None = None  # of blocks: the view that the bets on spread look at; None: they rest

    @cached_property
    def table(self) -> Table:
        """Likelihood ratios: rows that the codes of `cells` stand for, a column for each bet."""
        table = self._all_ways()
        if self.width is not None:
            return np.concatenate([table, self.width.table(self.spread)])
        return table[:, RISES[self.linear]] if self.up else table

    def _all_ways(self) -> Table:
        cells = self.raw if self.inner is None else self.inner
        make = linear_table if self.linear else bet_table
        if not self.blocks:
            return make(cells.levels, self.n_eff, self.d, self.spread, bets=_beyond(self.d))
        plain = make(cells.levels, self.n_eff, 0.0, self.spread)
        up, down = sides(cells.cuts, self.d)
        named = ["up", "down"] * (len(BETS) // 2) if self.linear else [bet.side for bet in BETS]
        ones = np.ones(len(up))  # a mean over a block says nothing about spread
        ways = {"up": up, "down": down}
        return np.array([plain[ways[s], j] if s in ways else ones for j, s in enumerate(named)]).T

    @cached_property
    def cuts(self) -> Floats:
        """What `cells` looks up. Of a block both the mean less the drift and the mean plus it are ranked."""
        cells = self.raw if self.inner is None else self.inner
        return both_sides(cells.cuts, self.d) if self.blocks else cells.cuts

    @cached_property
    def _scores(self) -> Floats:
        return self.raw.scores()

    def scores(self, points: Points) -> Floats:
        """The level of each point as a normal score."""
        return points.score if self.blocks else self._scores[self.raw.of(points.value)]

    def cells(self, points: Points, lags: Floats) -> tuple[Ints, Floats]:
        """The code of each point (`width.split`), and the lags for what comes next: those of both views."""
        if self.inner is None:
            return self.raw.of(points.value), lags
        left, after = self.left(points, lags[:LAGS])
        cells = self.cuts.searchsorted(left, side="left")
        if self.width is None:
            return cells, after
        wide, more = self.width.cells(points, lags[LAGS:])
        return cells + BASE * (wide + len(self.cuts) + 1), np.concatenate([after, more])

    def left(self, points: Points, lags: Floats) -> tuple[Floats, Floats]:
        rest = self.scores(points) - self.predictor.expected(slots(points.at))
        return self.predictor.innovations(rest, lags)

    def save(self) -> Any:
        inner = None if self.inner is None else self.inner.save()
        head = np.array(
            [self.blocks, self.n_eff, self.d, self.scale, self.spread, self.linear, self.up], dtype=np.float64
        )
        width = [] if self.width is None else [self.width.save()]
        return [self.raw.save(), self.predictor.save(), inner, head, *width]


def load_seen(saved: Any) -> Seen:
    raw, form, inner, head, *width = saved
    blocks, n_eff, d, scale, spread, linear, up = head.tolist()
    left = None if inner is None else load_cells(inner)
    ways = bool(linear), bool(up), load_width(width[0]) if width else None
    return Seen(load_cells(raw), load_predictor(form), left, bool(blocks), n_eff, d, scale, spread, *ways)


def fit_seen(points: Points, raw: Cells | None, tolerance: float, spread: float, form: Seen | None = None) -> Seen:
    """The view that a reference asks for. `raw`: the cells its blocks were scored by, None for single values.

    `form` is a view whose form is taken over; only its numbers are fitted.
    """
    blocks = raw is not None
    cells = fit_cells(points.value) if raw is None else raw
    scores = points.score if blocks else cells.scores()[cells.of(points.value)]
    if form is None:
        made = choose(scores, points.at)
    else:
        past = form.predictor.past
        made = fit(scores, points.at, form.predictor.shape, len(past.phi), past.slow != 0)
    rest = scores - made.expected(slots(points.at))
    left, _ = made.innovations(rest, np.zeros(LAGS))
    tau = remaining(left)
    level = 1.0 if blocks else float(scores.std()) or 1.0
    width = 1.0 if blocks else float(left.std()) or 1.0
    open_ = max(0.0, 1.0 - sum(made.phi))  # of a shift, while the mean over hours has not followed it
    scale = open_ * level / width
    inner = None if made.idle and not blocks else fit_cells(left)
    d = drift(tolerance) * (scale if inner is not None else 1.0)
    wide = None
    if raw is not None and (form is None or form.width is not None):
        wide = fit_width(points, raw, spread, None if form is None else form.width)
    return Seen(cells, made, inner, blocks, points.n / tau, d, scale, spread, width=wide)


def with_linear_bets(seen: Seen) -> Seen:
    return replace(seen, linear=True, width=None)


def _beyond(d: float) -> tuple[Bet, ...]:
    """The bets, moved out where the drift that nobody would act on has come near them."""
    more = max(0.0, d - NEAR)
    if not more:
        return BETS
    return tuple(replace(bet, mu=bet.mu + math.copysign(more, bet.mu)) if bet.mu else bet for bet in BETS)
