"""One series of harm or of categories: collects its reference, is watched, latches, and sees on after a day."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from monitor.core.detectors.budget.points import Points
from monitor.core.detectors.budget.recursion import Cube
from monitor.core.detectors.budget.series import (
    DISABLED,
    FULL,
    LATCHED,
    MUTE,
    NUMBERS,
    REFUSED,
    SURE,
    WATCHING,
    BudgetSeries,
    Halves,
    Looks,
)
from monitor.core.detectors.staked.category_bets import CategoryBets
from monitor.core.detectors.staked.fitting import Bets, Staked, load_bets, load_staked
from monitor.core.detectors.staked.groups import Groups, HarmTally
from monitor.core.detectors.staked.harm_bets import HarmBets, fit_harm
from monitor.core.detectors.staked.thinned import CategoryTally, Thinning
from monitor.core.detectors.staked.vocabulary import Vocabulary, load_vocabulary
from monitor.core.events import Floats, Ints

Kind = Literal["harm", "categories", "estimates"]
LOOK = 64  # codes that say whether things are as in the reference again
RECENT = 128  # codes at hand for the evidence
NEWS = 10  # values never seen before that are told in a day, one by one
MOVED = "watches for further change from where it has been since the page; the reference is unchanged"


@dataclass(frozen=True, slots=True)
class StakedLooks(Looks):
    """Also the ratios of all bets at each point, and values never seen before: (row, value, last of its day)."""

    ratios: Cube
    news: list[tuple[int, str, bool]]


class StakedSeries(BudgetSeries):
    """As a series of numbers, but of codes: how many of a group were bad, or which category came."""

    armed: Any  # Staked | None
    collector: Any  # a tally | None

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        super().__init__()

    def restart(self) -> None:
        super().restart()
        self.collector = self.tally()
        self.bets: Bets | None = None  # of the reference, or provisional ones
        self.words: Vocabulary | None = None
        self.entrance: Groups | Thinning = Groups() if self.kind == "harm" else Thinning()
        self.past: Ints = np.empty(0, dtype=np.int64)
        self.after: Floats = np.zeros(0)  # how often each code came since half a day after a page
        self.told: tuple[float, int] = (-np.inf, 0)  # clock of the first new value of a day, and how many were told

    # -- the reference --

    def tally(self) -> Any:
        """What collects a reference."""
        return HarmTally() if self.kind == "harm" else CategoryTally()

    def adopt(self, made: Staked | str, words: Vocabulary | None, complete: bool, now: float) -> None:
        """Take the outcome of arming. `complete`: the reference needs no more."""
        tally = self.collector
        if complete:
            self.collector = None
        if isinstance(made, str):
            if self.state != WATCHING:
                self.state, self.note = REFUSED, made
            return
        self.state, self.note, self.armed = WATCHING, "", made
        self.bets, self.words = _fresh(made.bets), words
        self.share = min((made.last - made.first) / (0.99 * FULL), 1.0)
        if self.kind == "harm":
            self.entrance = Groups(made.every)
        else:
            self.entrance = Thinning(made.every, tally.seen)
        self.since, self.past = now, np.empty(0, dtype=np.int64)

    # -- watching --

    def take(self, given: Points) -> StakedLooks | None:
        """Collect or look at points of single values, in order; None where there is nothing to bet on."""
        if self.collector is not None:
            self.collector.add(given)
        if self.armed is None or self.bets is None or self.state == DISABLED:
            return None
        news = self._news(given)
        points = self.entrance.take(given)
        if not points.n and not news:
            return None
        codes = self.coded(points)
        waited = np.empty(0)
        if points.n:
            start = float(points.clock[0]) if np.isnan(self.since) else self.since
            waited = np.maximum(np.diff(points.clock, prepend=start), 0.0)
            self.since = float(points.clock[-1])
        ratios = self._bet(codes)
        if self.state == LATCHED:
            self._look_on(codes[points.clock >= self.paged + MUTE / 2])
        past = np.concatenate([self.past, codes])
        self.past = past[-RECENT:]
        nothing, levels = np.zeros(points.n), np.empty(0, dtype=np.float16)
        worn = self.worn(points.clock)
        return StakedLooks(points, np.arange(points.n), nothing, waited, worn, levels, past, ratios, news)

    def coded(self, points: Points) -> Ints:
        """The codes of points, as the bets know them."""
        return (points.value if self.words is None else self.words.codes(points.value)).astype(np.int64)

    def _shown(self) -> tuple[Ints, Halves]:
        return self.past, np.empty(0, dtype=np.float16)

    def _news(self, given: Points) -> list[tuple[int, str, bool]]:
        """Values never seen before, each told once, `NEWS` of them in a day."""
        told = []
        for place, name in self.words.news(given.value) if self.words is not None else []:
            clock, (first, n) = float(given.clock[place]), self.told
            if clock >= first + MUTE:
                first, n = clock, 0
            if n < NEWS:
                told.append((int(given.rows[place]), name, n == NEWS - 1))
                self.told = first, n + 1
        return told

    def _bet(self, codes: Ints) -> Cube:
        """Ratios of all bets. Provisional ones end when things have been as in the reference for a while."""
        assert self.bets is not None
        done, parts = 0, []
        while self.note == MOVED and self.state == WATCHING and done < len(codes):
            part = codes[done : done + LOOK - int(self.looked)]
            parts.append(self.bets.ratios(part))
            self._look_on(part)
            done += len(part)
            if self.looked >= LOOK:
                if self.provisional() is None:
                    self.bets, self.note = _fresh(self.armed.bets), ""
                self.after = np.zeros(0)
        return np.concatenate([*parts, self.bets.ratios(codes[done:])])

    @property
    def looked(self) -> float:
        """How many codes `after` tells of."""
        return float(self.after.sum())

    def _look_on(self, codes: Ints) -> None:
        if not len(codes):
            return  # an empty look must not depend on where a stream is cut
        size = self.armed.every + 1 if self.kind == "harm" else len(self.armed.bets.shares)
        counts = np.bincount(codes, minlength=size)
        self.after = counts.astype(np.float64) + (self.after if len(self.after) else 0.0)

    def latch(self, clock: float) -> None:
        super().latch(clock)
        self.after = np.zeros(0)

    def rearm(self) -> None:
        self.muted, self.told = -np.inf, (-np.inf, 0)
        if self.state == DISABLED and self.armed is None:
            self.restart()
        elif self.state in (LATCHED, DISABLED):
            self._watch_on()
            if self.share < 1.0:
                self.collector = self.tally()

    def doubt(self) -> None:
        """Its pages have reached nobody: watch by the reference itself again."""
        if self.state in (LATCHED, DISABLED):
            self.rearm()
        if self.state == WATCHING:
            self.bets, self.note, self.after, self.since = _fresh(self.armed.bets), "", np.zeros(0), np.nan
        self.muted, self.strain = -np.inf, 0.0

    # -- after a page --

    def wake(self, clock: float) -> None:
        """A day after a page: go on by the reference, or by where things are now."""
        if self.looked < SURE:
            self.paged, self.after = clock - MUTE / 2, np.zeros(0)  # look again in half a day
            return
        self._watch_on()

    def _watch_on(self) -> None:
        self.state, self.since, self.note = WATCHING, np.nan, ""
        moved = self.provisional() if self.looked >= SURE else None
        self.bets = _fresh(self.armed.bets) if moved is None else moved
        self.note, self.after = "" if moved is None else MOVED, np.zeros(0)

    def provisional(self) -> Bets | None:
        """Bets against where things have been since the page; None where that is the reference."""
        first, tau = self.armed.bets, self.armed.tau
        if isinstance(first, HarmBets):
            n = float(self.after.sum()) * first.size / tau
            k = float((self.after * np.arange(len(self.after))).sum()) / tau
            return (
                None if k / n <= first.upper else fit_harm(n, min(k, n - 1), self.armed.tolerance, first.size, np.inf)
            )
        assert isinstance(first, CategoryBets)
        shares, n = self.after / self.after.sum(), float(self.after.sum()) / tau
        apart = 0.5 * float(np.abs(shares - first.shares).sum())
        noise = 0.5 * np.sqrt((len(shares) - 1) / n) + 0.5 * np.sqrt((len(shares) - 1) / first.n)
        return None if apart <= self.armed.tolerance + noise else CategoryBets(shares, n, self.armed.tolerance)

    # -- state --

    def memory(self) -> int:
        return 3000 + (0 if self.collector is None else self.collector.memory())

    def save(self) -> Any:
        return {
            "kind": self.kind,
            "state": self.state,
            "note": self.note,
            "numbers": np.array([getattr(self, name) for name in NUMBERS]),
            "collector": None if self.collector is None else self.collector.save(),
            "armed": None if self.armed is None else self.armed.save(),
            "bets": self._saved_bets(),
            "words": None if self.words is None else self.words.save(),
            "entrance": self.entrance.save(),
            "past": self.past.astype(np.uint8 if self.kind == "categories" else np.uint16),
            "after": self.after,
            "told": list(self.told),
        }

    def _saved_bets(self) -> Any:
        """Bets by the reference are saved with it: then only what they have seen since, nothing of harm."""
        if isinstance(self.bets, CategoryBets) and self.bets.shares is self.armed.bets.shares:
            return self.bets.save_recent()
        return None if self.bets is None or self.bets is self.armed.bets else self.bets.save()

    def load(self, saved: Any) -> None:
        if saved["kind"] != self.kind:
            raise ValueError(f"this is a series of {self.kind} and the saved one is of {saved['kind']}")
        self.state, self.note = saved["state"], saved["note"]
        for name, value in zip(NUMBERS, saved["numbers"].tolist(), strict=True):
            setattr(self, name, value)
        self.collector = None
        if saved["collector"] is not None:
            self.collector = self.tally()
            self.collector.load(saved["collector"])
        self.armed = None if saved["armed"] is None else load_staked(saved["armed"])
        self._load_bets(saved["bets"])
        self.words = None if saved["words"] is None else load_vocabulary(saved["words"])
        self.entrance.load(saved["entrance"])
        self.past, self.after = saved["past"].astype(np.int64), saved["after"]
        self.told = tuple(saved["told"])

    def _load_bets(self, saved: Any) -> None:
        self.bets = None if self.armed is None else _fresh(self.armed.bets)
        if isinstance(self.bets, CategoryBets) and len(saved) == 2:
            self.bets.resume(*saved)
        elif saved is not None:
            self.bets = load_bets(self.kind, saved)


def _fresh(bets: Bets) -> Bets:
    """The same bets without what they have seen since."""
    return CategoryBets(bets.shares, bets.n, bets.eps) if isinstance(bets, CategoryBets) else bets
