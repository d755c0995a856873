"""What the budgeted detector says to people."""

from __future__ import annotations

import datetime
from typing import Any

from monitor.core.detectors.budget.arming import SILENT, Armed
from monitor.core.detectors.budget.longer import HOUR
from monitor.core.detectors.budget.predictor import DAY
from monitor.core.detectors.report import clean, in_segment, number


def when(at: float) -> str:
    """A time as people read it, UTC."""
    moment = datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=at)  # noqa: DTZ001
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def moved(column: str, segment: str, effect: float, value: float, expected: float) -> str:
    """The beginning of a sentence: what moved, and how far."""
    name = f"{clean(column)}{in_segment(segment)}"
    if abs(effect) < 0.2:
        return f"{name} is distributed otherwise than in its reference, around a mean of {number(value)}"
    way = "up" if effect > 0 else "down"
    far = f"{way} {number(abs(effect))} standard deviations"
    return f"{name} moved from a mean of {number(expected)} to {number(value)} ({far})"


def shift_sentence(what: str, n: int, since: float, evidence: float, unit: str = "values") -> str:
    factor = f"{evidence:,.0f}" if evidence < 1e7 else f"{evidence:.0e}"
    sure = f"{factor} times likelier if it did than if nothing worth acting on had happened"
    return f"{what}, over its last {n:,} {unit}, since {when(since)}; what was seen is {sure}."


def outlier_sentence(column: str, segment: str, value: float, expected: float, odds: float) -> str:
    rare = f"{odds:,.0f}" if odds < 1e7 else f"{odds:.0e}"
    name = f"{clean(column)}{in_segment(segment)}"
    return (
        f"{name} is at {number(value)} where about {number(expected)} was to be expected: "
        f"as unusual as one value in {rare}, judged by its reference."
    )


def chosen(armed: Armed) -> str:
    """What was chosen for a series, in a sentence."""
    seen, parts = armed.seen, []
    shape = seen.predictor.shape
    if shape.harmonics:
        kind = " with weekends of their own" if shape.weekend else ""
        waves = f"{shape.harmonics} harmonic{'' if shape.harmonics == 1 else 's'}"
        parts.append(f"a daily season of {waves}{kind} is taken off")
    elif shape.weekend:
        parts.append("weekends have a level of their own")
    if shape.weekly:
        parts.append("a wave of the week is taken off")
    if seen.predictor.phi:
        lags = len(seen.predictor.phi)
        parts.append(f"each value is predicted from the {'one' if lags == 1 else lags} before it")
    if seen.predictor.past.slow:
        parts.append("what the last hours were like is taken off")
    if armed.longer is not None:
        hours = f"{number(armed.longer.length / HOUR)} hour{'' if armed.longer.length == HOUR else 's'}"
        parts.append(f"blocks of at least {hours} are ranked, because single values depend too much on each other")
    elif seen.blocks:
        what = "" if seen.width is None else "means and spreads of "
        parts.append(f"{what}blocks of at least five minutes are ranked, because there are many values")
    if not parts:
        parts.append("values are ranked as they are")
    if armed.why:
        parts.append(armed.why[0].lower() + armed.why[1:])
    if 1 < armed.height < SILENT:
        parts.append(f"its threshold is {number(armed.height)} times as high, because its reference asks for it")
    days = (armed.last - armed.first) / DAY
    return f"Reference of {armed.n:,} points over {number(days)} days: {'; '.join(parts)}."


def trend_of(growth: float) -> str:
    """`growth`: in a week, as a part of the level."""
    return f"Its trend of {growth:+.1%} in a week is taken along"


def describe_armed(armed: Armed, delays: dict[float, float | None]) -> dict[str, Any]:
    return {
        "chosen": chosen(armed),
        "finds": {f"{size:g} sd": delay for size, delay in delays.items()},
        "tolerates": armed.seen.d / armed.seen.scale if armed.seen.scale > 0 else None,
        "slow_changes": armed.height < SILENT,
        "sudden_changes": armed.outliers is not None,
        "mean": armed.mean,
        "sd": armed.sd,
    }
