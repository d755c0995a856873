"""From what was collected to what is bet on, or to a refusal in a sentence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from monitor.core.detectors.budget.arming import FEWEST, FITTED, HALF_DAY, Terms
from monitor.core.detectors.budget.predictor import autocorrelation_time, regression
from monitor.core.detectors.budget.recursion import Cube
from monitor.core.detectors.budget.replay import PERIODS, generator, height, resample
from monitor.core.detectors.budget.shares import CAP, PERIOD
from monitor.core.detectors.estimated.bets import EstimateBets, load_estimates
from monitor.core.detectors.staked.category_bets import CategoryBets, load_categories
from monitor.core.detectors.staked.groups import HarmTally
from monitor.core.detectors.staked.harm_bets import MOST, HarmBets, fit_harm, load_harm
from monitor.core.detectors.staked.thinned import MOST as MOST_CATEGORIES
from monitor.core.detectors.staked.thinned import CategoryTally
from monitor.core.detectors.staked.vocabulary import Vocabulary, vocabulary
from monitor.core.events import Floats, Ints

INDICATORS = 4  # categories by which the dependence of a column is judged
Bets = HarmBets | CategoryBets | EstimateBets


@dataclass(frozen=True, slots=True)
class Staked:
    """A series that can be watched: what is bet by its reference, `rate` points a period, how high its threshold is.

    `every` is the size of a group of answers, or how many values one is looked at of.
    """

    bets: Bets
    rate: float
    height: float
    n: int
    first: float
    last: float
    every: int
    tolerance: float
    tau: float

    @property
    def size(self) -> int:
        return self.n

    @property
    def pace(self) -> float:
        """What is bet on, a period: each point."""
        return self.rate

    def save(self) -> Any:
        numbers = [self.rate, self.height, self.n, self.first, self.last, self.every, self.tolerance, self.tau]
        bets = self.bets.save()
        return [_kind(self.bets), bets[:3] if isinstance(self.bets, CategoryBets) else bets, numbers]


def load_staked(saved: Any) -> Staked:
    kind, bets, (rate, h, n, first, last, every, tolerance, tau) = saved
    return Staked(load_bets(kind, bets), rate, h, n, first, last, every, tolerance, tau)


def load_bets(kind: str, saved: Any) -> Bets:
    """What `save` of bets of a kind gave."""
    if kind == "harm":
        return load_harm(saved)
    return load_estimates(saved) if kind == "estimates" else load_categories(saved)


def _kind(bets: Bets) -> str:
    if isinstance(bets, HarmBets):
        return "harm"
    return "estimates" if isinstance(bets, EstimateBets) else "categories"


def arm_harm(tally: HarmTally, until: float, terms: Terms) -> Staked | str:
    """What is bet on answers up to a time, as groups of the tally's present size."""
    there = np.flatnonzero(tally.clock <= until)
    clock, bad, size = tally.clock[there], tally.bad[there], tally.groups.size
    n, k = len(bad) * size, float(bad.sum())
    if n < FEWEST:
        return f"The reference holds {n} answers whose truth is known; at least {FEWEST} are needed."
    rate = rate_of(clock)
    tau = dependence([bad / size]) * _excess(bad, size)
    bets = fit_harm(n / tau, k / tau, terms.tolerance, size, rate * size)
    if bets.upper > MOST:
        return f"In the reference {k / n:.0%} of the answers were bad, so there is hardly a rise left to be found."
    cut = int(len(bad) * FITTED)
    before = float(bad[:cut].sum())
    early = fit_harm(cut * size / tau, before / tau, terms.tolerance, size, rate * size)
    found = (
        None
        if early.upper > MOST
        else asked_height(early.ratios(bad[cut:].astype(np.int64)), early.weights, clock[cut:], terms)
    )
    if found is None:
        return (
            "In its own reference the share of bad answers rose and fell by so much that it would have paged too often "
            "at thirty times the threshold."
        )
    return Staked(bets, rate, found, n, float(clock[0]), float(clock[-1]), size, terms.tolerance, tau)


def arm_categories(tally: CategoryTally, until: float, terms: Terms) -> tuple[Staked, Vocabulary] | str:
    """What is bet on categories up to a time."""
    there = np.flatnonzero(tally.at <= until)
    clock, codes = tally.clock[there], tally.codes[there]
    if tally.overflow:
        return f"The column has more than {MOST_CATEGORIES:,} different values: it holds no categories."
    if len(codes) < FEWEST:
        return f"The reference holds {len(codes)} values; at least {FEWEST} are needed."
    if len(np.unique(codes)) < 2:
        return "The reference holds one value only; quality: new_category tells of another one."
    words, shares = vocabulary(list(tally.names), codes)
    places = words.codes(list(tally.names)).astype(np.int64)[codes]
    tau = dependence([(places == k).astype(np.float64) for k in range(min(len(words.own), INDICATORS))])
    cut = int(len(places) * FITTED)
    early = np.bincount(places[:cut], minlength=len(shares)) / cut
    replayed = CategoryBets(early, cut / tau, terms.tolerance)
    found = asked_height(replayed.ratios(places[cut:]), replayed.weights, clock[cut:], terms)
    if found is None:
        return (
            "In its own reference the shares of its categories changed by so much that it would have paged too often "
            "at thirty times the threshold."
        )
    bets, ends = CategoryBets(shares, len(codes) / tau, terms.tolerance), (float(clock[0]), float(clock[-1]))
    rate, step = rate_of(clock), tally.thinning.step
    return Staked(bets, rate, found, len(codes), *ends, step, terms.tolerance, tau), words


def rate_of(clock: Floats) -> float:
    span = float(clock[-1] - clock[0])
    return (len(clock) - 1) * PERIOD / span if span > 0 else 0.0


def dependence(series: list[Floats]) -> float:
    """The longest autocorrelation time of some series, by the first lag and by means of 50."""
    return max(_time(values - values.mean()) for values in series)


def _time(rest: Floats) -> float:
    variance, batches = float(rest.var()), len(rest) // 50
    if variance <= 0:
        return 1.0
    first = autocorrelation_time(rest, regression(rest, 1, np.inf))
    if batches < 20:
        return first
    by_means = 50 * float(rest[: batches * 50].reshape(batches, 50).mean(axis=1).var()) / variance
    return by_means if by_means > 1.5 else first


def _excess(bad: Floats, size: int) -> float:
    """How many times as much the counts of groups vary as counts of independent answers would; at least 1."""
    p = float(bad.mean()) / size
    return max(float(bad.var()) / (size * p * (1 - p)), 1.0) if size > 1 and 0 < p < 1 else 1.0


def asked_height(ratios: Cube, weights: Floats, clock: Floats, terms: Terms) -> float | None:
    """How high the threshold has to be for pseudo-periods of the last part of the reference to keep the budget."""
    rate = max(rate_of(clock), 1.0)
    length = int(min(max(rate, 64), 8192))
    table = np.concatenate([ratios, np.ones((1, len(weights)))])
    rows: Ints = resample(len(ratios), length, rate * HALF_DAY / PERIOD, generator(terms.seed))
    due = np.array([min(min(1.0, rate * CAP) / rate, CAP)])
    allowed = max(terms.budget * length / rate * PERIODS, 1.0)
    return height(table, rows[..., None], due, weights, 1.0 / terms.budget, allowed)
