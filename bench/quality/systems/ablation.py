"""What each part of the detector of slow changes is worth: it is put together of the product's own pieces, one more a
step. Every step has the whole budget of one page a week; none has the arm for what is sudden, which the product has.

1. raw: values, standardised by the reference; the likelihood ratios of the eight bets; a page when the best mixture of
   a series has grown by as much as a week has values (a CUSUM of them).
2. pre-whitening: the same on what the product's predictor leaves.
3. cells: the ratios come from the product's table over cells of the reference, with its trust, at tolerance 0.
4. recursion: accruals and masses in place of the CUSUM; each series on a budget of its own.
5. pooling: all series share one budget.
6. tolerance: the default one.
7. arming: a threshold as high as the reference asks for, and refusals.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from bench.quality.score import Alarm, Outcome
from bench.quality.stream import DAY, WEEK, Setting
from bench.quality.systems.base import NumberColumns
from monitor.core.detectors.budget.arming import FEWEST, SILENT, Armed, Reference, Terms, arm
from monitor.core.detectors.budget.bets import BETS, WEIGHTS
from monitor.core.detectors.budget.points import Points, single
from monitor.core.detectors.budget.predictor import LAGS, choose, slots
from monitor.core.detectors.budget.recursion import Cube, Recursion
from monitor.core.detectors.budget.seen import Seen, fit_seen
from monitor.core.detectors.budget.shares import CAP, shares
from monitor.core.events import Batch, Floats, Ints

STEPS = ("raw", "+ pre-whitening", "+ cells", "+ recursion", "+ pooling", "+ tolerance", "+ arming")
TOLERANCE, SPREAD = 0.05, 0.10  # the product's for inputs
QUIET = DAY  # after a page nothing is bet for so long; then everything begins anew


@dataclass(frozen=True, slots=True)
class Ablation:
    """The first `step` + 1 of `STEPS`."""

    step: int

    @property
    def name(self) -> str:
        return f"overloop: {STEPS[self.step]}"

    def start(self, setting: Setting) -> AblationRun:
        return AblationRun(self.step, setting.reference_until)


@dataclass(slots=True)
class AblationRun:
    step: int
    until: float
    columns: NumberColumns = field(default_factory=NumberColumns)
    at: list[Floats] = field(default_factory=list)
    found: dict[str, list[tuple[Ints, Floats]]] = field(default_factory=dict)
    model: str = ""

    def feed(self, batch: Batch) -> None:
        self.model, first = batch.model, int(batch.offsets[0])
        self.at.append(batch.recorded_at)
        for path, values, rows in self.columns.series(batch):
            self.found.setdefault(path, []).append((rows + first, values))

    def finish(self) -> Outcome:
        at = np.concatenate(self.at)
        series = [_points(at, parts) for parts in self.found.values()]
        references = [points.take(np.flatnonzero(points.at < self.until)) for points in series]
        if not series or min(points.n for points in references) < FEWEST:
            return Outcome(refused="the reference is too short")
        views = _views(self.step, references)
        if not any(view.watched for view in views):
            return Outcome(refused="its own reference would have paged too often")
        table, cells = _matrix(views, series, len(at))
        first = int(np.searchsorted(at, self.until))
        if self.step < STEPS.index("+ recursion"):
            pages = _cusum(table, cells, at, first, np.array([view.rate for view in views]))
        else:
            pages = _recursion(table, cells, at, first, _released(views, self.step >= STEPS.index("+ pooling")))
        return Outcome([Alarm(float(at[row]), row, self.model) for row in pages])


def _points(at: Floats, parts: Sequence[tuple[Ints, Floats]]) -> Points:
    rows = np.concatenate([rows for rows, _ in parts])
    return single(rows, at[rows], at[rows], np.concatenate([values for _, values in parts]))


@dataclass(frozen=True, slots=True)
class View:
    """How a series is seen: by `seen`, or without cells by a `centre`, a `width` and perhaps a predictor."""

    rate: float
    height: float
    seen: Seen | None = None
    plain: Plain | None = None

    @property
    def watched(self) -> bool:
        return self.height < SILENT

    def ratios(self, points: Points) -> Floats:
        """The likelihood ratio of each bet (columns) at each point."""
        if self.plain is not None:
            return self.plain.ratios(points)
        assert self.seen is not None
        cells, _ = self.seen.cells(points, np.zeros(LAGS))
        return np.asarray(self.seen.table[cells])


@dataclass(frozen=True, slots=True)
class Plain:
    """Standard scores of a reference, with season and past taken off or not."""

    reference: Points
    whitened: bool

    def ratios(self, points: Points) -> Floats:
        known = self.reference.value
        centre, width = float(known.mean()), float(known.std()) or 1.0
        scores, learned = (points.value - centre) / width, (known - centre) / width
        if self.whitened:
            made = choose(learned, self.reference.at)
            scores, learned = (
                made.innovations(z - made.expected(slots(p.at)), np.zeros(LAGS))[0]
                for z, p in ((scores, points), (learned, self.reference))
            )
            scores = scores / (float(learned.std()) or 1.0)
        return np.column_stack([_gain(scores, bet.mu, bet.s, bet.share) for bet in BETS])


def _gain(z: Floats, mu: float, s: float, share: float) -> Floats:
    """The density of a share at N(mu, s^2) and the rest at N(0, 1), over that of N(0, 1)."""
    with np.errstate(over="ignore"):
        return np.asarray(1 - share + share / s * np.exp(np.minimum((z * z - ((z - mu) / s) ** 2) / 2, 500.0)))


def _views(step: int, references: list[Points]) -> list[View]:
    made = [Reference(str(i), points, None) for i, points in enumerate(references)]
    if step < STEPS.index("+ cells"):
        return [View(r.rate, 1.0, plain=Plain(r.points, step > 0)) for r in made]
    tolerance, spread = (TOLERANCE, SPREAD) if step >= STEPS.index("+ tolerance") else (0.0, 0.0)
    if step < STEPS.index("+ arming"):
        return [View(r.rate, 1.0, seen=fit_seen(r.points, None, tolerance, spread)) for r in made]
    armed = arm(made, Terms(1.0, tolerance, spread, ("ablation",), longer=False))
    return [_armed(reference, found) for reference, found in zip(made, armed, strict=True)]


def _armed(reference: Reference, found: Armed | str) -> View:
    if isinstance(found, Armed):
        return View(found.rate, found.height, seen=found.seen)
    return View(reference.rate, SILENT, seen=fit_seen(reference.points, None, TOLERANCE, SPREAD))


def _matrix(views: list[View], series: list[Points], rows: int) -> tuple[Cube, Ints]:
    """The ratios of all points as rows of one table, whose last says that there is no value; and for each event and
    series its row of the table."""
    ratios = [view.ratios(points) for view, points in zip(views, series, strict=True)]
    offsets = np.cumsum([0, *(len(r) for r in ratios)])
    cells = np.full((rows, len(series)), offsets[-1], dtype=np.int64)
    for i, (view, points) in enumerate(zip(views, series, strict=True)):
        if view.watched:
            cells[points.rows, i] = offsets[i] + np.arange(points.n)
    return np.concatenate([*ratios, np.ones((1, len(WEIGHTS)))]), cells


def _cusum(table: Cube, cells: Ints, at: Floats, first: int, rates: Floats) -> list[int]:
    pages: list[int] = []
    grown, quiet = np.ones((len(rates), len(WEIGHTS))), -np.inf
    for row in range(first, len(at)):
        if at[row] < quiet:
            continue
        grown = np.minimum(np.maximum(grown, 1.0) * table[cells[row]], 1e250)
        if (grown @ WEIGHTS >= rates).any():
            pages.append(row)
            grown, quiet = np.ones_like(grown), float(at[row]) + QUIET
    return pages


def _released(views: list[View], pooled: bool) -> Floats:
    """Of a period's budget, by series: what a second releases, and what one value does at most."""
    rates = np.array([view.rate for view in views])
    share = shares(rates) if pooled else np.minimum(np.ones(len(rates)), rates * CAP)
    heights = np.array([view.height for view in views])
    return np.array([share / WEEK / heights, np.full(len(rates), CAP) / heights])


def _recursion(table: Cube, cells: Ints, at: Floats, first: int, released: Floats) -> list[int]:
    waited = np.diff(at, prepend=at[0])[:, None]
    due = np.where(cells == len(table) - 1, 0.0, np.minimum(waited * released[0], released[1]))
    pages: list[int] = []
    recursion = Recursion(WEIGHTS)
    row = first
    while row < len(at):
        recursion.resize(0, np.empty(0, dtype=np.int64))
        recursion.resize(cells.shape[1], np.full(cells.shape[1], -1))
        page = recursion.run(table, cells[row:], due[row:], 1.0)
        if page is None:
            return pages
        pages.append(row + page.row)
        row = int(np.searchsorted(at, at[pages[-1]] + QUIET))
    return pages
