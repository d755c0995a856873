"""What was chosen for a series of harm or of categories, and what it can find: for people."""

from __future__ import annotations

from typing import Any

from monitor.core.detectors.budget.predictor import DAY
from monitor.core.detectors.report import clean, number
from monitor.core.detectors.staked.category_bets import CategoryBets
from monitor.core.detectors.staked.fitting import Staked
from monitor.core.detectors.staked.harm_bets import HarmBets
from monitor.core.detectors.staked.series import StakedSeries

SHOWN = 10


def describe_staked(series: StakedSeries, delays: dict[float, float | None]) -> dict[str, Any]:
    armed: Staked = series.armed
    bets, about = armed.bets, {"tolerates": armed.tolerance, "chosen": _chosen(series)}
    if isinstance(bets, HarmBets):
        times = {f"{size:g} times the rate": None if d is None else d * armed.every for size, d in delays.items()}
        return about | {"usual": bets.usual, "never_told_up_to": bets.upper, "finds": times}
    assert isinstance(bets, CategoryBets)
    assert series.words is not None
    shares = dict(zip([clean(name) for name in series.words.own], bets.shares.tolist(), strict=False))
    return about | {"usual": dict(list(shares.items())[:SHOWN]), "new_values": series.words.closed}


def _chosen(series: StakedSeries) -> str:
    armed: Staked = series.armed
    parts = [_harm(armed, armed.bets)] if isinstance(armed.bets, HarmBets) else _categories(series)
    if armed.tau > 1.5:
        parts.append(f"{number(armed.tau)} values in a row tell as much as one, because they hang together")
    if armed.height > 1:
        parts.append(f"its threshold is {number(armed.height)} times as high, because its reference asks for it")
    days = (armed.last - armed.first) / DAY
    return f"Reference of {armed.n:,} values over {number(days)} days: {'; '.join(parts)}."


def _harm(armed: Staked, bets: HarmBets) -> str:
    grouped = f", looked at in groups of {armed.every:,}" if armed.every > 1 else ""
    return f"{bets.usual:.2%} of the answers are bad{grouped}, and a rate up to {bets.upper:.2%} is never reported"


def _categories(series: StakedSeries) -> list[str]:
    assert series.words is not None
    words, every = series.words, series.armed.every
    many = len(words.own) != 1
    parts = [f"{len(words.own)} {'categories have a bet of their own' if many else 'category has a bet of its own'}"]
    if series.armed.bets.shares[-1] > 0:
        parts.append("the rarer ones share one")
    parts.append("a new value is reported" if words.closed else "new values keep coming and are not reported")
    return parts + ([f"one value in {every:,} is looked at"] if every > 1 else [])
