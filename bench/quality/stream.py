"""What a stream is to the harness: batches of events in time order, and what is true of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Protocol

import numpy as np

from monitor.core.events import MISSING, Batch, Floats
from monitor.core.times import parse_time

DAY = 86400.0
WEEK = 7 * DAY
NAMES = ("reference_until", "null", "changes", "horizon", "season")  # of truth.json
UNITS = {"ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": DAY, "w": WEEK}


@dataclass(frozen=True, slots=True)
class Truth:
    """What is true of a stream, in seconds since 1970 UTC.

    Until `reference_until` everything is normal and belongs to the reference. With `null` nothing ever changes after
    it; otherwise `changes` are the times at which something does, in order, and a change that was not found within
    `horizon` seconds is missed. `season` is the period of a season, where one is known.
    """

    reference_until: float
    null: bool
    changes: tuple[float, ...] = ()
    horizon: float = DAY
    season: float | None = None

    @classmethod
    def from_json(cls, said: Any) -> Truth:
        """Raises ValueError, with a sentence, if `said` is not what `truth.json` may hold."""
        if not isinstance(said, Mapping):
            raise ValueError("truth.json must hold an object.")
        _spelled(said)
        given = {name: value for name, value in said.items() if value is not None}
        if "reference_until" not in given:
            raise ValueError("truth.json does not say reference_until.")
        until, null = moment(given["reference_until"]), given.get("null", False)
        if not isinstance(null, bool):
            raise ValueError(f"null must be true or false, not {null!r}.")
        changes = given.get("changes", [])
        if not isinstance(changes, list) or (null and changes) or not (null or changes):
            raise ValueError("truth.json must say either that null is true, or a list of changes.")
        times = tuple(sorted(moment(change) for change in changes))
        if times and times[0] < until:
            raise ValueError("A change lies before reference_until.")
        if len(set(times)) < len(times):
            raise ValueError("The same change stands in it twice.")
        season = given.get("season")
        return cls(until, null, times, seconds(given.get("horizon", DAY)), None if season is None else seconds(season))


def _spelled(said: Mapping[str, Any]) -> None:
    """Other names may say what they like; one that is nearly one of ours is a mistake. Raises ValueError."""
    for name in sorted(set(said) - set(NAMES)):
        meant = get_close_matches(name, NAMES, 1, 0.8)
        if meant:
            raise ValueError(f"truth.json says {name}, which is not known; {meant[0]} may be meant.")


@dataclass(frozen=True, slots=True)
class Setting:
    """All that a system may know of a stream beforehand: nothing about changes."""

    reference_until: float
    season: float | None = None


class Stream(Protocol):
    """A source of events. Add one by writing a class with these three; it must survive pickling."""

    @property
    def name(self) -> str: ...

    @property
    def truth(self) -> Truth: ...

    def batches(self) -> Iterator[Batch]:
        """The events in time order, a few thousand at a time. Raises ValueError if it cannot be read."""
        ...


def moment(said: Any) -> float:
    """A time as RFC 3339 text or as seconds since 1970. Raises ValueError."""
    if isinstance(said, bool) or not isinstance(said, int | float | str):
        raise ValueError(f"{said!r} is no time.")
    at = parse_time(said) if isinstance(said, str) else float(said)
    if not np.isfinite(at):
        raise ValueError(f"{said!r} is no time.")
    return at


def seconds(said: Any) -> float:
    """A duration such as `1d`, `36h`, `90m`, `2w`, or seconds as a number. Raises ValueError."""
    if isinstance(said, int | float) and not isinstance(said, bool) and 0 < said < np.inf:
        return float(said)
    if isinstance(said, str):
        number = said.strip().rstrip("smhdw")
        unit = UNITS.get(said.strip()[len(number) :])
        try:
            value = float(number)
        except ValueError:
            value = 0.0
        if unit is not None and 0 < value < np.inf:
            return value * unit
    raise ValueError(f"{said!r} is no duration such as 1d, 36h or 90m.")


def batch_of(model: str, at: Floats, columns: Mapping[str, Floats], first: int = 0) -> Batch:
    """Rows of numbers as a batch whose clock is their own time; NaN means that the event has no such value."""
    n = len(at)
    return Batch(
        model=model,
        ids=[str(i) for i in range(first, first + n)],
        at=at,
        recorded_at=np.maximum.accumulate(at),
        offsets=np.arange(first, first + n, dtype=np.int64),
        columns={path: _plain(values) for path, values in columns.items()},
        versions=[None] * n,
        event_time=True,
    )


def _plain(values: Floats) -> list[Any]:
    listed: list[Any] = values.tolist()
    for row in np.flatnonzero(np.isnan(values)).tolist():
        listed[row] = MISSING
    return listed


def cut(model: str, at: Floats, columns: Mapping[str, Floats], rows: int = 8192) -> Iterator[Batch]:
    """Arrays as batches of at most `rows`."""
    for start in range(0, len(at), rows):
        stop = start + rows
        yield batch_of(model, at[start:stop], {path: values[start:stop] for path, values in columns.items()}, start)
