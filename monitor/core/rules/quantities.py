"""Durations, shares and numbers as people write them in rule files. Each refusal says what would be right."""

from __future__ import annotations

import math
import re

UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_DURATION = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|s|m|h|d|w))+", re.ASCII)
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d|w)", re.ASCII)
_NUMBER = re.compile(r"[+-]?(?:\d[\d_]*(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)


class QuantityError(ValueError):
    """This text is not the quantity it should be. `args` are the sentence and the fix."""

    def __init__(self, message: str, fix: str) -> None:
        super().__init__(message, fix)
        self.message = message
        self.fix = fix


def parse_duration(text: str) -> float:
    """`15m`, `1h30m`, `28d` in seconds. `0` needs no unit. Raises QuantityError."""
    compact = text.strip()
    if compact == "0":
        return 0.0
    if _DURATION.fullmatch(compact) and len(compact) <= 40:
        return sum(float(amount) * UNITS[unit] for amount, unit in _PART.findall(compact))
    if _NUMBER.fullmatch(compact) and not compact.startswith("-"):
        raise QuantityError(f"{_cut(text)} has no unit.", f"Write {compact}s, {compact}m, {compact}h or {compact}d.")
    raise QuantityError(f"{_cut(text)} is not a duration.", "Write a number and a unit: 30s, 15m, 1h30m, 7d, 4w.")


def parse_number(text: str) -> float:
    """A finite decimal number. Raises QuantityError."""
    bare = _without_sign_of_comparison(text)
    if not _NUMBER.fullmatch(bare):
        without = re.match(rf"({_NUMBER.pattern})\s*[A-Za-z%]+$", bare)
        fix = f"Write it without a unit: {without[1]}." if without else "Write a plain number, such as 800 or 0.05."
        raise QuantityError(f"{_cut(text)} is not a number.", fix)
    value = float(bare.replace("_", ""))
    if not math.isfinite(value):
        raise QuantityError(f"{_cut(text)} is beyond what a number can hold.", "Write a number under 1e308.")
    return value


def parse_share(text: str) -> float:
    """`5%` or `0.05` as 0.05, between 0 and 1. Raises QuantityError."""
    value = parse_ratio(text)
    if 0.0 <= value <= 1.0:
        return value
    raise QuantityError(f"{_cut(text)} is not a share between 0% and 100%.", "Write a share such as 5% or 0.05.")


def parse_ratio(text: str) -> float:
    """A relative amount of any size: `10%` is 0.1, `-80%` is -0.8, `250%` is 2.5. Raises QuantityError.

    A bare number above 1 is refused: 5 may have been meant as 5% or as 500%.
    """
    bare = _without_sign_of_comparison(text)
    if bare.endswith("%"):
        return parse_number(bare[:-1].rstrip()) / 100.0
    value = parse_number(bare)
    if abs(value) > 1.0:
        raise QuantityError(f"{_cut(text)} has no percent sign.", f"Write {bare}% if {bare} percent is meant.")
    return value


def parse_factor(text: str) -> float:
    """A number or a percentage: `1.25` and `125%` are 1.25. Raises QuantityError."""
    return parse_ratio(text) if text.rstrip().endswith("%") else parse_number(text)


def _without_sign_of_comparison(text: str) -> str:
    bare = text.strip()
    if bare[:1] in ("<", ">", "="):
        amount = bare.lstrip("<>= ")
        raise QuantityError(
            f"{_cut(text)} has a comparison sign in front.",
            f"The key `above` or `below` says the direction; write the limit alone: {amount or '5%'}.",
        )
    return bare


def _cut(text: str) -> str:
    return f"`{text if len(text) <= 60 else text[:57] + '...'}`"
