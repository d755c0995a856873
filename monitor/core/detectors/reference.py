"""What a detector of several columns calls normal: the columns it was armed with, their scale, a learned model.

The set of columns is fixed when the reference is complete. A column that vanishes later counts as its middle value, a
new one is not looked at; both are told by `describe`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from monitor.core.detectors.base import Matrix, VectorDetector
from monitor.core.detectors.report import clean
from monitor.core.detectors.scaling import fit_scale, standardise
from monitor.core.events import Floats

WIDEST = 100  # columns of one model
GONE = 200  # rows without a value after which a column counts as vanished
Fitter = Callable[[Matrix], VectorDetector]  # makes a detector for standardised rows; does not learn them


class Reference:
    """Collects `size` rows, then holds their columns and a detector that has learned them and learns no more."""

    def __init__(self, size: int, fit: Fitter) -> None:
        self._size = size
        self._fit = fit
        self.restart()

    def restart(self) -> None:
        """Forget everything and collect again."""
        self.names: list[str] = []  # columns of `rows` while collecting, of the model afterwards
        self.rows: Matrix = np.empty((0, 0))
        self.centre: Floats = np.empty(0)
        self.width: Floats = np.empty(0)
        self.middle: Floats = np.empty(0)
        self.missing = np.empty(0, dtype=np.int64)  # rows since each column had a value
        self.strangers: list[str] = []  # columns seen since that the model does not know
        self.detector: VectorDetector | None = None

    def collect(self, names: list[str], rows: Matrix) -> int:
        """Take rows (NaN where there is no value) until the reference is complete; how many were taken."""
        if self.detector is not None:
            return 0
        if set(names) - set(self.names):
            self._widen(sorted({*self.names, *names}))
        taken = rows[: self._size - len(self.rows)]
        self.rows = np.concatenate([self.rows, self._place(names, taken)])
        if len(self.rows) == self._size:
            self._learn()
        return len(taken)

    def place(self, names: list[str], rows: Matrix) -> Matrix:
        """Raw rows in the model's columns, NaN where there is no value; keeps count of what is missing or new."""
        placed = rows if names == self.names else self._place(names, rows)
        self.strangers = sorted({*self.strangers, *names} - set(self.names))[:WIDEST]
        there = ~np.isnan(placed)
        if there.all():
            self.missing = np.zeros_like(self.missing) if len(placed) else self.missing
        else:
            last = len(placed) - 1 - np.argmax(there[::-1], axis=0)
            self.missing = np.where(there.any(axis=0), len(placed) - 1 - last, self.missing + len(placed))
        return placed

    def forget_rows(self) -> None:
        """The rows were learned and are not needed any more."""
        self.rows = np.empty((0, len(self.names)))

    def standard(self, placed: Matrix) -> Matrix:
        """Placed rows in standard deviations; what has no value is put at the middle of its column."""
        gone = np.isnan(placed)
        return standardise(np.where(gone, self.middle, placed) if gone.any() else placed, self.centre, self.width)

    def note(self) -> str:
        """What the reference does not cover, in words; empty if nothing."""
        gone, new = ", ".join(map(clean, self.vanished()[:5])), ", ".join(map(clean, self.strangers[:5]))
        parts = [f"vanished, counted as the middle value: {gone}"] * bool(gone) + [f"not looked at: {new}"] * bool(new)
        return "; ".join(parts)

    def vanished(self) -> list[str]:
        if self.detector is None:
            return []
        return [name for name, gone in zip(self.names, self.missing.tolist(), strict=True) if gone >= GONE]

    def _widen(self, names: list[str]) -> None:
        rows = np.full((len(self.rows), len(names)), np.nan)
        for position, name in enumerate(self.names):
            rows[:, names.index(name)] = self.rows[:, position]
        self.names, self.rows = names, rows

    def _place(self, names: list[str], rows: Matrix) -> Matrix:
        placed = np.full((len(rows), len(self.names)), np.nan)
        at = {name: position for position, name in enumerate(names)}
        for position, name in enumerate(self.names):
            if name in at:
                placed[:, position] = rows[:, at[name]]
        return placed

    def _learn(self) -> None:
        there = ~np.isnan(self.rows)
        known = [i for i, n in enumerate(there.sum(axis=0).tolist()) if 2 * n >= self._size][:WIDEST]
        if not known:  # no column had a value in half of the events: look at the next ones
            self.restart()
            return
        columns = [self.rows[there[:, i], i] for i in known]
        scales = [fit_scale(values) for values in columns]
        self.strangers = [name for i, name in enumerate(self.names) if i not in set(known)][:WIDEST]
        self.names = [self.names[i] for i in known]
        self.centre, self.width = np.array([c for c, _ in scales]), np.array([w for _, w in scales])
        self.middle = np.array([np.sort(values)[(len(values) - 1) // 2] for values in columns])
        self.missing = np.zeros(len(known), dtype=np.int64)
        self.rows = self.rows[:, known]
        matrix = self.standard(self.rows)
        detector = self._fit(matrix)
        detector.learn(matrix)
        self.detector = detector

    def save(self) -> Any:
        return {
            "names": self.names,
            "rows": self.rows,
            "centre": self.centre,
            "width": self.width,
            "middle": self.middle,
            "missing": self.missing,
            "strangers": self.strangers,
            "detector": None if self.detector is None else self.detector.save(),
        }

    def load(self, saved: Any) -> None:
        self.names, self.rows, self.strangers = list(saved["names"]), saved["rows"], list(saved["strangers"])
        self.centre, self.width, self.middle = saved["centre"], saved["width"], saved["middle"]
        self.missing = saved["missing"]
        self.detector = None
        if saved["detector"] is not None:
            self.detector = self._fit(np.zeros((1, len(self.names))))
            self.detector.load(saved["detector"])

    def memory(self) -> int:
        return self.rows.nbytes + (0 if self.detector is None else self.detector.memory()) + 100 * len(self.names)
