"""One series: collects its reference, is watched, latches, and sees on after a day by a provisional baseline."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from monitor.core.detectors.budget.armed_state import load_armed, save_armed
from monitor.core.detectors.budget.arming import FEWEST, Armed
from monitor.core.detectors.budget.collect import Collector
from monitor.core.detectors.budget.outliers import fresh
from monitor.core.detectors.budget.points import Blocks, Points, blocks_of
from monitor.core.detectors.budget.predictor import DAY, LAGS, slots
from monitor.core.events import Floats, Ints

COLLECTING, WATCHING, LATCHED, REFUSED, DISABLED = "collecting", "watching", "latched", "refused", "disabled"
HALF, FULL, AGAIN = 7 * DAY, 14 * DAY, 28 * DAY  # of a reference collected live; AGAIN: a refused one is looked at anew
FLAT = 0.05  # of its spread in the reference: what moves no more cannot be watched for further change
SURE = 20  # points since a page that say where a series is
DEARER = (10.0, 2.0)  # times the threshold of the shift and of the outlier arm after each page of late
NUMBERS = ("share", "since", "paged", "muted", "strain", "offset", "ratio", "quiet", "barred")
FADED, WORST = 9, 8.0  # weeks after which pages are forgotten; as many of late as count
MUTE = DAY  # one page a series and day
ARMED = 42_000  # bytes of what an armed series has at hand, measured: its state of 2 kB, and tables that follow from it
SECOND = 20_000  # and of a second view
LONGEST = 7 * DAY  # that the shift arm rests after one of many pages of late; a day after one alone
FURTHER = 3.0  # times the odds that have stood since a page: what the outlier arm reports next
FADES = 0.5 * float(np.log(10.0)) / DAY  # how fast those are forgotten: logs a second
CLEAR = float(np.log(FURTHER)) / FADES
RECENT = 24  # points at hand for the evidence

Halves = npt.NDArray[np.float16]  # levels in standard deviations of the reference: for people to read
FAR = 60_000.0
RARE = 10_000.0  # odds under which no point is an outlier, however few there are


@dataclass(frozen=True, slots=True)
class Looks:
    """What a series shows the pool of some points: cells, the outlier arm's odds, the time each point has waited.

    `worn`: how many times dearer a page of each arm is than at first.
    `levels` (in standard deviations around the mean of the reference) and `past` are levels and cells of these points
    and of up to `RECENT` before them.
    `slow` is what the shift arm is shown where that is longer blocks of these points, which have no cells then.
    """

    points: Points
    cells: Ints
    odds: Floats
    waited: Floats
    worn: tuple[Floats, Floats]
    levels: Halves
    past: Ints
    slow: Looks | None = field(default=None, kw_only=True)

    @property
    def bet_on(self) -> Looks:
        return self if self.slow is None else self.slow


class BudgetSeries:
    """`share` of the budget: half for a reference of a week, all of it for two weeks, in proportion between."""

    def __init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """Forget everything and collect."""
        self.state, self.note, self.share = COLLECTING, "", 1.0
        self.collector: Collector | None = Collector()
        self.armed: Armed | None = None
        self.blocks: Blocks | None = None
        self._longer: Blocks | None = None  # what the shift arm is shown, where that is not each point
        self._slow_since = np.nan  # `since` of those
        self.since = np.nan  # clock of the last point; NaN: the next one releases nothing
        self.paged = -np.inf  # clock of the last page of either arm
        self.muted = -np.inf  # clock up to which the outlier arm says nothing more
        self.strain = 0.0  # pages of late, a week ago by half, two weeks ago by a quarter
        self.offset, self.ratio = 0.0, 1.0  # the provisional baseline, in the outlier arm's unit
        self.quiet = -np.inf  # clock up to which the shift arm rests, where that is more than a day
        self.barred = -np.inf  # clock at which the odds that have stood since a page are forgotten
        self.spoiled = False  # a page has ended what was collected
        self._lags: Floats = np.zeros(LAGS)
        self._carried: Floats = fresh()
        self._values: Halves = np.empty(0, dtype=np.float16)  # level and cell of the last points
        self._cells: Ints = np.empty(0, dtype=np.int64)
        self._after = np.zeros(5)  # n, sums of rest, rest squared, score, score squared since half a day after a page

    # -- the reference --

    def due(self, rows: Ints, clock: Floats) -> int | None:
        """The row behind which the reference is complete, if it is one of `rows` (where the series has values)."""
        if self.collector is None or not len(rows):
            return None
        first = self.collector.first if not np.isnan(self.collector.first) else float(clock[rows[0]])
        wanted = {COLLECTING: HALF, WATCHING: FULL}.get(self.state, AGAIN)
        lacking = max(FEWEST - self.collector.seen, 1)
        hour = np.ceil((first + wanted) / 3600.0) * 3600.0
        ripe = np.flatnonzero(clock[rows] >= hour)
        if lacking > len(rows) or not len(ripe):
            return None
        return int(rows[max(lacking - 1, int(ripe[0]))])

    def arm(self, made: Armed | str, blocks: Blocks | None, complete: bool, now: float) -> None:
        """Take the outcome of arming. `complete`: the reference needs no more."""
        if isinstance(made, str):
            if self.state != WATCHING:
                self.state, self.note = REFUSED, made
            if complete:
                self.collector = None
            return
        self.state, self.note, self.armed = WATCHING, "", made
        self.share = min((made.last - made.first) / (0.99 * FULL), 1.0)
        self.blocks = None if blocks is None else Blocks(made.seen.raw, blocks.length, blocks.fewest)
        self._longer = None if made.longer is None else made.longer.blocks(made.seen.raw)
        if complete:
            self.collector = None
        self.since = self._slow_since = now
        self._lags, self._carried = np.zeros(LAGS), fresh()
        self._values, self._cells = np.empty(0, dtype=np.float16), np.empty(0, dtype=np.int64)
        self.offset, self.ratio, self.barred = 0.0, 1.0, -np.inf

    def remember(self, points: Points) -> None:
        """Points that came before: a series that is armed anew is not to take what comes next for its first values."""
        assert self.armed is not None
        _, self._carried = self._odds(points)
        slow = points if self._longer is None else self._longer.take(points)
        cells, self._lags = self.armed.seen.cells(slow, self._lags)
        self._values, self._cells = self._levels(slow)[-RECENT:], cells[-RECENT:]

    # -- watching --

    def take(self, given: Points) -> Looks | None:
        """Collect or look at points of single values, in order; None where there is nothing to bet on."""
        if self.collector is not None:
            self.collector.add(given)
        armed = self.armed
        if armed is None or self.state == DISABLED:
            return None
        given = self._corrected(given)
        points = given if self.blocks is None else self.blocks.take(given)
        if not points.n:
            return None
        if np.isnan(self.since):
            self._slow_since = np.nan
        waited, self.since = _waited(points, self.since)
        odds, self._carried = self._odds(points)
        slow = points if self._longer is None else self._longer.take(points)
        if self.state == LATCHED:
            self._look_after(slow if armed.outliers is None else points)
        odds, worn = self._further(points.clock, odds), self.worn(points.clock)
        if self._longer is None:
            return Looks(points, *self._shown_of(armed, points, odds, waited, worn))
        spent, self._slow_since = _waited(slow, self._slow_since)
        shown = Looks(slow, *self._shown_of(armed, slow, np.zeros(slow.n), spent, self.worn(slow.clock)))
        none = np.empty(0, dtype=np.int64)
        return Looks(points, none, odds, waited, worn, self._levels(points), none, slow=shown)

    def _shown_of(self, armed: Armed, points: Points, odds: Floats, waited: Floats, worn: tuple[Floats, Floats]) -> Any:
        """What is shown of points that are bet on, behind the points themselves."""
        cells, self._lags = armed.seen.cells(points, self._lags)
        levels = np.concatenate([self._values, self._levels(points)])
        past = np.concatenate([self._cells, cells])
        self._values, self._cells = levels[-RECENT:], past[-RECENT:]
        return cells, odds, waited, worn, levels, past

    def _levels(self, points: Points) -> Halves:
        armed = self.armed
        assert armed is not None
        level = points.value if armed.outliers is None else armed.outliers.level(points)
        with np.errstate(over="ignore", invalid="ignore"):
            far = np.nan_to_num((level - armed.mean) / (armed.sd or 1.0)).clip(-FAR, FAR)
        return far.astype(np.float16)

    def _further(self, clock: Floats, odds: Floats) -> Floats:
        """The odds of what is beyond what has stood since a page; 0 for what is not, and in the day after the page.

        What is still as unusual half a day after a page is a state, and the same state is not reported again.
        """
        out = np.where(clock < self.muted, 0.0, odds)
        for k in np.flatnonzero(odds >= RARE).tolist():
            at, forgotten = float(clock[k]), float(clock[k]) + float(np.log(odds[k] / RARE)) / FADES
            stands = self.muted - MUTE / 2 <= at < self.muted
            if at <= self.barred and forgotten < self.barred + CLEAR:
                out[k] = 0.0
            if stands or at <= self.barred:
                self.barred = max(self.barred, forgotten)
        return out

    def before(self, looks: Looks | None, row: int, clock: float) -> Looks | None:
        """What there is to show of the points before `row`, where none of these `looks` has come by then; None if
        nothing is, or the series is not watched now."""
        if looks is not None:
            n = len(looks.past) - looks.points.n
            past, levels = looks.past[:n], looks.levels[:n]
        elif self.state == WATCHING and not np.isnan(self.since):
            past, levels = self._shown()
        else:
            return None
        nothing = np.full(1, np.nan)
        point = Points(np.array([row]), np.array([clock]), np.array([clock]), nothing, nothing)
        none = np.empty(0, dtype=np.int64)
        return Looks(point, none, nothing, nothing, (nothing, nothing), levels, past) if len(past) else None

    def _shown(self) -> tuple[Ints, Halves]:
        """The last cells, and their levels."""
        return self._cells, self._values

    def _odds(self, points: Points) -> tuple[Floats, Floats]:
        outliers = self.armed.outliers if self.armed is not None else None
        return (np.zeros(points.n), self._carried) if outliers is None else outliers.odds(points, self._carried)

    def worn(self, clock: Floats, page: float | None = None) -> tuple[Floats, Floats]:
        """How many times dearer a page is than at first: a reference that was left behind vouches for less.

        `page`: as if the series had paged at that time.
        """
        strain, paged = (self.strain, self.paged) if page is None else (self._strained(page), page)
        weeks = np.minimum(np.maximum((clock - paged) / HALF, 0.0), FADED).astype(np.int64)
        strains = [strain * 0.5**k for k in range(FADED + 1)]
        shift, outlier = (np.array([dearer**strain for strain in strains])[weeks] for dearer in DEARER)
        return shift, outlier

    def _strained(self, page: float) -> float:
        weeks = int(min(max((page - self.paged) / HALF, 0.0), FADED))
        return float(min(self.strain * 0.5**weeks + 1.0, WORST))

    def _page(self, clock: float) -> None:
        self.strain, self.paged, self.muted = self._strained(clock), clock, clock + MUTE
        self.barred = -np.inf

    def latch(self, clock: float) -> None:
        """The shift arm has paged: nothing more of it for a day. What is still collected is no reference any more."""
        self.spoiled = self.spoiled or self.collector is not None
        self.collector = None
        self._page(clock)
        self.quiet = clock + min(MUTE * 2.0 ** (self.strain - 1.0), LONGEST)
        self.state, self._after = LATCHED, np.zeros(5)

    def mute(self, clock: float) -> None:
        """The outlier arm has paged: one page a day."""
        self._page(clock)

    def rearm(self) -> None:
        """Watch again by the reference there was. What has stood since the page is not reported again as it is.

        A page before the reference was complete has spoiled what was collected: that begins anew.
        """
        self.muted = -np.inf
        if self.state == DISABLED and self.armed is None:
            self.restart()
        elif self.state in (LATCHED, DISABLED):
            self.state, self.since, self.note = WATCHING, np.nan, ""
            self._settle()
            if self.spoiled:
                self.collector, self.spoiled = Collector(), False

    def doubt(self) -> None:
        """Its pages have reached nobody: watch by the reference itself again, so that what is still so pages again."""
        was = self.state
        moved = (self.offset, self.ratio) != (0.0, 1.0)
        if was in (LATCHED, DISABLED):
            self.rearm()
        if self.state == WATCHING and (moved or was != WATCHING):
            self.since, self.note = np.nan, ""
            self.offset, self.ratio = 0.0, 1.0
            self._lags, self._carried = np.zeros(LAGS), fresh()
        self.muted, self.strain, self.barred = -np.inf, 0.0, -np.inf

    def disable(self, why: str) -> None:
        self.state, self.note, self.collector = DISABLED, why, None

    # -- after a page --

    def wakes(self) -> float:
        """The clock from which a latched series is to be watched on; infinite if it is not latched."""
        return max(self.paged + MUTE, self.quiet) if self.state == LATCHED else np.inf

    def wake(self, clock: float) -> None:
        """A day after a page: if things are as before, by the reference; if not, by where they are now."""
        assert self.armed is not None
        outliers, n = self.armed.outliers, self._after[0]
        if n < SURE or self._moved()[1] < FLAT or (outliers is None and not self._returned()):
            self.paged, self._after = clock - MUTE / 2, np.zeros(5)  # look again in half a day
            return
        self.state, self.since, self.note = WATCHING, np.nan, ""
        self._settle()

    def _settle(self) -> None:
        """Go on from where the series has been since the page, if that is known, and is not the reference."""
        assert self.armed is not None
        outliers, n = self.armed.outliers, self._after[0]
        offset, ratio = self._moved() if n >= SURE else (0.0, 1.0)
        near = abs(offset) < max(0.3, 3 * self.armed.wander) and 0.6 < ratio < 1.6
        unit = 0.0 if outliers is None else self.armed.sd / outliers.width
        self.offset, self.ratio = (0.0, 1.0) if near else (offset * unit, ratio if self.blocks is None else 1.0)
        if not near:
            self.note = "watches for further change from where it has been since the page; the reference is unchanged"
        self._lags, self._carried = np.zeros(LAGS), fresh()

    def _moved(self) -> tuple[float, float]:
        """How far the level is from the reference in its standard deviations, and how many times as wide."""
        assert self.armed is not None
        n, rest, rest2, score, score2 = self._after.tolist()
        outliers = self.armed.outliers
        if outliers is None:
            return score / n, float(np.sqrt(max(score2 / n - (score / n) ** 2, 0.0)))
        unit = self.armed.sd / outliers.width
        mean = self.offset + self.ratio * (rest / n)
        wide = self.ratio * float(np.sqrt(max(rest2 / n - (rest / n) ** 2, 0.0)))
        return (mean / unit, wide / unit) if unit > 0 else (0.0, 1.0)

    def _returned(self) -> bool:
        """Whether the second half day after a page looks like the reference, for a series that cannot be moved."""
        offset, ratio = self._moved()
        assert self.armed is not None
        return abs(offset) < max(0.3, 3 * self.armed.wander) and 0.6 < ratio < 1.6

    def _look_after(self, points: Points) -> None:
        armed = self.armed
        late = points.take(np.flatnonzero(points.clock >= (self.paged + self.wakes()) / 2))
        if armed is None or not late.n:
            return
        rest = score = np.zeros(late.n)
        if armed.outliers is not None:
            rest = armed.outliers.rest(late)
        else:
            score = armed.seen.scores(late) - armed.seen.predictor.expected(slots(late.at))
        for values in np.column_stack([np.ones(late.n), rest, rest * rest, score, score * score]):
            self._after = self._after + values  # one after another: cuts change no bit

    def _corrected(self, points: Points) -> Points:
        """Points as they would be without the provisional baseline's offset."""
        outliers = self.armed.outliers if self.armed is not None else None
        if outliers is None or (self.offset == 0.0 and self.ratio == 1.0):
            return points
        rest = outliers.rest(points)
        season = outliers.predictor.expected(slots(points.at))
        value = outliers.centre + outliers.width * (season + (rest - self.offset) / self.ratio)
        return Points(points.rows, points.clock, points.at, value, points.score)

    # -- state --

    def memory(self) -> int:
        views = 0 if self.armed is None else ARMED + SECOND * (self._views - 1)
        return 2500 + views + (0 if self.collector is None else self.collector.memory())

    def save(self) -> Any:
        return {
            "state": self.state,
            "note": self.note,
            "numbers": np.concatenate(
                [
                    [getattr(self, name) for name in NUMBERS],
                    *(self._lags[:LAGS], self._carried, self._after, self._lags[LAGS:]),
                ]
            ),
            "collector": (False if self.spoiled else None) if self.collector is None else self.collector.save(),
            "armed": None if self.armed is None else save_armed(self.armed),
            "blocks": None if self.blocks is None else self.blocks.head(),
            "recent": np.concatenate([self._codes().view(np.uint8), self._values.view(np.uint8)]),
            **({} if self._longer is None else {"longer": [self._slow_since, *self._longer.head()]}),
        }

    def _codes(self) -> npt.NDArray[np.unsignedinteger[Any]]:
        """In as few bytes as hold one: two where there are two views."""
        return self._cells.astype(np.uint16 if self._views == 2 else np.uint8)

    @property
    def _views(self) -> int:
        return 1 if self.armed is None or self.armed.seen.width is None else 2

    def load(self, saved: Any) -> None:
        self.state, self.note = saved["state"], saved["note"]
        numbers, *kept = np.split(saved["numbers"], np.cumsum([len(NUMBERS), LAGS, LAGS + 2, len(self._after)]))
        for name, value in zip(NUMBERS, numbers.tolist(), strict=True):
            setattr(self, name, value)
        lags, self._carried, self._after, more = kept
        self._lags = np.concatenate([lags, more])
        self.collector = None
        self.spoiled = saved["collector"] is False
        if saved["collector"]:
            self.collector = Collector()
            self.collector.load(saved["collector"])
        self.armed = None if saved["armed"] is None else load_armed(saved["armed"])
        self.blocks = None
        if self.armed is not None and saved["blocks"] is not None:
            self.blocks = blocks_of(self.armed.seen.raw, saved["blocks"])
        self._longer, self._slow_since = None, np.nan
        if self.armed is not None and "longer" in saved:
            self._slow_since, *head = saved["longer"]
            self._longer = blocks_of(self.armed.seen.raw, head)
        recent = saved["recent"]
        n = len(recent) // (self._views + 2) * self._views  # bytes of codes; two more for each level
        codes = recent[:n].copy().view(np.uint16 if self._views == 2 else np.uint8)
        self._cells, self._values = codes.astype(np.int64), recent[n:].copy().view(np.float16)


def _waited(points: Points, since: float) -> tuple[Floats, float]:
    """How long each point was awaited, nothing for the first one if `since` is NaN; and the clock of the last one."""
    if not points.n:
        return np.empty(0), since
    waited = np.diff(points.clock, prepend=float(points.clock[0]) if np.isnan(since) else since)
    return np.maximum(waited, 0.0), float(points.clock[-1])
