"""River's detectors side by side: each has a run length of its own, by its share of the budget."""

from __future__ import annotations

from collections.abc import Mapping

from monitor.core.detectors.budget.arming import SILENT
from monitor.core.detectors.budget.pool import Hit, Watched
from monitor.core.detectors.budget.series import BudgetSeries
from monitor.core.detectors.keyed import Key
from monitor.core.detectors.ranked.series import RankedHarm, RankedSeries, refuse
from monitor.core.detectors.staked.pool import MixedPool

Ranked = RankedSeries | RankedHarm


class RankedPool(MixedPool):
    """A page of one series says nothing of the others: there is no common threshold."""

    def run(self, entries: Mapping[Key, BudgetSeries], watched: list[Watched]) -> list[Hit]:
        found = []
        for w in watched:
            if w.key in self._places and w.looks.points.n and isinstance(w.series, RankedSeries | RankedHarm):
                hit = self._first(w, w.series)
                if hit is not None:
                    w.series.latch(hit.clock)
                    found.append(hit)
        return found

    def asked(self, key: Key) -> float:
        """Values between two false pages."""
        i = self._places[key]
        release = float(self._shares[i]) * self._shift / max(self._armed[i].rate, 1e-9)
        return float(self._heights[i]) / release if release > 0 else SILENT

    def _first(self, w: Watched, series: Ranked) -> Hit | None:
        """The first alarm, for harm the first after which the rate is higher than before."""
        asked = self.asked(w.key)
        if asked >= SILENT:
            return None
        tuned = series.tuned
        if tuned.detector is None or tuned.asked != asked:
            tune = tuned.start if tuned.detector is None else tuned.retune
            if not tune(asked, float(w.looks.worn[0][0]), series.rate):
                refuse(series)
                return None
        values, start = series.inputs(w.looks), 0
        while start < len(values):
            at = tuned.first(values[start:])
            if at < 0:
                return None
            start += at + 1
            hit = Hit("shift", int(w.looks.points.rows[start - 1]), w.key, series, asked, start - 1, w.looks)
            if isinstance(series, RankedSeries) or series.rose(w.looks, start):
                return hit
        return None

    def delays(self, key: Key) -> dict[float, float | None]:
        return {}
