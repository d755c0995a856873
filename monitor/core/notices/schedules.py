"""Who is on call: rotations on the clock of a place, and shifts that somebody else takes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo

from monitor.core.notices.intervals import Interval


@dataclass(frozen=True, slots=True)
class Rotation:
    """Receivers take turns. `starts` is the first hand-over on the clock of the place (without a zone), `length` how
    long a shift is there: a week stays a week where a day has 23 hours. `during` limits it to some times.
    """

    receivers: tuple[str, ...]
    starts: datetime
    length: timedelta
    during: Interval | None = None


@dataclass(frozen=True, slots=True)
class Shift:
    """Somebody takes over from everybody else; the end is not part of it. Seconds since 1970 UTC."""

    receiver: str
    starts_at: float
    ends_at: float


@dataclass(frozen=True, slots=True)
class Schedule:
    """The first rotation that covers a moment counts; before all of them the shifts taken over, the last one first."""

    zone: tzinfo
    rotations: tuple[Rotation, ...]
    overrides: tuple[Shift, ...] = ()

    def on_call(self, at: float) -> str | None:
        """The receiver on call, or None: nobody is."""
        for shift in reversed(self.overrides):
            if shift.starts_at <= at < shift.ends_at:
                return shift.receiver
        for rotation in self.rotations:
            turn = _turn(rotation, self.zone, at)
            if turn >= 0 and (rotation.during is None or rotation.during.holds(at)):
                return rotation.receivers[turn % len(rotation.receivers)]
        return None

    def next_change(self, at: float) -> float | None:
        """When somebody else may be on call; never before it, perhaps without a change. None: never."""
        return min((moment for moment in self._changes(at) if moment > at), default=None)

    def _changes(self, at: float) -> Iterator[float]:
        for shift in self.overrides:
            yield from (shift.starts_at, shift.ends_at)
        for rotation in self.rotations:
            yield _hand_over(rotation, self.zone, max(0, _turn(rotation, self.zone, at) + 1))
            if rotation.during is not None:
                yield rotation.during.changes_after(at)


def _turn(rotation: Rotation, zone: tzinfo, at: float) -> int:
    """Which shift it is, from 0; -1 before the first.

    Found among moments, not among what the clock shows: in the hour that it shows twice nothing is handed back.
    """
    shown = datetime.fromtimestamp(at, zone).replace(tzinfo=None)
    turn = (shown - rotation.starts) // rotation.length
    while turn >= 0 and _hand_over(rotation, zone, turn) > at:
        turn -= 1
    while turn >= -1 and _hand_over(rotation, zone, turn + 1) <= at:
        turn += 1
    return max(turn, -1)


def _hand_over(rotation: Rotation, zone: tzinfo, turn: int) -> float:
    """When a shift begins. Where the clock shows the time twice, the first counts; where it skips it, the same time
    as if it had not been put forward."""
    return (rotation.starts + turn * rotation.length).replace(tzinfo=zone).timestamp()
