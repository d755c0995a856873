"""Times of the week on the clock of a place, also where that clock is put forward and back."""

from __future__ import annotations

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.notices.intervals import Interval

BERLIN = ZoneInfo("Europe/Berlin")
OFFICE = Interval(BERLIN, frozenset(range(5)), ((540, 1020),))  # mon-fri 09:00-17:00
NIGHT = Interval(BERLIN, frozenset({4}), ((1320, 360),))  # fri 22:00-06:00


def utc(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("at", "holds"),
    [
        ("2026-11-24T07:59:59", False),  # Tuesday, an hour behind Berlin
        ("2026-11-24T08:00", True),
        ("2026-11-24T15:59:59", True),
        ("2026-11-24T16:00", False),
        ("2026-07-21T07:00", True),  # summer: two hours behind
        ("2026-11-28T10:00", False),  # Saturday
    ],
)
def test_hours_are_those_of_the_place_and_their_end_is_not_part_of_them(at: str, holds: bool) -> None:
    assert OFFICE.holds(utc(at)) is holds


@pytest.mark.parametrize(
    ("at", "holds"),
    [("2026-11-27T20:59", False), ("2026-11-27T21:00", True), ("2026-11-28T04:59", True), ("2026-11-28T05:00", False),
     ("2026-11-28T22:00", False), ("2026-11-27T04:00", False)],
)  # fmt: skip
def test_hours_over_midnight_belong_to_the_day_they_begin_on(at: str, holds: bool) -> None:
    assert NIGHT.holds(utc(at)) is holds


def test_dates_include_the_last_day() -> None:
    holidays = Interval(BERLIN, dates=((date(2026, 12, 24), date(2026, 12, 26)),))
    assert [holidays.holds(utc(f"2026-12-{day}T12:00")) for day in (23, 24, 26, 27)] == [False, True, True, False]
    assert holidays.changes_after(utc("2026-12-24T12:00")) == utc("2026-12-26T23:00")


def test_the_next_change_is_the_next_edge_that_changes_anything() -> None:
    assert OFFICE.changes_after(utc("2026-11-24T12:00")) == utc("2026-11-24T16:00")
    assert OFFICE.changes_after(utc("2026-11-27T16:00")) == utc("2026-11-30T08:00"), "over the weekend"
    assert NIGHT.changes_after(utc("2026-11-27T22:00")) == utc("2026-11-28T05:00")


def test_a_day_without_the_hour_and_one_with_it_twice() -> None:
    small_hours = Interval(BERLIN, hours=((120, 180),))  # 02:00-03:00
    assert small_hours.changes_after(utc("2026-03-29T00:00")) == utc("2026-03-30T00:00"), "it was put forward over it"
    assert [small_hours.holds(utc(f"2026-10-25T0{h}:30")) for h in (0, 1)] == [True, True], "it shows 02:30 twice"
    assert small_hours.changes_after(utc("2026-10-25T00:30")) == utc("2026-10-25T02:00")


@given(
    at=st.floats(1.7e9, 1.9e9),
    days=st.frozensets(st.integers(0, 6), min_size=1),
    start=st.integers(0, 1439),
    end=st.integers(1, 1440),
    zone=st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata"]),
)
def test_nothing_changes_before_the_next_change(
    at: float, days: frozenset[int], start: int, end: int, zone: str
) -> None:
    interval = Interval(ZoneInfo(zone), days, ((start, end),))
    change = interval.changes_after(at)
    assert change > at
    for part in range(1, 20):
        assert interval.holds(at + (change - at) * part / 20) is interval.holds(at)
