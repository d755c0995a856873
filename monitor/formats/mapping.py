"""Tables into events: which column is the id, the time, the prediction, by the words that other tools use."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

ROLES: Final = ("id", "model", "version", "at", "inputs", "output", "context", "truth")
SECTIONS: Final = ("inputs", "output", "context", "truth")

# Words of Evidently, NannyML, Deepchecks, SageMaker, KServe, BentoML and others, compared without case and marks.
_ALIASES: Final[dict[str, tuple[str, ...]]] = {
    "id": ("id", "eventid", "predictionid", "inferenceid", "requestid", "ceid", "dcsampleid", "identifier"),
    "model": ("model", "modelname", "modelid"),
    "version": ("version", "modelversion"),
    "at": ("at", "time", "timestamp", "datetime", "dctime", "inferencetime", "eventtime", "timestampms"),
    "output.label": ("prediction", "ypred", "dcprediction", "predictedlabel"),
    "output.score": (
        "score",
        "confidence",
        "probability",
        "predictionproba",
        "predictionprobas",
        "predictionprobability",
        "ypredproba",
        "dcpredictionprobabilities",
    ),
    "truth.label": ("target", "label", "ytrue", "actual", "groundtruth", "dclabel", "truth"),
    "context.latency_ms": ("latencyms",),
}
_ROLE_OF: Final = {alias: role for role, aliases in _ALIASES.items() for alias in aliases}


class MappingError(ValueError):
    """The columns of a table cannot be made into events; the message is a sentence."""


@dataclass(frozen=True, slots=True)
class Places:
    """Where each column of a table goes: `id`, `at`, … or a dotted path such as `inputs.amount`."""

    of: Mapping[str, str]
    model: str | None  # for every row, unless a column says it
    id_prefix: str  # for rows of a table that has no column of ids
    milliseconds: frozenset[str] = field(default_factory=frozenset)
    zone: ZoneInfo | None = None  # of times that say none

    def describe(self) -> str:
        """What goes where, in words; inputs only counted."""
        inputs = sum(place.startswith("inputs.") for place in self.of.values())
        others = [f"{name} is {place}" for name, place in self.of.items() if not place.startswith("inputs.")]
        return f"{', '.join(others)}{'; ' if others else ''}{inputs} columns are inputs"


def places(
    header: Sequence[str],
    model: str | None,
    given: Mapping[str, str],
    id_prefix: str,
    truth: bool,
    zone: str | None = None,
) -> Places:
    """Find a place for every column. `given` maps columns to places and goes first; then `inputs.x` and the like
    are taken at their word; then the words of other tools; the rest are inputs (or, in a table of truths, truths).

    Raises MappingError.
    """
    unknown = [name for name in given if name not in header]
    if unknown:
        raise MappingError(f"The table has no column {unknown[0]!r}: its columns are {', '.join(header)[:300]}.")
    of: dict[str, str] = {}
    taken: dict[str, str] = {}
    for name in sorted(header, key=lambda column: column not in given):
        place = _given(given[name], name) if name in given else _place(name, taken, truth)
        if place in taken:
            raise MappingError(f"The columns {taken[place]!r} and {name!r} would both be {place}: leave one out.")
        taken[place] = name
        of[name] = place
    if model is None and "model" not in taken:
        raise MappingError("No column names the model: say which it is with --model.")
    if truth and "id" not in taken:
        raise MappingError("No column names the events that these truths belong to: say which with --map COLUMN=id.")
    milliseconds = frozenset(name for name, place in of.items() if place == "at" and name.lower().endswith("ms"))
    return Places({name: of[name] for name in header}, model, id_prefix, milliseconds, _zone(zone))


def event_of(row: Mapping[str, Any], placed: Places, number: int, truth: bool) -> dict[str, Any]:
    """One row as an event or a truth; cells that are None are left out."""
    event: dict[str, Any] = {"truth": {}} if truth else {"inputs": {}}
    if placed.model is not None:
        event["model"] = placed.model
    for name, value in row.items():
        place = placed.of.get(name)
        if place is None or value is None:
            continue
        section, _, key = place.partition(".")
        if key:
            event.setdefault(section, {})[key] = value
        elif place == "at" and name in placed.milliseconds and isinstance(value, int | float):
            event["at"] = value / 1000.0
        elif place == "at":
            event["at"] = _with_zone(value, placed.zone)
        else:
            event[place] = value
    if "id" not in event and not truth:
        event["id"] = f"{placed.id_prefix}-{number}"
    return event


def _zone(name: str | None) -> ZoneInfo | None:
    if name is None:
        return None
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as problem:
        raise MappingError(f"There is no time zone {name!r}: use one such as UTC or Europe/Berlin.") from problem


def _with_zone(value: Any, zone: ZoneInfo | None) -> Any:
    """A time without a zone as one of `zone`; anything else as it is, to be judged where it arrives."""
    if zone is None or not isinstance(value, str):
        return value
    try:
        at = datetime.fromisoformat(value.strip())
    except ValueError:
        return value
    return (at if at.tzinfo else at.replace(tzinfo=zone)).isoformat()


def _given(place: str, name: str) -> str:
    if place in SECTIONS:
        return f"{place}.{name}"
    if place in ROLES or (place.partition(".")[0] in SECTIONS and place.partition(".")[2]):
        return place
    raise MappingError(f"A column cannot be {place!r}: use one of {', '.join(ROLES)}, or a path such as inputs.amount.")


def _place(name: str, taken: Mapping[str, str], truth: bool) -> str:
    section, _, key = name.partition(".")
    if section in SECTIONS and key:
        return name
    role = _ROLE_OF.get(re.sub(r"[^a-z0-9]", "", name.lower()))
    if role is not None and role not in taken and (not truth or role in ("id", "model", "at", "truth.label")):
        return role
    return f"truth.{name}" if truth else f"inputs.{name}"
