"""All armed series of a rule before one threshold."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from monitor.core.detectors.budget.arming import SILENT, Armed
from monitor.core.detectors.budget.bets import WEIGHTS
from monitor.core.detectors.budget.points import Points
from monitor.core.detectors.budget.power import delay
from monitor.core.detectors.budget.recursion import Cube, Page, Recursion
from monitor.core.detectors.budget.series import DEARER, MUTE, RARE, RECENT, BudgetSeries, Looks
from monitor.core.detectors.budget.shares import CAP, PERIOD, shares
from monitor.core.detectors.budget.width import ratios
from monitor.core.detectors.keyed import Key
from monitor.core.events import Floats, Ints

EXPLAINED = 0.9  # of the sum of masses: the series that hold it are the explanation
SHORT = 0.45  # share of the budget under which a reference is short for slow changes
STEEP = 3.0  # how fast they get dear then
FEW, FEWER = 500, 2.0  # points under which a reference is small, and how fast slow changes get dear then
AMONG, REMEMBERED = 3.0, 16  # pages of a rule of late: how many count at most, and are kept
LEFT = 0.7  # of the budget that the outlier arm has at most, where the shift arm can use little or none
PATIENCE = 10.0  # times its usual spacing that a point can have waited for at most


@dataclass(frozen=True, slots=True)
class Watched:
    """A series that is watched, and what it shows of a stretch of rows."""

    key: Key
    series: BudgetSeries
    looks: Looks


@dataclass(frozen=True, slots=True)
class Hit:
    """A series in a page: the row, how sure (evidence, or odds), and which point of what it showed was the last."""

    arm: Literal["shift", "outlier"]
    row: int
    key: Key
    series: BudgetSeries
    strength: float
    place: int
    looks: Looks

    @property
    def clock(self) -> float:
        return float(self.looks.points.clock[max(self.place, 0)])

    def since(self) -> tuple[float, int, float]:
        """Mean level and number of points since the change, and about when the first of them was.

        The change is put where the bet that gained most began to gain.
        """
        assert self.series.armed is not None
        before = len(self.looks.past) - self.looks.points.n
        stop = max(before + self.place + 1, 1)
        start = max(stop - RECENT, 0)
        logs = np.log(ratios(self.series.armed.seen.table, self.looks.past[start:stop]))
        gains = np.cumsum(logs[::-1], axis=0)
        n = int(np.unravel_index(int(np.argmax(gains)), gains.shape)[0]) + 1
        spacing = PERIOD / max(self.series.armed.pace, 1e-9)
        since = float(self.looks.points.at[max(self.place, 0)]) - (n - 1) * spacing
        armed = self.series.armed
        far = float(self.looks.levels[stop - n : stop].astype(np.float64).mean())
        return armed.mean + (armed.sd or 1.0) * far, n, since


class Pool:
    """`shift` and `outlier` are the two arms' budgets, pages a period; an arm without a budget says nothing."""

    def __init__(self, shift: float, outlier: float) -> None:
        self.allow(shift, outlier)
        self._recursion = Recursion(WEIGHTS)
        self._places: dict[Key, int] = {}
        self._shares: Floats = np.empty(0)
        self._heights: Floats = np.empty(0)
        self._sudden: Floats = np.empty(0)  # the outlier arm's budget, by series
        self._offsets: Ints = np.empty(0, dtype=np.int64)
        self._table: Cube = np.ones((1, len(WEIGHTS)))
        self._armed: list[Armed] = []
        self._told: Floats = np.empty(0)  # the clock of pages of late

    def allow(self, shift: float, outlier: float) -> None:
        """Other budgets from now on; `adopt` follows."""
        self._shift, self._outlier = shift, outlier

    def adopt(self, entries: Mapping[Key, BudgetSeries], fresh: str | None = None) -> None:
        """Take note of which series are armed, and how; those of segment `fresh` ("": all) start from nothing."""
        armed = {k: entries[k].armed for k in sorted(entries) if entries[k].armed is not None}
        kept = [-1 if fresh is not None and fresh in ("", k[1]) else self._places.get(k, -1) for k in armed]
        self._recursion.resize(len(armed), np.array(kept, dtype=np.int64))
        self._arrange(entries)

    def _arrange(self, entries: Mapping[Key, BudgetSeries]) -> None:
        armed = [(k, a) for k in sorted(entries) if (a := entries[k].armed) is not None]
        self._places = {key: i for i, (key, _) in enumerate(armed)}
        self._armed = [a for _, a in armed]
        scale = np.array([entries[key].share for key, _ in armed])
        few = np.maximum(FEW / np.array([a.size for _, a in armed]), 1.0) ** FEWER
        self._price(scale, few)
        tables = [a.seen.table for _, a in armed]
        self._offsets = np.cumsum([0, *(len(t) for t in tables)])[: len(tables)].astype(np.int64)
        self._table = np.concatenate([*tables, np.ones((1, len(WEIGHTS)))])

    def _price(self, scale: Floats, few: Floats) -> None:
        """What each armed series has of the budget, and how dear a page is to it: a reference that is short (`scale` is
        its part of two weeks) or small (`few`) asks for more evidence."""
        self._shares = shares(np.array([a.rate for a in self._armed])) * scale
        short = np.maximum(SHORT / np.maximum(scale, 1e-3), 1.0) ** STEEP
        heights = np.array([a.height for a in self._armed])
        self._heights = np.minimum(heights * short * few, SILENT)
        longer = np.array([a.size < a.n for a in self._armed])  # it uses less of its part, as a page is dearer to it
        used = np.where(heights >= SILENT, 0.0, self._shift / (short * np.where(longer, few, 1.0)))
        whole = self._shift + self._outlier
        self._sudden = np.maximum(np.minimum(whole - used, LEFT * whole), self._outlier)

    def run(self, entries: Mapping[Key, BudgetSeries], watched: list[Watched]) -> list[Hit]:
        """All pages in a stretch of rows that is shorter than a day."""
        watched = [w for w in watched if w.key in self._places]
        if not watched:
            return []
        betting = [
            w if w.looks.slow is None else replace(w, looks=w.looks.slow)
            for w in watched
            if self._heights[self._places[w.key]] < SILENT and w.looks.bet_on.points.n
        ]  # of the others only what is sudden counts
        rows = np.unique(np.concatenate([np.empty(0, dtype=np.int64), *(w.looks.points.rows for w in betting)]))
        table, placed = self._laid_out(betting)
        cells = np.full((len(rows), len(self._places)), len(table) - 1, dtype=np.int64)
        due = np.zeros(cells.shape)
        for w, lines in zip(betting, placed, strict=True):
            i, at = self._places[w.key], rows.searchsorted(w.looks.points.rows)
            cells[at, i] = lines
            released = self._released(w.key, w.looks, self._armed[i].pace)
            due[at, i] = released / (self._heights[i] * self._worn(w.looks.points, w.looks.worn[0]))
        sudden = self._outliers(watched)
        for hit in sudden:
            if self._heights[self._places[hit.key]] < SILENT:
                self._wear(hit, rows, due)
        slow = self._shifts(entries, betting, rows, table, cells, due)
        latched = {hit.key: hit.row for hit in slow}
        sudden = [hit for hit in sudden if hit.row < latched.get(hit.key, hit.row + 1)]
        for hit in sudden:
            hit.series.mute(hit.clock)
        for hit in slow:
            hit.series.latch(hit.clock)
        for clock in sorted(hit.clock for hit in sudden + slow):
            self._note(clock)
        return sudden + slow

    def _laid_out(self, betting: list[Watched]) -> tuple[Cube, list[Ints]]:
        """The table of a stretch, and the cells of each series as rows of it. Where a series has two views, what both
        make of each of its points is a row of its own."""
        more: list[Cube] = []
        placed, end = [], len(self._table) - 1
        for w in betting:
            armed, cells = w.series.armed, w.looks.cells
            if isinstance(armed, Armed) and armed.seen.width is not None:
                more.append(widened(ratios(armed.seen.table, cells), self._table.shape[1]))
                placed.append(end + np.arange(len(cells)))
                end += len(cells)
            else:
                placed.append(cells + self._offsets[self._places[w.key]])
        return np.concatenate([self._table[:-1], *more, self._table[-1:]]) if more else self._table, placed

    def _note(self, clock: float) -> None:
        """Remember a page, one a day."""
        if not len(self._told) or clock >= self._told[-1] + MUTE:
            self._told = np.append(self._told, clock)[-REMEMBERED:]

    def _worn(self, points: Points, own: Floats) -> Floats:
        """How many times dearer a page of the shift arm is than at first: by its own pages of late (`own`), or by those
        of the whole rule. While an episode lasts, what is told of it anew has to be surer.

        Pages count from half a day after them, so that where a stretch is cut changes nothing.
        """
        if not len(self._told):
            return own
        weeks = (points.clock[:, None] - self._told) / (7 * MUTE)
        strain = np.where(weeks >= 1 / 14, 0.5 ** np.floor(np.maximum(weeks, 0.0)), 0.0).sum(axis=1)
        return np.asarray(np.maximum(own, DEARER[0] ** np.minimum(strain, AMONG)))

    def _wear(self, hit: Hit, rows: Ints, due: Floats) -> None:
        """Make pages of the shift arm dearer behind one of the outlier arm."""
        i, looks = self._places[hit.key], hit.looks.bet_on
        later = np.flatnonzero(looks.points.rows > hit.row)
        points = looks.points.take(later)
        worn = self._worn(points, hit.series.worn(points.clock, hit.clock)[0])
        released = self._released(hit.key, looks, self._armed[i].pace)[later]
        due[rows.searchsorted(points.rows), i] = released / (self._heights[i] * worn)

    def _released(self, key: Key, looks: Looks, rate: float) -> Floats:
        """The part of a period's budget that the time each point has waited gives to its series.

        At most what `PATIENCE` points usually wait for, of `rate` a period: a silence is no reason to ask for less
        evidence.
        """
        share = float(self._shares[self._places[key]])
        most = min(CAP, PATIENCE * share / max(rate, 1e-9))
        return np.minimum(looks.waited * (share / PERIOD), most)

    def _shifts(
        self,
        entries: Mapping[Key, BudgetSeries],
        watched: list[Watched],
        rows: Ints,
        table: Cube,
        cells: Ints,
        due: Floats,
    ) -> list[Hit]:
        found: list[Hit] = []
        silent = len(table) - 1
        while len(rows) and self._shift > 0:
            page = self._recursion.run(table, cells, due, 1.0 / self._shift)
            if page is None:
                break
            hits = self._explain(page, entries, watched, int(rows[page.row]))
            places = np.array([self._places[hit.key] for hit in hits], dtype=np.int64)
            rows, cells, due = rows[page.row + 1 :], cells[page.row + 1 :], due[page.row + 1 :]
            cells[:, places], due[:, places] = silent, 0.0
            left = (cells != silent).any(axis=1)  # blocks count rows with a value of a series that is watched
            rows, cells, due = rows[left], cells[left], due[left]
            self._recursion.forget(places)
            found += hits
        return found

    def _outliers(self, watched: list[Watched]) -> list[Hit]:
        """The first point of each series at which the outlier arm pages: it pages once a day."""
        found: list[Hit] = []
        if self._outlier <= 0:
            return found
        for w in watched:
            stakes = self._released(w.key, w.looks, self._armed[self._places[w.key]].rate) / w.looks.worn[1]
            budget = self._sudden[self._places[w.key]]
            over = np.flatnonzero((w.looks.odds * stakes * budget >= 1.0) & (w.looks.odds >= RARE))
            if len(over):
                place = int(over[0])
                row = int(w.looks.points.rows[place])
                found.append(Hit("outlier", row, w.key, w.series, float(w.looks.odds[place]), place, w.looks))
        return found

    def _explain(self, page: Page, entries: Mapping[Key, BudgetSeries], watched: list[Watched], row: int) -> list[Hit]:
        """The smallest set of series that holds most of the sum, whether or not they have come in this stretch."""
        looks = {w.key: w.looks for w in watched}
        keys = list(self._places)
        order = np.argsort(-page.mass, kind="stable")
        held = np.cumsum(page.mass[order])
        chosen = order[: int(held.searchsorted(EXPLAINED * held[-1])) + 1]
        clock = next(c for c in (_clock_of(w.looks.points, row) for w in watched) if c is not None)
        hits = []
        for i in sorted(chosen.tolist()):
            key = keys[i]
            seen, place = looks.get(key), -1
            if seen is not None:
                place = int(seen.points.rows.searchsorted(row, side="right")) - 1
            if place < 0:  # another series has tipped the sum: it has what was seen of this one before
                seen, place = entries[key].before(seen, row, clock), 0
            if seen is not None:
                hits.append(Hit("shift", row, key, entries[key], float(page.evidence[i]), place, seen))
        return hits

    # -- for people --

    def delays(self, key: Key) -> dict[float, float | None]:
        """Points until a shift of one and of two standard deviations is found, about; None: hardly ever."""
        i = self._places[key]
        armed = self._armed[i]
        release = self._shares[i] * self._shift / max(armed.pace, 1e-9) / armed.height
        return {size: delay(armed.seen, size, release) for size in (1.0, 2.0)}

    def now(self, key: Key) -> float | None:
        """The mass of a series as a share of what pages."""
        i = self._places.get(key)
        if i is None:
            return None
        r = self._recursion
        return float((r.m[i] * r.P[i] + r.C[i]).sum() * self._shift)

    def save(self) -> Any:
        return {"keys": self._digest(), "recursion": self._recursion.save(), "told": self._told}

    def load(self, saved: Any, entries: Mapping[Key, BudgetSeries]) -> None:
        self._arrange(entries)
        if self._digest() != saved["keys"]:
            raise ValueError("the pool holds other series than are armed")
        self._recursion.load(saved["recursion"])
        self._told = saved["told"]

    def _digest(self) -> str:
        """Which series have which place, in a few bytes."""
        return hashlib.sha256(repr(list(self._places)).encode()).hexdigest()[:16]


def widened(table: Cube, width: int) -> Cube:
    """The table with columns of ones up to a width."""
    return table if table.shape[1] == width else np.hstack([table, np.ones((len(table), width - table.shape[1]))])


def _clock_of(points: Points, row: int) -> float | None:
    """The clock at a row, if one of the points is there."""
    place = int(points.rows.searchsorted(row))
    return float(points.clock[place]) if place < points.n and points.rows[place] == row else None
