"""From verdicts to proposals: another tolerance, another budget, or nothing. A person applies them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import NormalDist

from monitor.core.detectors.budget.bets import drift
from monitor.core.incidents.words import duration_text, number_text
from monitor.core.rules.wording import false_pages
from monitor.core.verdicts import Judged

TOLERANCES = (0.01, 0.02, 0.05, 0.075, 0.1, 0.125, 0.15, 0.2, 0.25)
RISES = (0.0025, 0.005, 0.01, 0.015, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2)  # of the share of what is bad
LADDERS = {"shift": TOLERANCES, "harm": RISES, "estimated_errors": RISES}  # other kinds tolerate nothing
SHARES = ("categories: ", "harm: ", " on answers", "estimated errors: ")  # statistics whose effect is a rise of a share
LEAST_BUDGET = 0.3  # pages a week: below it no budget was ever held on real traffic
MARGIN = 0.7  # of the smallest real effect: what is tolerated stays below that
WEEK = 7 * 86400.0
ENOUGH = 2.0  # armed weeks from which a rate of false pages means something
QUIET = 4.0  # armed weeks without any false page after which a rule may be made more sensitive
ANEW = " It learns anew for a week then."
SUDDEN = "shift: outlier"  # what the tolerance has no say in


@dataclass(frozen=True, slots=True)
class Record:
    """What became of a rule under the page budget on one model. `weeks` are those in which it was armed, `budget` is
    its part of the model's, in false pages a week; `unjudged` incidents have no verdict."""

    rule: str
    model: str
    tolerance: float
    budget: float
    weeks: float
    judged: Sequence[Judged]
    unjudged: int = 0
    kind: str = "shift"

    @property
    def ladder(self) -> tuple[float, ...]:
        """The tolerances that may be proposed; none for kinds that have no tolerance."""
        return LADDERS.get(self.kind, ())

    def of(self, verdict: str) -> list[Judged]:
        return [i for i in self.judged if i.verdict == verdict]


@dataclass(frozen=True, slots=True)
class Proposal:
    """`tolerance` and `budget` are None where they stay; `why` is whole sentences."""

    record: Record
    why: str
    tolerance: float | None = None
    budget: float | None = None

    @property
    def changes(self) -> bool:
        return self.tolerance is not None or self.budget is not None


def propose(record: Record) -> Proposal:
    """What verdicts ask for."""
    false, real = record.of("false"), record.of("real")
    told = _told(record, len(false), len(real))
    if record.weeks < ENOUGH:
        return Proposal(record, f"{told} It takes two armed weeks to judge it.")
    rate = len(false) / record.weeks
    if rate > record.budget:
        return _quieter(record, told, false, real)
    if not false and record.weeks >= QUIET and len(real) and any(t < record.tolerance for t in record.ladder):
        return _keener(record, told)
    return Proposal(record, f"{told} It keeps its word; nothing has to be changed.")


def limits(count: int, weeks: float) -> tuple[float, float]:
    """Exact 95 % limits of a Poisson rate, events a week."""
    low = 0.0 if count == 0 else _solve(lambda mean: 1 - _at_most(count - 1, mean), count, rising=True)
    return low / weeks, _solve(lambda mean: _at_most(count, mean), count, rising=False) / weeks


def _quieter(record: Record, told: str, false: Sequence[Judged], real: Sequence[Judged]) -> Proposal:
    slow, kept = _slow(false, record), _slow(real, record)
    most = min((_passes(MARGIN * abs(i.effect or 0.0), i) for i in kept), default=math.inf)
    asked = [_passes(abs(i.effect or 0.0), i) for i in slow]
    wider = [t for t in record.ladder if t > record.tolerance and t < most]
    covering = [t for t in wider if slow and t >= max(asked)] or [t for t in wider[-1:] if slow and t >= min(asked)]
    if covering and len(slow) * 2 > len(false):
        return _wider(record, told, covering[0], slow, kept)
    cut = max(record.budget * record.budget * record.weeks / len(false), LEAST_BUDGET)
    cut = math.floor(cut * 20) / 20
    why = "A tolerance that left them out would leave out real ones too"
    if not record.ladder:
        why = "Nothing is tolerated in scores, so a tolerance does not help"
    elif len(slow) * 2 <= len(false):
        why = "Most of them were sudden, which a tolerance does not change"
    if cut < record.budget:
        return Proposal(
            record, f"{told} {why}: a smaller budget of {cut:g} a week makes every page dearer.", budget=cut
        )
    look = "look at what is normal instead, with `overloop reference show`, and accept a longer or newer reference"
    if record.kind != "shift":
        look = "look with `overloop rules explain` at what is taken for normal, and accept the present if it is wanted"
    return Proposal(record, f"{told} {why}, and its budget is as small as one can be held: {look}.")


def _wider(record: Record, told: str, chosen: float, slow: Sequence[Judged], kept: Sequence[Judged]) -> Proposal:
    largest = max(slow, key=lambda i: _passes(abs(i.effect or 0.0), i))
    what = f"The slow ones of them moved by at most {_far(largest)}"
    if kept:
        least = min(kept, key=lambda i: _passes(abs(i.effect or 0.0), i))
        against = f", the smallest real change by {_far(least)}"
    else:
        against = ", and no slow change was real"
    does = "all of them" if chosen >= _passes(abs(largest.effect or 0.0), largest) else "the smaller ones"
    return Proposal(
        record,
        f"{told} {what}{against}: a tolerance of {chosen:g}, which lets {_lets(record, chosen, largest)} pass, leaves "
        f"out {does}.{'' if record.kind == 'shift' else ANEW}",
        tolerance=chosen,
    )


def _slow(incidents: Sequence[Judged], record: Record) -> list[Judged]:
    """Those that a tolerance has a say in: not what was sudden, nor what has no size."""
    if not record.ladder:
        return []
    return [i for i in incidents if i.effect is not None and SUDDEN not in i.statistics]


def _is_share(incident: Judged) -> bool:
    return any(words in statistic for statistic in incident.statistics for words in SHARES)


def _passes(effect: float, incident: Judged) -> float:
    """The tolerance that lets an effect of this size pass: of numbers in standard deviations, else in a share."""
    return effect if _is_share(incident) else NormalDist().cdf(effect / math.sqrt(2.0)) - 0.5


def _far(incident: Judged) -> str:
    size = abs(incident.effect or 0.0)
    return f"{size:.2%} of all answers" if _is_share(incident) else f"{number_text(size)} standard deviations"


def _lets(record: Record, tolerance: float, incident: Judged) -> str:
    if record.kind == "shift" and not _is_share(incident):
        return f"{number_text(drift(tolerance))} standard deviations"
    return f"a rise by {tolerance:.2%}"


def _keener(record: Record, told: str) -> Proposal:
    chosen = max(t for t in record.ladder if t < record.tolerance)
    smaller = f"from {number_text(drift(chosen))} standard deviations on"
    if record.kind != "shift":
        smaller = f"rises by {chosen:.2%} and more"
    return Proposal(
        record,
        f"{told} It has room: if changes were noticed too late, a tolerance of {chosen:g} finds smaller ones "
        f"({smaller}). It needs a new reference then.",
        tolerance=chosen,
    )


def _told(record: Record, false: int, real: int) -> str:
    if record.weeks <= 0:
        return f"{record.rule} has not been armed on {record.model} yet."
    more = f", and {record.unjudged} have no verdict yet" if record.unjudged else ""
    if record.weeks < ENOUGH:
        armed = duration_text(round(record.weeks * WEEK))
        return (
            f"It has been armed on {record.model} for {armed}, and {false} of its incidents were judged false and "
            f"{real} real{more}."
        )
    low, high = limits(false, record.weeks)
    return (
        f"In {number_text(record.weeks)} armed weeks {false} of its incidents on {record.model} were judged false and "
        f"{real} real{more}: {false_pages(false / record.weeks)} ({number_text(low)} to "
        f"{number_text(high)} at 95 %), and its budget is {number_text(record.budget)}."
    )


def _at_most(count: int, mean: float) -> float:
    """The probability that a Poisson count is at most `count`."""
    term = total = math.exp(-mean)
    for k in range(1, count + 1):
        term *= mean / k
        total += term
    return min(total, 1.0)


def _solve(tail: Callable[[float], float], count: int, rising: bool) -> float:
    """The mean at which a tail is 2.5 %."""
    low, high = 0.0, count + 10.0 * math.sqrt(count + 1.0) + 10.0
    for _ in range(80):
        middle = (low + high) / 2
        if (tail(middle) < 0.025) == rising:
            low = middle
        else:
            high = middle
    return high
