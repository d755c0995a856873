"""Small makers of incidents, rules, books, levels and findings for tests of the deciding half."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from monitor.core.findings import NO, UNKNOWN, YES, Evidence, Finding, Level
from monitor.core.incidents.model import Incident
from monitor.core.notices.model import Policy, Receiver
from monitor.core.rules.model import Absent, Book, Detect, Form, Pack, Position, Rule, Windowed

T0 = 1_800_000_000.0  # a moment of daemon time
MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0
CODES = {"y": YES, "n": NO, "?": UNKNOWN}
POLICY = Policy(receivers=(Receiver("phone"), Receiver("mail", send_resolved=False)), group_wait=5.0)


def an_incident(**given: Any) -> Incident:
    """An open incident of high severity, opened at T0."""
    values: dict[str, Any] = {
        "id": "11111111-1111-5111-8111-111111111111",
        "pack": "fraud",
        "rule": "LowConfidence",
        "model": "fraud-eu",
        "version": "3",
        "segment": "",
        "severity": "high",
        "stage": "live",
        "historical": False,
        "latches": False,
        "state": "open",
        "opened_at": T0,
        "changed_at": T0,
        "summary": "Too many answers of fraud-eu are unsure.",
        "meaning": "The model is unsure.",
        "action": "Look at the newest inputs.",
        "effect": 1.5,
        "acknowledged_effect": 1.5,
        "evidence_at": T0,
    }
    return Incident(**{**values, **given})


def a_rule(name: str = "LowConfidence", form: str = "share", **given: Any) -> Rule:
    """A rule of pack fraud: a share above 5 % over 15 minutes, a shift, or silence."""
    forms: dict[str, Form] = {
        "share": Windowed("share", "output.confidence < 0.6", over=900.0, above=0.05),
        "shift": Detect("shift", ("output.score",)),
        "absent": Absent(600.0, expect=("fraud-eu",)),
    }
    latch = {"resolve": "person"} if form == "shift" else {}
    values: dict[str, Any] = {"severity": "high", "position": Position("rules/fraud/pack.yaml", 1, 1), **latch, **given}
    return Rule("fraud", name, forms[form], **values)


def a_book(*rules: Rule, models: tuple[str, ...] = ("fraud-*",)) -> Book:
    return Book((Pack("fraud", models, tuple(rules)),), digest="0" * 64)


def a_level(
    rule: Rule,
    holds: str,
    at: float,
    segments: Sequence[str] | None = None,
    effect: Sequence[float] | float = 1.5,
    model: str = "fraud-eu",
    historical: bool = False,
) -> Level:
    """`holds` has a character per segment: y, n or ?. With one and no `segments` it is the whole."""
    n = len(holds)
    names = tuple(segments) if segments is not None else ("",) if n == 1 else tuple(f"s={i}" for i in range(n))
    return Level(
        rule=rule.key,
        model=model,
        version="3",
        at=at,
        statistic="share of output.confidence < 0.6",
        column="output.confidence",
        segments=names,
        holds=np.array([CODES[c] for c in holds], dtype=np.uint8),
        value=np.full(n, 0.08),
        expected=np.full(n, 0.05),
        effect=np.broadcast_to(np.asarray(effect, dtype=np.float64), (n,)).copy(),
        n=np.full(n, 1200, dtype=np.int64),
        historical=historical,
    )


def a_row(column: str = "output.score", effect: float | None = 0.4, at: float = T0, **given: Any) -> Evidence:
    values: dict[str, Any] = {"segment": "", "statistic": "mean", "value": 0.43, "expected": 0.21, "n": 1200}
    return Evidence(column=column, effect=effect, at=at, **{**values, "interval": (0.4, 0.46), **given})


def a_finding(rule: Rule, row: Evidence | None = None, **given: Any) -> Finding:
    values: dict[str, Any] = {"model": "fraud-eu", "version": "3", "evidence": row or a_row()}
    return Finding(rule.key, **{**values, **given})
