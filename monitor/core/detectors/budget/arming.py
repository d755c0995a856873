"""From what was collected to what is watched, or to a refusal in a sentence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from monitor.core.detectors.budget.bets import WEIGHTS
from monitor.core.detectors.budget.crossed import Sample, asked
from monitor.core.detectors.budget.longer import Longer, merged
from monitor.core.detectors.budget.outliers import HUGE, Outliers, fit_outliers
from monitor.core.detectors.budget.points import Blocks, Points
from monitor.core.detectors.budget.predictor import autocorrelation_time
from monitor.core.detectors.budget.recursion import Cube
from monitor.core.detectors.budget.replay import HEIGHTS, PERIODS, Drawn, generator, height, resample
from monitor.core.detectors.budget.seen import Seen, fit_seen, with_linear_bets
from monitor.core.detectors.budget.shares import CAP, PERIOD, shares
from monitor.core.detectors.budget.width import renumbered
from monitor.core.events import Floats, Ints

FEWEST = 100  # points of a reference
FITTED = 0.6  # of the reference, when the rest is to say what the fit is worth
HALF_DAY = 43200.0
POOLED = 16_384  # rows up to which the series of a rule are replayed together
NOTHING = (0.0, 0.0, 1.0, 1.0)
SILENT = 1e300  # the height of a threshold that nothing reaches
STEADIER = 2.0  # times the threshold that bets on spread may ask for
UNEVEN = "a change of spread is not looked for, because its spread comes and goes in the reference"
LINEAR = "bets grow linearly, because its dependence is too much for the others"
TOGETHER = (
    "The columns of this rule would page too often together at thirty times the threshold: only what is sudden is found"
)
TOO_EQUAL = "So many of its values are equal that none stands out"
TOO_DEPENDENT = (
    "Its own reference would have paged too often at thirty times the threshold, so a slow change cannot be told from "
    "its ordinary course"
)


@dataclass(frozen=True, slots=True)
class Terms:
    """What a rule asks of its series. `budget` is in pages a period and belongs to this arm; 0: there is none."""

    budget: float
    tolerance: float
    spread: float
    seed: tuple[str, ...]
    up: bool = False  # bet on rises only
    longer: bool = True  # where it asks for that, slow changes are looked for in longer blocks


@dataclass(frozen=True, slots=True)
class Reference:
    """What one series has to show: its points, and the cells its blocks were scored by."""

    name: str
    points: Points
    blocks: Blocks | None

    @property
    def rate(self) -> float:
        """Points a period."""
        span = float(self.points.clock[-1] - self.points.clock[0]) if self.points.n > 1 else 0.0
        return (self.points.n - 1) * PERIOD / span if span > 0 else 0.0


@dataclass(frozen=True, slots=True)
class Armed:
    """A series that can be watched: its views, its points a period, how high its threshold has to be, and why so."""

    seen: Seen
    outliers: Outliers | None
    rate: float
    height: float
    n: int
    first: float
    last: float
    mean: float  # of the level: of values less their season
    sd: float
    tau: float  # autocorrelation time of the level
    wander: float  # standard deviation of its means over half a day, in its own
    why: str
    longer: Longer | None = None  # what `seen` is a view of; None: the points themselves

    @property
    def ranked(self) -> bool:
        """Whether its points are blocks of values."""
        return self.seen.blocks if self.longer is None else self.longer.ranked

    @property
    def size(self) -> int:
        """How many of what the shift arm sees its reference holds."""
        return self.n if self.longer is None else self.longer.n

    @property
    def pace(self) -> float:
        """What the shift arm sees, a period."""
        return self.rate if self.longer is None else self.longer.rate


def arm(references: list[Reference], terms: Terms) -> list[Armed | str]:
    """For each reference what is watched, or why nothing is: a whole sentence."""
    both = [arm_one(reference, terms) for reference in references]
    stage = together(both, terms)
    more = 1.0 if stage is None else height(*stage)
    return [lifted(made, later, more) for made, later in both]


def arm_one(reference: Reference, terms: Terms) -> tuple[Armed | str, Later | None]:
    """One of them by itself, and what the others need to know of it (`together`)."""
    points = reference.points
    if points.n < FEWEST:
        unit = "blocks of five minutes" if reference.blocks is not None else "values"
        return f"The reference holds {points.n} {unit}; at least {FEWEST} are needed.", None
    raw = None if reference.blocks is None else reference.blocks.cells
    seen = fit_seen(points, raw, terms.tolerance, terms.spread)
    seen = replace(seen, up=terms.up, width=None if terms.up else seen.width)
    if (seen.raw if seen.inner is None else seen.inner).constant:
        return "The reference holds one value only, or nearly so; there is no spread to judge a change by.", None
    outliers = fit_outliers(points)
    if terms.budget <= 0 and outliers is None:
        return f"{TOO_EQUAL}.", None
    view = _view(reference, seen, terms)
    if view.height is None and outliers is None:
        return f"{TOO_DEPENDENT}, and {TOO_EQUAL[0].lower()}{TOO_EQUAL[1:]}.", None
    level = points.value[np.abs(points.value) < HUGE] if outliers is None else outliers.level(points)
    tau = autocorrelation_time(level, seen.predictor.past)
    ends = (float(points.clock[0]), float(points.clock[-1]))
    moments = (float(level.mean()), float(level.std()), tau, _wander(level, reference.rate)) if len(level) else NOTHING
    height = SILENT if view.height is None else view.height
    made = Armed(view.seen, outliers, reference.rate, height, points.n, *ends, *moments, view.why, view.longer)
    return made, view.later


def _wander(level: Floats, rate: float) -> float:
    size = max(int(rate * HALF_DAY / PERIOD), 1)
    halves = len(level) // size
    sd = float(level.std())
    if halves < 3 or sd <= 0:
        return 1.0
    return float(level[: halves * size].reshape(halves, size).mean(axis=1).std()) / sd


class View(NamedTuple):
    """What the shift arm sees of a series, and how high its threshold has to be; None: nothing is high enough."""

    seen: Seen
    later: Later | None
    height: float | None
    why: str = ""
    longer: Longer | None = None


def _view(reference: Reference, seen: Seen, terms: Terms) -> View:
    """The first of: its points, longer blocks of them, bets that grow linearly, that its own reference lets pass."""
    if terms.budget <= 0:
        return View(seen, None, None)
    found = _steady(reference, seen, terms)
    if found.height is not None:
        return found
    slower = _slower(reference, seen, terms) if terms.longer else None
    if slower is not None:
        return slower
    linear = with_linear_bets(seen)
    later, height = _tried(reference, linear, terms)
    if height is not None:
        return View(linear, later, height, LINEAR)
    return View(seen, None, None, f"{TOO_DEPENDENT}: only what is sudden is found")


def _slower(reference: Reference, seen: Seen, terms: Terms) -> View | None:
    """The same in longer blocks; None where none are long enough."""
    for length, points in merged(reference.points, seen.raw):
        longer = Reference(reference.name, points, Blocks(seen.raw))
        view = fit_seen(points, seen.raw, terms.tolerance, terms.spread)
        view = replace(view, up=terms.up, width=None if terms.up else view.width)
        if view.inner is None or view.inner.constant:
            continue
        found = _steady(longer, view, terms)
        if found.height is not None:
            blocks = Longer(length, longer.rate, points.n, reference.blocks is not None)
            return found._replace(longer=blocks)
    return None


def _steady(reference: Reference, seen: Seen, terms: Terms) -> View:
    """The bets, with or without those on spread, that its own reference lets pass."""
    later, found = _tried(reference, seen, terms)
    if seen.width is not None and (found is None or found >= STEADIER):
        less = replace(seen, width=None)
        other, lower = _tried(reference, less, terms)
        if lower is not None and (found is None or found >= STEADIER * lower):
            return View(less, other, lower, UNEVEN)
    return View(seen, later, found)


def _tried(reference: Reference, seen: Seen, terms: Terms) -> tuple[Later, float | None]:
    """How high the threshold has to be under this view; None: no height is enough."""
    later = _later(reference, seen, terms)
    found = _height([later], [reference.rate], np.ones(1), terms)
    return later, None if found is None else _in_order(reference, seen, found, terms)


def _in_order(reference: Reference, seen: Seen, found: float, terms: Terms) -> float | None:
    """At least `found`, and as high as the reference asks for in the order it came; None beyond the last height."""
    due = _released(np.array([reference.rate]))
    more = asked(_sample(reference, seen, terms), float(due[0]), terms.budget)
    return max(found, more) if more <= HEIGHTS[-1] else None


def _released(rates: Floats) -> Floats:
    """What a value of each series releases of a period's budget."""
    return np.minimum(shares(rates) / np.maximum(rates, 1.0), CAP)


@dataclass(frozen=True, slots=True)
class Later:
    """Codes of the last part of a reference under a view fitted on the first."""

    clock: Floats
    cells: Ints
    table: Cube


def _sample(reference: Reference, seen: Seen, terms: Terms) -> Sample:
    raw = None if reference.blocks is None else reference.blocks.cells
    return Sample(reference.points, raw, seen, terms.tolerance, terms.spread)


def _later(reference: Reference, seen: Seen, terms: Terms) -> Later:
    cut = int(reference.points.n * FITTED)
    cells, table = _sample(reference, seen, terms).part(slice(0, cut), slice(cut, reference.points.n))
    return Later(reference.points.clock[cut:], cells, table)


class Stage(NamedTuple):
    """What `replay.height` tries series on: arguments in its order."""

    table: Cube
    cells: Drawn
    due: Floats
    weights: Floats
    threshold: float
    allowed: float


def _height(later: list[Later], rates: list[float], heights: Floats, terms: Terms) -> float | None:
    """How high the threshold of these series together has to be, above their own `heights`."""
    return height(*_stage(later, rates, heights, terms))


def _stage(later: list[Later], rates: list[float], heights: Floats, terms: Terms) -> Stage:
    matrix, table = _aligned(later)
    span = max(float(max(x.clock[-1] for x in later) - min(x.clock[0] for x in later)), 1.0)
    rate = len(matrix) * PERIOD / span
    length = int(min(max(rate, 64), 8192))
    periods = length / max(rate, 1.0) * PERIODS
    rng = generator(terms.seed)
    rows = resample(len(matrix), length, rate * HALF_DAY / PERIOD, rng)
    alone = _released(np.array(rates)) / heights
    return Stage(table, Drawn(matrix, rows), alone, WEIGHTS, 1.0 / terms.budget, max(terms.budget * periods, 1.0))


def _aligned(later: list[Later]) -> tuple[Ints, Cube]:
    """Cells of all series row by row, as rows of one table whose last one means no value."""
    each = [renumbered(x.table, x.cells) for x in later]
    offsets = np.cumsum([0, *(len(rows) for rows, _ in each)])
    table = np.concatenate([*(rows for rows, _ in each), np.ones((1, len(WEIGHTS)))])
    if len(later) == 1:
        return each[0][1][:, None], table
    clock = np.unique(np.concatenate([x.clock for x in later]))
    matrix = np.full((len(clock), len(later)), len(table) - 1, dtype=np.int64)
    for i, (x, (_, cells)) in enumerate(zip(later, each, strict=True)):
        matrix[clock.searchsorted(x.clock), i] = cells + offsets[i]
    return matrix, table


def together(both: Sequence[tuple[Armed | str, Later | None]], terms: Terms) -> Stage | None:
    """Series that may page too often together, though none does alone; None where there are no two that are watched, or
    too many rows to replay."""
    found = [(made, later) for made, later in both if isinstance(made, Armed) and later is not None]
    if len(found) < 2 or len(np.unique(np.concatenate([later.clock for _, later in found]))) > POOLED:
        return None
    own = np.array([made.height for made, _ in found])
    return _stage([later for _, later in found], [made.pace for made, _ in found], own, terms)


def lifted(made: Armed | str, later: Later | None, more: float | None) -> Armed | str:
    """A series whose threshold is raised by what it took together with others; None: no height was enough."""
    if isinstance(made, str) or later is None or more == 1.0:
        return made
    if more is None:
        return replace(made, height=SILENT, why=TOGETHER)
    return replace(made, height=made.height * more)
