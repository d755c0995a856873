"""Times of the week, and dates, on the clock of a place: when a route is mute, when it is active."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo
from typing import Final

ALL_DAYS: Final = frozenset(range(7))  # 0 is Monday
WHOLE_DAY: Final = ((0, 1440),)
_AHEAD: Final = 9  # days looked ahead for the next change


@dataclass(frozen=True, slots=True)
class Interval:
    """`hours` are minutes of the day, from (included) to (not included); one that ends before it begins runs over
    midnight and belongs to the day it begins on. `dates` are first and last days; none means every day. What the clock
    of the place shows counts, so an hour it shows twice counts twice.
    """

    zone: tzinfo
    days: frozenset[int] = ALL_DAYS
    hours: tuple[tuple[int, int], ...] = WHOLE_DAY
    dates: tuple[tuple[date, date], ...] = ()

    def holds(self, at: float) -> bool:
        """Whether `at` (seconds since 1970 UTC) is within."""
        local = datetime.fromtimestamp(at, self.zone)
        minute = local.hour * 60 + local.minute
        today, before = self._day(local.date()), self._day(local.date() - timedelta(days=1))
        for start, end in self.hours:
            if start < end and today and start <= minute < end:
                return True
            if start >= end and ((today and minute >= start) or (before and minute < end)):
                return True
        return False

    def changes_after(self, at: float) -> float:
        """When that next changes; or, where it does not for days, when to look again."""
        now, first = self.holds(at), datetime.fromtimestamp(at, self.zone).date()
        edges = {0, *(minute % 1440 for pair in self.hours for minute in pair)}
        moments = sorted(
            moment
            for ahead in range(_AHEAD)
            for minute in edges
            for moment in moments_of(first + timedelta(days=ahead), minute, self.zone)
            if moment > at
        )
        return next((moment for moment in moments if self.holds(moment) != now), moments[-1])

    def _day(self, day: date) -> bool:
        return day.weekday() in self.days and (
            not self.dates or any(first <= day <= last for first, last in self.dates)
        )


def moments_of(day: date, minute: int, zone: tzinfo) -> set[float]:
    """When a clock shows this: two moments where it is put back over it, else one."""
    shown = datetime.combine(day, time(minute // 60, minute % 60), zone)
    return {shown.timestamp(), shown.replace(fold=1).timestamp()}
