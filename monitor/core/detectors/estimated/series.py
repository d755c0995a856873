"""One series of confidences: collects them and what they were worth, then watches what they make to expect."""

from __future__ import annotations

from typing import Any

import numpy as np

from monitor.core.detectors.budget.arming import FEWEST, FITTED, Terms
from monitor.core.detectors.budget.points import Points
from monitor.core.detectors.budget.series import DISABLED
from monitor.core.detectors.estimated.bets import EstimateBets, bets_of, fit_estimates
from monitor.core.detectors.estimated.calibration import UNIT, Calibration, fit_calibration, load_calibration
from monitor.core.detectors.estimated.performance import Check, Performance
from monitor.core.detectors.staked.fitting import Bets, Staked, asked_height, dependence, rate_of
from monitor.core.detectors.staked.harm_bets import MOST
from monitor.core.detectors.staked.series import StakedLooks, StakedSeries
from monitor.core.detectors.staked.thinned import Tally, Thinning
from monitor.core.events import Ints


class ConfidenceTally(Tally):
    """Confidences in ten-thousandths; `labels` are those of answers whose truth came, twice, plus 1 if wrong."""

    def __init__(self) -> None:
        super().__init__()
        self.labels = Tally()

    def memory(self) -> int:
        return super().memory() + self.labels.memory()

    def save(self) -> Any:
        return [super().save(), self.labels.save()]

    def load(self, saved: Any) -> None:
        mine, labels = saved
        super().load(mine)
        self.labels.load(labels)


class EstimatedSeries(StakedSeries):
    """Points are confidences in ten-thousandths; their codes are expected errors in ten-thousandths."""

    def __init__(self) -> None:
        super().__init__("estimates")

    def restart(self) -> None:
        super().restart()
        self.calibration: Calibration | None = None
        self.performance, self.check = Performance(), Check()

    def tally(self) -> ConfidenceTally:
        return ConfidenceTally()

    def fit(self, until: float, terms: Terms, complete: bool, now: float) -> None:
        """Calibrate and arm by what was collected from events up to `until`."""
        tally: ConfidenceTally = self.collector
        labels = tally.labels.codes[tally.labels.at <= until]
        calibration = fit_calibration(labels // 2, labels % 2)
        made = arm_estimates(tally, calibration, until, terms)
        self.adopt(made, None, complete, now)
        if not isinstance(made, str):
            self.calibration = calibration
            self.entrance = Thinning(made.every, tally.seen)
            self.performance, self.check = Performance(), Check()

    def take(self, given: Points) -> StakedLooks | None:
        if self.calibration is not None and self.state != DISABLED:
            self.performance.add(given.clock, *self.calibration.of(given.value.astype(np.int64)))
        return super().take(given)

    def label(self, given: Points) -> None:
        """Take answers whose truth has come, as `ConfidenceTally.labels` has them."""
        if self.collector is not None:
            self.collector.labels.add(given)
        if self.calibration is not None:
            codes = given.value.astype(np.int64)
            self.check.add(self.calibration.of(codes // 2)[0], codes % 2)

    def coded(self, points: Points) -> Ints:
        assert self.calibration is not None
        return self.calibration.of(points.value.astype(np.int64))[0]

    # -- after a page: how many answers, the sum of their expected errors, and of the squares

    @property
    def looked(self) -> float:
        return float(self.after[0]) if len(self.after) else 0.0

    def _look_on(self, codes: Ints) -> None:
        sums = np.array([len(codes), codes.sum(), (codes * codes).sum()], dtype=np.float64)
        self.after = sums + (self.after if len(self.after) else 0.0)

    def provisional(self) -> Bets | None:
        first = self.armed.bets
        assert isinstance(first, EstimateBets)
        n, total, squares = self.after.tolist()
        mean = total / n / UNIT
        spread = max(squares / n / UNIT**2 - mean * mean, 0.0) ** 0.5
        if mean <= first.upper:
            return None
        return bets_of(n / self.armed.tau, mean, spread, self.armed.tolerance, careful=False)

    # -- state --

    def save(self) -> Any:
        calibration = None if self.calibration is None else self.calibration.save()
        more = {"calibration": calibration, "performance": self.performance.save(), "check": self.check.save()}
        return super().save() | more

    def load(self, saved: Any) -> None:
        super().load(saved)
        self.calibration = None if saved["calibration"] is None else load_calibration(saved["calibration"])
        self.performance.load(saved["performance"])
        self.check.load(saved["check"])


def arm_estimates(tally: ConfidenceTally, calibration: Calibration, until: float, terms: Terms) -> Staked | str:
    """What is bet on what confidences up to a time make to expect, or a refusal in a sentence."""
    there = np.flatnonzero(tally.at <= until)
    clock, codes = tally.clock[there], calibration.of(tally.codes[there])[0]
    if len(codes) < FEWEST:
        return f"The reference holds {len(codes)} confidences between 0 and 1; at least {FEWEST} are needed."
    if codes.min() == codes.max():
        return "By its reference every answer is as likely to be wrong as any other: confidence tells nothing."
    errors, rate = codes / UNIT, rate_of(clock)
    tau = dependence([errors])
    bets = fit_estimates(errors, len(codes) / tau, terms.tolerance, rate)
    if bets.upper > MOST:
        return f"In the reference {bets.usual:.0%} of the answers were expected to be wrong: hardly a rise is left."
    cut = int(len(codes) * FITTED)
    early = fit_estimates(errors[:cut], cut / tau, terms.tolerance, rate)
    found = asked_height(early.ratios(codes[cut:]), early.weights, clock[cut:], terms)
    if found is None:
        return (
            "In its own reference the confidence of the answers rose and fell by so much that it would have paged too "
            "often at thirty times the threshold."
        )
    ends = (float(clock[0]), float(clock[-1]))
    return Staked(bets, rate, found, len(codes), *ends, tally.thinning.step, terms.tolerance, tau)
