"""What is estimated without truth, on what assumption, and how it stood the test: for people and programs."""

from __future__ import annotations

from typing import Any

import numpy as np

from monitor.core.detectors.budget.pool import Hit
from monitor.core.detectors.budget.predictor import DAY
from monitor.core.detectors.budget.shares import PERIOD
from monitor.core.detectors.budget.words import shift_sentence
from monitor.core.detectors.estimated.bets import EstimateBets
from monitor.core.detectors.estimated.calibration import FEWEST, UNIT, Calibration
from monitor.core.detectors.estimated.series import EstimatedSeries
from monitor.core.detectors.report import clean, finding, in_segment, number
from monitor.core.detectors.staked.fitting import Staked
from monitor.core.detectors.staked.series import RECENT
from monitor.core.events import Batch
from monitor.core.findings import Evidence, Finding
from monitor.core.rules.model import Rule
from monitor.core.rules.wording import counted

STATISTIC = "estimated errors: e-detector"
DOUBTED = 50  # answers whose truth came from which on it is said that confidence is honest no more


def assumption(calibration: Calibration) -> str:
    """What an estimate takes for granted, in a sentence."""
    if calibration.learned:
        return (
            f"It assumes that confidence stays as honest as it was among {calibration.n:,} answers whose truth came "
            f"({calibration.wrong:,} of them wrong), which were like the others; what it was worth then is frozen."
        )
    known = f"for {counted(calibration.n, 'answer')} only" if calibration.n else "for none"
    came = f"truth had come {known}, and {FEWEST} are needed"
    return (
        f"It assumes that confidence is honest as it stands, that one of ten answers given with 90 % is wrong: {came} "
        "to learn what it is worth."
    )


def described(series: EstimatedSeries, delays: dict[float, float | None]) -> dict[str, Any]:
    """Of an armed series: what was chosen, what is found, the estimate, and what it assumes."""
    armed: Staked = series.armed
    bets, calibration = armed.bets, series.calibration
    assert isinstance(bets, EstimateBets)
    assert calibration is not None
    times = {f"{size:g} times the rate": None if d is None else d * armed.every for size, d in delays.items()}
    about = {"tolerates": armed.tolerance, "chosen": _chosen(armed, bets), "usual": bets.usual}
    about |= {"never_told_up_to": bets.upper, "finds": times}
    return about | performance(series) | {"says": _said(series)}


def performance(series: EstimatedSeries) -> dict[str, Any]:
    """The estimate as a program takes it; `checked` are answers since the reference whose truth came."""
    assert series.calibration is not None
    found, check = series.performance.estimate(), series.check
    estimate = None if found is None else {"rate": found.rate, "interval": [found.low, found.high], "n": found.n}
    checked = {"n": check.n, "wrong": check.wrong, "expected": check.expected if check.n else None}
    usual = None if series.armed is None else series.armed.bets.usual
    return {"estimate": estimate, "usual": usual, "assumes": assumption(series.calibration), "checked": checked}


def _chosen(armed: Staked, bets: EstimateBets) -> str:
    parts = [f"{bets.usual:.2%} of the answers are expected to be wrong, and up to {bets.upper:.2%} is never reported"]
    if armed.every > 1:
        parts.append(f"one answer in {armed.every:,} is looked at")
    if armed.tau > 1.5:
        parts.append(f"{number(armed.tau)} answers in a row tell as much as one, because they hang together")
    if armed.height > 1:
        parts.append(f"its threshold is {number(armed.height)} times as high, because its reference asks for it")
    days = (armed.last - armed.first) / DAY
    return f"Reference of {armed.n:,} answers over {number(days)} days: {'; '.join(parts)}."


def _said(series: EstimatedSeries) -> list[str]:
    found, check = series.performance.estimate(), series.check
    assert series.calibration is not None
    said = []
    if found is not None:
        said.append(
            f"Of {found.n:,} answers of the last week {found.rate:.2%} are expected to be wrong ({found.low:.2%} to "
            f"{found.high:.2%} at 95 %)."
        )
    said.append(assumption(series.calibration))
    if check.n:
        came = f"Of {counted(check.n, 'answer')} since whose truth came {check.wrong / check.n:.2%} were wrong"
        said.append(f"{came} where {check.expected:.2%} were expected.")
    if check.n >= DOUBTED and not check.honest:
        said.append("So confidence is worth something else by now: give the rule a new reference.")
    return said


def estimated_finding(rule: Rule, batch: Batch, hit: Hit, clock: float) -> Finding:
    """The expected error since the change against the reference's, with a 95 % interval of the difference."""
    series, looks = hit.series, hit.looks
    assert isinstance(series, EstimatedSeries)
    assert series.calibration is not None
    armed: Staked = series.armed
    bets = armed.bets
    assert isinstance(bets, EstimateBets)
    stop = max(len(looks.past) - looks.points.n + hit.place + 1, 1)
    codes = looks.past[max(stop - RECENT, 0) : stop]
    gains = np.cumsum(np.log(bets.ratios(codes))[::-1], axis=0)
    n = int(np.unravel_index(int(np.argmax(gains)), gains.shape)[0]) + 1
    errors = codes[-n:] / UNIT
    value, reach = float(errors.mean()), 1.959963984540054 * float(errors.std()) / n**0.5
    since = float(looks.points.clock[max(hit.place, 0)]) - (n - 1) * PERIOD / max(armed.rate, 1e-9)
    _, segment, column = hit.key
    what = (
        f"By {clean(column)}{in_segment(segment)} {value:.1%} of the answers are expected to be wrong where the "
        f"reference had {bets.usual:.1%}"
    )
    detail = f"{shift_sentence(what, n * armed.every, since, hit.strength)} {assumption(series.calibration)}"
    effect = value - bets.usual
    numbers = (value, bets.usual, effect, (effect - reach, effect + reach), n * armed.every, clock)
    return finding(rule, batch, hit.row, Evidence(column, segment, STATISTIC, *numbers, detail))
