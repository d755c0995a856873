"""Matchers as Alertmanager writes them: a name, one of `=`, `!=`, `=~`, `!~`, and a text or a pattern of all of it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Final

from monitor.core.rules.patterns import Pattern, PatternError

OPERATORS: Final = ("=", "!=", "=~", "!~")
Matcher = tuple[str, str, str]  # name, operator, value
_LENGTH: Final = 200  # characters of a pattern
_WRITTEN: Final = re.compile(r"\s*([\w.-]+)\s*(=~|!~|!=|=)\s*(\"(?:[^\"\\]|\\.)*\"|[^\"\s][^\"]*?|)\s*", re.DOTALL)


def parse_matcher(text: str) -> Matcher:
    """From `model="fraud-eu"` or `severity=~high|critical`. Raises ValueError with a sentence."""
    found = _WRITTEN.fullmatch(text)
    if found is None:
        raise ValueError(f'{text[:80]!r} is no matcher: write one as in model="fraud-eu" or severity=~"high|critical".')
    name, operator, value = found.groups()
    if value.startswith('"'):
        value = re.sub(r"\\(.)", r"\1", value[1:-1], flags=re.DOTALL)
    return name, operator, value


def written(matcher: Matcher) -> str:
    """The same as text."""
    name, operator, value = matcher
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'{name}{operator}"{escaped}"'


def fit(matchers: Iterable[Matcher], having: Mapping[str, str]) -> bool:
    """Whether all of them fit; what is absent is as good as empty. A pattern that cannot be used fits nothing."""
    return all(_fits(having.get(name, ""), operator, value) for name, operator, value in matchers)


def pattern_problem(matcher: Matcher) -> str | None:
    """Why its operator or pattern cannot be used, as a sentence."""
    name, operator, value = matcher
    if operator not in OPERATORS:
        return f"The operator {operator!r} of {name} is unknown; there are {' '.join(OPERATORS)}."
    if operator in ("=", "!="):
        return None
    try:
        _pattern(value)
    except PatternError as cause:
        return f"The pattern {value!r} of {name} cannot be used. {cause.message} {cause.fix}"
    return None


def _fits(having: str, operator: str, value: str) -> bool:
    if operator == "=":
        return having == value
    if operator == "!=":
        return having != value
    found = _found(value, having)
    return found is not None and found is (operator == "=~")


@lru_cache(maxsize=16_384)
def _found(pattern: str, text: str) -> bool | None:
    """Whether the whole text is of the pattern; None if that is none. In time linear in the text."""
    try:
        return _pattern(pattern).search(text)
    except PatternError:
        return None


def _pattern(text: str) -> Pattern:
    """The pattern, anchored at both ends. Raises PatternError."""
    if len(text) > _LENGTH:
        raise PatternError(f"It is longer than {_LENGTH} characters.", "Use several.")
    Pattern(text)  # its own brackets close each other
    case = "(?i)" if text.startswith("(?i)") else ""
    return Pattern(f"{case}^(?:{text.removeprefix(case)})$")
