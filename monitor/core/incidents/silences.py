"""Silences: computed from now, never a stored state. A silence delays a message, it swallows none."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, Literal

from monitor.core.changes import Silence
from monitor.core.incidents.matching import fit, pattern_problem
from monitor.core.incidents.model import Incident
from monitor.core.incidents.words import duration_text

NAMES: Final = ("model", "rule", "pack", "severity")
LONGEST: Final = 30 * 86400.0  # seconds: a forgotten silence must not hide an incident for ever
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
    """Whether every matcher fits, whatever the time. A silence with a pattern that cannot be used fits nothing."""
    return fit(silence.matchers, labels(incident))


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


def without_effect(silence: Silence) -> str | None:
    """Why a silence that was kept holds nothing back, as a sentence: its pattern is of a kind no longer supported."""
    found = next(filter(None, (_matcher_problem(*matcher) for matcher in silence.matchers)), None)
    if found is None:
        return None
    return f"The silence {silence.id} of {silence.created_by} holds nothing back, so set another one. {found}"


def _matcher_problem(name: str, operator: str, value: str) -> str | None:
    if name not in NAMES:
        return f"A silence cannot match {name!r}; it can match {', '.join(NAMES)}."
    return pattern_problem((name, operator, value))
