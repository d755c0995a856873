"""Pieces of evidence as people read them: each number in its unit, and what it is held against by its name."""

from __future__ import annotations

from typing import Any

from monitor.core.incidents.words import amount_text, standard_text
from monitor.core.rules.model import Detect, Rule


def piece(e: dict[str, Any], rule: Rule | None) -> dict[str, Any]:
    """The piece with `seen`, `standard` (what the second number is), `against` and `how_far` as texts."""
    detector = rule.form.kind if rule is not None and isinstance(rule.form, Detect) else e["detail"]
    statistic, standard = e["statistic"], standard_text(e["statistic"], detector)
    return {
        **e,
        "statistic": statistic.removeprefix("seconds "),  # `without events`, which has its time beside it
        "standard": standard,
        "seen": _amount(statistic, e["value"]),
        "against": _amount(statistic, e["expected"]),
        "how_far": _from_expected(e) if standard == "expected" else _ratio(e, standard),
    }


def _amount(statistic: str, value: float | None) -> str:
    return "–" if value is None else amount_text(statistic, value)


def _from_expected(e: dict[str, Any]) -> str:
    """What a detector says of the size: in standard deviations of what was normal, or as a span of the difference."""
    parts = [] if e["effect"] is None else [f"{e['effect']:.3g} standard deviations"]
    if e["interval"] is not None and None not in e["interval"]:
        of = "" if e["statistic"] == "shift: e-detector" else "difference "  # whose interval is of the effect
        parts.append(of + " to ".join(amount_text(e["statistic"], end) for end in e["interval"]))
    return "; ".join(parts) or "–"


def _ratio(e: dict[str, Any], standard: str) -> str:
    """`6.7 times the limit`, `51% of the limit`, `38% less than before`."""
    value, against = e["value"], e["expected"]
    if value is None or against is None or against <= 0.0 or value < 0.0:
        return "–"
    ratio = value / against
    if standard == "before":
        change = ratio - 1.0
        return f"{abs(change) * 100:.3g}% {'more' if change > 0 else 'less'} than before" if abs(change) < 10 else "–"
    return f"{ratio:.3g} times the limit" if ratio >= 1.0 else f"{ratio * 100:.3g}% of the limit"
