"""What is compared with the limit: a quantity of a window, of each segment against the best, of now against before."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np

from monitor.core.events import Batch, Bools, Floats, Ints
from monitor.core.rules.evaluate_limit import changes, ratios
from monitor.core.rules.evaluate_quantities import Quantity, quantity_of
from monitor.core.rules.model import Windowed
from monitor.core.windows.panes import SETTLED
from monitor.core.windows.window import PANES, SKETCH_PANES, Window


@dataclass(frozen=True, slots=True)
class Reading:
    """One entry a segment. `compared` is what stands against the limit, `sure` whether there is enough to say so."""

    value: Floats
    expected: Floats | None  # None: the limit
    compared: Floats
    n: Ints
    unknown: Ints
    sure: Bools


class Gauge(ABC):
    """One form on one model."""

    def __init__(self, form: Windowed) -> None:
        self.form = form
        self.quantity: Quantity = quantity_of(form)

    @abstractmethod
    def add(self, batch: Batch, codes: Ints, clock: Floats, versions: Ints) -> None:
        """Take in rows with their segment, rule clock and number of version."""

    @abstractmethod
    def read(self, at: float, size: int, since: float) -> Reading:
        """The state of `size` segments at rule time `at`; everything since `since` was seen."""

    @abstractmethod
    def windows(self) -> dict[str, Window]:
        """The windows in use, by the name they are saved under."""

    def settled_until(self, at: float, since: float) -> float:
        """Until when the reading at `at` stays as it is, if no rows come."""
        if self.quantity.function == "rate" and self.form.kind != "compare":
            return at  # it is of the seconds that the window spans, and they go on
        over = self.form.over
        whole = [
            since + length - SETTLED for length in (over, 2.0 * over + over / PANES, 2.0 * over + over / SKETCH_PANES)
        ]
        windows = [window.settled_until(at) for window in self.windows().values()]
        return min([*windows, *(end for end in whole if end > at)], default=math.inf)

    def memory(self) -> int:
        """Bytes held."""
        return sum(window.memory() for window in self.windows().values())

    def late(self) -> int:
        """Rows that came too late for their window."""
        return sum(window.panes.late for window in self.windows().values())

    def save(self) -> Any:
        """State for `core.state.dump`."""
        return {name: window.save() for name, window in self.windows().items()}

    def load(self, saved: Any) -> None:
        """Continue from `save`."""
        for name, window in self.windows().items():
            window.load(saved[name])

    def enough(self, n: Ints, unknown: Ints, whole: bool) -> Bools:
        """Whether there are enough known rows.

        No data is unknown, with one exception: a count (rate, sum, distinct) that must not fall below a limit is 0
        in an empty window, once the window as a whole was watched.
        """
        if self.quantity.extensive and self.form.below is not None:
            empty = (n > 0) | (unknown == 0) if self.form.min_events <= 1 else n >= self.form.min_events
            return empty & whole
        return n >= max(self.form.min_events, 1)


class Plain(Gauge):
    """`share`, `count`, `measure`: the quantity over the window."""

    def __init__(self, form: Windowed) -> None:
        super().__init__(form)
        self._window = self.quantity.window(form.over, 1)

    def add(self, batch: Batch, codes: Ints, clock: Floats, versions: Ints) -> None:
        values, known = self.quantity.values(batch)
        self._window.add(codes, clock, values, known)

    def read(self, at: float, size: int, since: float) -> Reading:
        panes = self._window.panes
        value, n, unknown = self.quantity.read(self._window, panes.live(at), panes.length(at), size)
        return Reading(value, None, value, n, unknown, self.enough(n, unknown, at - since >= self.form.over))

    def windows(self) -> dict[str, Window]:
        return {"window": self._window}


class Parity(Plain):
    """`parity`: each segment's rate against that of the best, the highest (with `above`: the lowest).

    Below 0.8 is the four-fifths rule of the US Uniform Guidelines on Employee Selection Procedures, 29 CFR 1607.4 D.
    Rows that do not say to which segment they belong are unknown; segments with too few rows are no best.
    """

    def add(self, batch: Batch, codes: Ints, clock: Floats, versions: Ints) -> None:
        values, known = self.quantity.values(batch)
        for path in self.form.by:
            known = known & batch.present(path)
        self._window.add(codes, clock, values, known)

    def read(self, at: float, size: int, since: float) -> Reading:
        found = super().read(at, size, since)
        rates = found.value[found.sure]
        if len(rates) < 2:
            return Reading(
                np.full(size, np.nan), None, np.full(size, np.nan), found.n, found.unknown, np.zeros(size, dtype=bool)
            )
        best = float(rates.max() if self.form.below is not None else rates.min())
        ratio = np.where(found.value == best, 1.0, ratios(found.value, np.full(size, best)))
        ratio = np.where(np.isnan(found.value), np.nan, ratio)
        return Reading(ratio, None, ratio, found.n, found.unknown, found.sure)


class Periods(Gauge):
    """`compare` with `previous_period`: the last `over` seconds of complete panes against those before."""

    def __init__(self, form: Windowed) -> None:
        super().__init__(form)
        self._window = self.quantity.window(form.over, 2)

    def add(self, batch: Batch, codes: Ints, clock: Floats, versions: Ints) -> None:
        values, known = self.quantity.values(batch)
        self._window.add(codes, clock, values, known)

    def read(self, at: float, size: int, since: float) -> Reading:
        panes, over = self._window.panes, self.form.over
        value, n, unknown = self.quantity.read(self._window, panes.period(at, 0), over, size)
        before, base_n, _ = self.quantity.read(self._window, panes.period(at, 1), over, size)
        whole = at - since >= 2.0 * over + panes.width
        sure = self.enough(n, unknown, whole) & (base_n >= max(self.form.min_events, 1))
        if self.quantity.extensive:
            sure &= whole
        return Reading(value, before, changes(value, before), n, unknown, sure)

    def windows(self) -> dict[str, Window]:
        return {"window": self._window}


class TwoVersions(Gauge):
    """`compare` with `previous_version`: the version that appeared last against the one before it.

    Older versions and events that name no version are left out.
    """

    def __init__(self, form: Windowed) -> None:
        super().__init__(form)
        self._newest = -1
        self._windows: dict[int, Window] = {}

    def add(self, batch: Batch, codes: Ints, clock: Floats, versions: Ints) -> None:
        values, known = self.quantity.values(batch)
        self._newest = max(self._newest, int(versions.max()))
        self._windows = {number: w for number, w in self._windows.items() if number >= self._newest - 1}
        for number in range(max(self._newest - 1, 0), self._newest + 1):
            rows = versions == number
            if rows.any():
                window = self._windows.setdefault(number, self.quantity.window(self.form.over, 1))
                window.add(codes[rows], clock[rows], values[rows], known[rows])

    def read(self, at: float, size: int, since: float) -> Reading:
        value, n, unknown = self._side(self._newest, at, size)
        before, base_n, _ = self._side(self._newest - 1, at, size)
        sure = (n >= max(self.form.min_events, 1)) & (base_n >= max(self.form.min_events, 1))
        return Reading(value, before, changes(value, before), n, unknown, sure)

    def windows(self) -> dict[str, Window]:
        return {str(number): window for number, window in self._windows.items()}

    def save(self) -> Any:
        return {"newest": self._newest, "windows": super().save()}

    def load(self, saved: Any) -> None:
        self._newest = saved["newest"]
        self._windows = {int(name): self.quantity.window(self.form.over, 1) for name in saved["windows"]}
        super().load(saved["windows"])

    def _side(self, number: int, at: float, size: int) -> tuple[Floats, Ints, Ints]:
        window = self._windows.get(number)
        if window is None:
            return np.full(size, np.nan), np.zeros(size, dtype=np.int64), np.zeros(size, dtype=np.int64)
        return self.quantity.read(window, window.panes.live(at), window.panes.length(at), size)


def gauge_of(form: Windowed) -> Gauge:
    """The gauge of a form."""
    if form.kind == "parity":
        return Parity(form)
    if form.kind != "compare":
        return Plain(form)
    return Periods(form) if form.against == "previous_period" else TwoVersions(form)
