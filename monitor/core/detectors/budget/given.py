"""References that people give a rule under a page budget: placed at once, with the version they belong to."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from monitor.core.detectors.budget.pool import Pool
from monitor.core.detectors.budget.series import REFUSED, BudgetSeries
from monitor.core.detectors.keyed import Key, Keyed
from monitor.core.references import Fitted, FittedSeries, retuned, unpack


class Given:
    """By which version of its reference a rule watches, what waits for a first event, and what was armed of late.

    `version` counts what people gave (their number in the ledger); 0 is what the rule learned by itself. A reference
    given before any event came waits for the first one, to know which version of the model it is for.
    """

    def __init__(self) -> None:
        self.version = 0
        self.waiting: Fitted | None = None
        self._fresh: set[Key] = set()

    def give(
        self,
        fitted: Fitted,
        version: int,
        tolerance: float,
        entries: Keyed[BudgetSeries],
        pool: Pool,
        models: Iterable[str],
    ) -> None:
        """Watch by `fitted` from now on, for each version of the model that is followed (`models`).

        Series that it does not hold keep what they have.
        """
        self.version, self.waiting = version, None
        made: dict[Key, BudgetSeries] = {}
        for name in models:
            for series in fitted.for_version(name):
                made[series.key] = entry_of(series, fitted.tolerance, tolerance)
        if not made:
            self.waiting = fitted
            return
        kept = {key: entry for key, entry in entries.entries.items() if key not in made}
        made = dict(list(made.items())[: max(entries.cap - len(kept), 0)])
        entries.entries = kept
        pool.adopt(kept)  # what these series had gathered under another reference counts no more
        entries.entries = kept | made
        pool.adopt(entries.entries)

    def again(self, version: int) -> None:
        """The present is to be learned, as this version."""
        self.version, self.waiting = version, None

    def note(self, keys: Iterable[Key]) -> None:
        """These series have just been armed, or refused."""
        self._fresh.update(keys)

    def learned(self) -> list[Key]:
        """The series noted since the last call; asked in every step, so nothing of it is state."""
        fresh, self._fresh = sorted(self._fresh), set()
        return fresh

    def save(self) -> Any:
        return [self.version, None if self.waiting is None else self.waiting.pack()]

    def load(self, saved: Any) -> None:
        version, waiting = saved
        self.version, self.waiting = version, None if waiting is None else unpack(waiting, trusted=True)


def takes_references(entry: BudgetSeries) -> bool:
    """Whether people can give a series what it watches by: those of numbers only."""
    return type(entry) is BudgetSeries


def fitted_series(key: Key, entry: BudgetSeries) -> FittedSeries | None:
    """What a series of numbers watches by, or why it was refused; None while it collects, and for other series."""
    if not takes_references(entry):
        return None
    if entry.armed is None and entry.state != REFUSED:
        return None
    note = entry.note if entry.armed is None else ""
    return FittedSeries(*key, entry.armed, None if entry.armed is None else entry.blocks, note)


def entry_of(series: FittedSeries, made_for: float, tolerance: float) -> BudgetSeries:
    """A series that watches by what it was given; one whose reference was refused collects its own."""
    entry = BudgetSeries()
    if series.armed is None:
        entry.note = f"collects anew, because the reference given for it was refused: {series.note}"
        return entry
    armed = series.armed if made_for == tolerance else retuned(series.armed, tolerance)
    entry.arm(armed, series.blocks, complete=True, now=np.nan)
    return entry
