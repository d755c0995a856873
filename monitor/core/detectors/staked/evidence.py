"""Pages of harm and of categories as findings: what rose, from what to what, since when, and how sure."""

from __future__ import annotations

import numpy as np

from monitor.core.detectors.budget.pool import Hit
from monitor.core.detectors.budget.shares import PERIOD
from monitor.core.detectors.budget.words import shift_sentence
from monitor.core.detectors.report import clean, finding, in_segment
from monitor.core.detectors.staked.category_bets import CategoryBets
from monitor.core.detectors.staked.fitting import Staked
from monitor.core.detectors.staked.harm_bets import HarmBets, rate_interval
from monitor.core.detectors.staked.series import RECENT, StakedSeries
from monitor.core.events import Batch, Ints
from monitor.core.findings import Evidence, Finding
from monitor.core.rules.model import Rule

OTHERS = "any other value"


def staked_finding(rule: Rule, batch: Batch, hit: Hit, clock: float) -> Finding:
    """The share since the change against the reference's, with a 95 % interval of the difference."""
    series, looks = hit.series, hit.looks
    assert isinstance(series, StakedSeries)
    stop = max(len(looks.past) - looks.points.n + hit.place + 1, 1)
    codes = looks.past[max(stop - RECENT, 0) : stop]
    n, k, usual, name = _harm(series, codes) if series.kind == "harm" else _category(series, codes)
    low, high = rate_interval(k, n)
    points = n / series.armed.every if series.kind == "harm" else n
    since = float(looks.points.clock[max(hit.place, 0)]) - (points - 1) * PERIOD / max(series.armed.rate, 1e-9)
    _, segment, column = hit.key
    where = f"{clean(column)}{in_segment(segment)}"
    told = f"{where} holds for" if series.kind == "harm" else f"{where} is {name} in"
    what = f"{told} {k / n:.1%} where the reference had {usual:.1%}"
    detail = shift_sentence(what, n, since, hit.strength)
    evidence = Evidence(
        column=column,
        segment=segment,
        statistic="harm: e-detector" if series.kind == "harm" else "categories: e-detector",
        value=k / n,
        expected=usual,
        effect=k / n - usual,
        interval=(low - usual, high - usual),
        n=n,
        at=clock,
        detail=detail,
    )
    return finding(rule, batch, hit.row, evidence)


def news_finding(
    rule: Rule, batch: Batch, row: int, where: tuple[str, str], news: tuple[str, int, float, bool]
) -> Finding:
    """A value the reference never had. `where` (column, segment), `news` (value, size of the reference, clock, whether
    it is the last that is told on its day)."""
    (column, segment), (name, n, clock, last) = where, news
    detail = (
        f"{clean(column)}{in_segment(segment)} is '{clean(name)}', for the third time, which none of the {n:,} values "
        "of its reference was."
    )
    if last:
        detail += " Further new values of this day are not told one by one."
    return finding(rule, batch, row, Evidence(column, segment, "new value", None, None, None, None, 3, clock, detail))


def _harm(series: StakedSeries, codes: Ints) -> tuple[int, float, float, str]:
    """How many answers since the change, how many of them bad, the usual rate."""
    assert isinstance(series.bets, HarmBets)
    gains = np.cumsum(np.log(series.bets.ratios(codes))[::-1], axis=0)
    groups = int(np.unravel_index(int(np.argmax(gains)), gains.shape)[0]) + 1
    return groups * series.armed.every, float(codes[-groups:].sum()), _usual(series.armed), ""


def _category(series: StakedSeries, codes: Ints) -> tuple[int, float, float, str]:
    """The category whose own bet gained most: values since, how many were it, its usual share, its name."""
    assert isinstance(series.bets, CategoryBets)
    assert series.words is not None
    gains = np.cumsum(np.log(series.bets.alone(codes))[::-1], axis=0)
    back, code = (int(i) for i in np.unravel_index(int(np.argmax(gains)), gains.shape))
    own = series.words.own
    name = f"'{clean(own[code])}'" if code < len(own) else OTHERS
    k = float((codes[len(codes) - back - 1 :] == code).sum())
    return back + 1, k, float(series.armed.bets.shares[code]), name


def _usual(armed: Staked) -> float:
    assert isinstance(armed.bets, HarmBets)
    return armed.bets.usual
