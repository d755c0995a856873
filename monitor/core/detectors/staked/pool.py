"""Series of numbers, of categories and of harm before one threshold."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from monitor.core.detectors.budget.bets import WEIGHTS
from monitor.core.detectors.budget.pool import FEW, FEWER, Hit, Pool, Watched, widened
from monitor.core.detectors.budget.recursion import Cube
from monitor.core.detectors.budget.series import BudgetSeries
from monitor.core.detectors.estimated.bets import EstimateBets
from monitor.core.detectors.keyed import Key
from monitor.core.detectors.staked.category_bets import CategoryBets
from monitor.core.detectors.staked.fitting import Staked
from monitor.core.detectors.staked.harm_bets import HarmBets
from monitor.core.detectors.staked.series import StakedLooks
from monitor.core.events import Floats


class MixedPool(Pool):
    """A pool whose series bet on different things: each has weights of its own, filled up with bets of weight 0.

    Cells of series of numbers are rows of a fixed table; ratios of the others are added to it for each run.
    """

    def __init__(self, shift: float, outlier: float) -> None:
        super().__init__(shift, outlier)
        self._cells: list[Cube] = []

    def allow(self, shift: float, outlier: float) -> None:
        """Only numbers have outliers: what that arm has goes to the other one while no series of numbers is armed."""
        self._given = (shift, outlier)
        self._share_out()

    def _share_out(self) -> None:
        shift, outlier = self._given
        armed = getattr(self, "_armed", [])
        numbers = not armed or any(not isinstance(a, Staked) for a in armed)
        self._shift, self._outlier = (shift, outlier) if numbers else (shift + outlier, 0.0)

    def adopt(self, entries: Mapping[Key, BudgetSeries], fresh: str | None = None) -> None:
        self._recursion.weights = _weights(entries)  # their number sets the room that is made for masses
        super().adopt(entries, fresh)

    def _arrange(self, entries: Mapping[Key, BudgetSeries]) -> None:
        armed = [(key, entry.armed) for key in sorted(entries) if (entry := entries[key]).armed is not None]
        self._places = {key: i for i, (key, _) in enumerate(armed)}
        self._armed = [a for _, a in armed if a is not None]
        self._share_out()
        scale = np.array([entries[key].share for key, _ in armed])
        # the bets on codes are careful with a small reference by themselves
        n = np.array([np.inf if isinstance(a, Staked) else a.size for a in self._armed])
        self._price(scale, np.maximum(FEW / n, 1.0) ** FEWER)
        self._recursion.weights = _weights(entries)
        tables = [np.empty((0, 0)) if isinstance(a, Staked) else a.seen.table for a in self._armed]
        self._offsets = np.cumsum([0, *(len(t) for t in tables)])[: len(tables)].astype(np.int64)
        width = self._recursion.weights.shape[-1]
        self._cells = [widened(table, width) for table in tables]
        self._table = np.concatenate([*self._cells, np.ones((1, width))])

    def run(self, entries: Mapping[Key, BudgetSeries], watched: list[Watched]) -> list[Hit]:
        width, more, rows = self._table.shape[1], [], sum(map(len, self._cells))
        watched = [w for w in watched if w.key in self._places and w.looks.points.n]
        for w in watched:
            if isinstance(w.looks, StakedLooks):
                self._offsets[self._places[w.key]] = rows
                more.append(widened(w.looks.ratios, width))
                rows += len(w.looks.ratios)
        if more:
            self._table = np.concatenate([*self._cells, *more, np.ones((1, width))])
        return super().run(entries, watched)

    def delays(self, key: Key) -> dict[float, float | None]:
        """For series of harm, and of estimates of it: answers until twice, and four times the usual rate is found."""
        i = self._places[key]
        armed = self._armed[i]
        if not isinstance(armed, Staked):
            return super().delays(key)
        if isinstance(armed.bets, CategoryBets):
            return {}
        release = self._shares[i] * self._shift / max(armed.rate, 1e-9) / armed.height
        return {times: _delay(armed.bets, times, release) for times in (2.0, 4.0)}


def _delay(bets: HarmBets | EstimateBets, times: float, release: float) -> float | None:
    growth = bets.growth(min(max(times * bets.usual, bets.upper), 1.0)).tolist()
    stakes = (bets.standing() * bets.weights * release).tolist()
    found = [np.log(1.0 / stake) / g for stake, g in zip(stakes, growth, strict=True) if g > 1e-9 and 0 < stake < 1]
    return round(max(min(found), 1.0), 1) if found else None


def _weights(entries: Mapping[Key, BudgetSeries]) -> Floats:
    """One row for each armed series, in the order of their keys."""
    armed = [entries[key].armed for key in sorted(entries) if entries[key].armed is not None]
    rows = [a.bets.weights if isinstance(a, Staked) else WEIGHTS for a in armed]
    made = np.zeros((len(rows), max((len(row) for row in rows), default=len(WEIGHTS))))
    for i, row in enumerate(rows):
        made[i, : len(row)] = row
    return made
