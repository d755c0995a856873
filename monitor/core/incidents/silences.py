"""Silences: computed from now, never a stored state. A silence delays a message, it swallows none."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Final, Literal

from monitor.core.changes import Silence
from monitor.core.incidents.model import Incident
from monitor.core.incidents.words import duration_text

NAMES: Final = ("model", "rule", "pack", "severity")
OPERATORS: Final = ("=", "!=", "=~", "!~")
LONGEST: Final = 30 * 86400.0  # seconds: a forgotten silence must not hide an incident for ever
_PATTERN_LENGTH: Final = 200
_REPEATS: Final = 3  # unbounded repeats in one pattern; more could take for ever to match
Status = Literal["pending", "active", "expired"]


def status(silence: Silence, at: float) -> Status:
    """The start is part of a silence, its end is not."""
    if at < silence.starts_at:
        return "pending"
    return "active" if at < silence.ends_at else "expired"


def labels(incident: Incident) -> Mapping[str, str]:
    """What matchers compare."""
    return {
        "model": incident.model,
        "rule": incident.rule,
        "pack": incident.pack,
        "severity": incident.severity,
    }


def matches(silence: Silence, incident: Incident) -> bool:
    """Whether every matcher fits, whatever the time."""
    having = labels(incident)
    return all(_fits(having.get(name, ""), operator, value) for name, operator, value in silence.matchers)


def silencing(incident: Incident, silences: Iterable[Silence], at: float) -> Silence | None:
    """The silence in force over an incident that ends last, if any."""
    covering = [s for s in silences if status(s, at) == "active" and matches(s, incident)]
    return max(covering, key=lambda s: (s.ends_at, s.id), default=None)


def matches_now(silence: Silence, incidents: Iterable[Incident]) -> tuple[str, ...]:
    """Ids of the incidents not closed that the silence speaks of: what a list of silences shows."""
    return tuple(i.id for i in incidents if i.state != "closed" and matches(silence, i))


def problem(silence: Silence) -> str | None:
    """Why this cannot be a silence, as a sentence; None if it can."""
    if not silence.reason.strip():
        return "A silence needs a reason: say why nobody should be told."
    if not silence.matchers:
        return 'A silence needs at least one matcher, such as model="fraud-eu".'
    length = silence.ends_at - silence.starts_at
    if not 0 < length <= LONGEST:
        return f"A silence lasts more than nothing and at most {duration_text(LONGEST)}, not {length:g} seconds."
    return next(filter(None, (_matcher_problem(*matcher) for matcher in silence.matchers)), None)


def _matcher_problem(name: str, operator: str, value: str) -> str | None:
    if name not in NAMES:
        return f"A silence cannot match {name!r}; it can match {', '.join(NAMES)}."
    if operator not in OPERATORS:
        return f"The operator {operator!r} of {name} is unknown; there are {' '.join(OPERATORS)}."
    if operator in ("=", "!="):
        return None
    try:
        _compiled(value)
    except ValueError as cause:
        return f"The pattern {value!r} of {name} cannot be used: {cause}."
    return None


def _fits(having: str, operator: str, value: str) -> bool:
    if operator == "=":
        return having == value
    if operator == "!=":
        return having != value
    found = _compiled(value).fullmatch(having) is not None
    return found if operator == "=~" else not found


@lru_cache(maxsize=512)
def _compiled(pattern: str) -> re.Pattern[str]:
    """A pattern that matches in bounded time: short, few unbounded repeats, no repeated group, no backreference.

    Raises ValueError with the reason.
    """
    if len(pattern) > _PATTERN_LENGTH:
        raise ValueError(f"it is longer than {_PATTERN_LENGTH} characters")
    plain = re.sub(r"\\[^0-9]|\[\^?\]?(?:\\.|[^\]\\])*\]", "x", pattern)  # escapes and sets aside
    if re.search(r"\\[0-9]|\(\?P=", plain):
        raise ValueError("it refers back to a group")
    if re.search(r"\)[*+{]", plain):
        raise ValueError("it repeats a group")
    if len(re.findall(r"[*+]|\{\d*,\d*\}", plain)) > _REPEATS:
        raise ValueError(f"it has more than {_REPEATS} repeats")
    try:
        return re.compile(pattern)
    except (re.error, FutureWarning, OverflowError) as cause:
        raise ValueError(str(cause)) from cause
