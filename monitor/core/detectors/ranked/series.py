"""Series that a River detector watches: the ranks of numbers by a frozen reference, or answers that are bad or not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from monitor.core.detectors.budget.series import REFUSED, BudgetSeries, Looks
from monitor.core.detectors.budget.width import split
from monitor.core.detectors.ranked.calibrate import answers, prepared
from monitor.core.detectors.ranked.tuned import Tuned
from monitor.core.detectors.shift import WORDS
from monitor.core.detectors.staked.fitting import Staked
from monitor.core.detectors.staked.harm_bets import HarmBets
from monitor.core.detectors.staked.series import StakedLooks, StakedSeries
from monitor.core.detectors.staked.vocabulary import Vocabulary
from monitor.core.events import Floats

LAST = 30  # answers that say whether a change is a rise


class _Tuned(BudgetSeries):
    """A series with a detector, which stops where the series does."""

    tuned: Tuned

    @property
    def rate(self) -> float | None:
        """The rate of bad answers the detector is tuned to; None for ranks."""
        return None

    def latch(self, clock: float) -> None:
        super().latch(clock)
        self.tuned.stop()

    def rearm(self) -> None:
        super().rearm()
        self.tuned.stop()

    def save(self) -> Any:
        return super().save() | {"tuned": self.tuned.save()}

    def load(self, saved: Any) -> None:
        super().load(saved)
        self.tuned.load(saved["tuned"], self.rate)


class RankedSeries(_Tuned):
    """Season and past are taken off as for the budget's own detector; then the ranks of what is left."""

    def __init__(self, method: str, parameters: Mapping[str, Any]) -> None:
        self.tuned = Tuned(method, parameters)
        super().__init__()

    def inputs(self, looks: Looks) -> Floats:
        """What the detector sees of some points."""
        assert self.armed is not None
        seen = self.armed.seen
        cells = seen.raw if seen.inner is None else seen.inner
        levels = np.interp(seen.cuts, cells.cuts, cells.levels) if seen.blocks else cells.levels
        edges = np.concatenate([[0.0], levels, [1.0]])
        return prepared(self.tuned.method, ((edges[1:] + edges[:-1]) / 2)[split(looks.cells)[0]])

    def arm(self, *args: Any) -> None:
        super().arm(*args)
        self.tuned.stop()


class RankedHarm(_Tuned, StakedSeries):
    """Answers one by one, as the detector of River wants them."""

    def __init__(self, method: str, parameters: Mapping[str, Any]) -> None:
        self.tuned = Tuned(method, parameters)
        StakedSeries.__init__(self, "harm")

    @property
    def rate(self) -> float | None:
        return float(self.bets.upper) if isinstance(self.bets, HarmBets) else None

    def adopt(self, made: Staked | str, words: Vocabulary | None, complete: bool, now: float) -> None:
        if isinstance(made, Staked) and made.every > 1:
            name = WORDS[self.tuned.method]
            made = f"There are more answers than {name} can be tuned to; leave out with, or write budget: none."
        super().adopt(made, words, complete, now)
        self.tuned.stop()

    def inputs(self, looks: Looks) -> Floats:
        assert isinstance(looks, StakedLooks)
        n = looks.points.n
        return answers(self.tuned.method, looks.past[len(looks.past) - n :], float(self.armed.bets.upper))

    def rose(self, looks: Looks, until: int) -> bool:
        """Whether more of the last answers up to a point were bad than usual: a fall is no harm."""
        assert isinstance(looks, StakedLooks)
        last = looks.past[: len(looks.past) - looks.points.n + until][-LAST:]
        return float(last.mean()) > float(self.armed.bets.usual)


def refuse(series: RankedSeries | RankedHarm) -> None:
    """Say that the detector cannot be set to what the budget asks of it."""
    name = WORDS[series.tuned.method]
    series.state = REFUSED
    series.note = f"{name} cannot be made rare enough for the budget; leave out with, or write budget: none."
