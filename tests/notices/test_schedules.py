"""Who is on call: turns, hand-over on the clock of a place, both changes of that clock, shifts taken over."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.notices.intervals import Interval
from monitor.core.notices.schedules import Rotation, Schedule, Shift

BERLIN = ZoneInfo("Europe/Berlin")


def utc(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def weekly(*receivers: str) -> Schedule:
    return Schedule(BERLIN, (Rotation(receivers, datetime.fromisoformat("2026-01-05T09:00"), timedelta(weeks=1)),))


def test_shifts_follow_each_other_from_the_first_hand_over_on() -> None:
    schedule = weekly("anna", "ben", "cleo")
    assert schedule.on_call(utc("2026-01-05T07:59:59")) is None
    assert schedule.on_call(utc("2026-01-05T08:00")) == "anna"
    assert schedule.on_call(utc("2026-01-12T07:59:59")) == "anna"
    assert [schedule.on_call(utc(f"2026-01-{day}T08:00")) for day in (12, 19, 26)] == ["ben", "cleo", "anna"]


def test_the_next_hand_over_is_known() -> None:
    schedule = weekly("anna", "ben")
    assert schedule.next_change(utc("2026-01-01T00:00")) == utc("2026-01-05T08:00")
    assert schedule.next_change(utc("2026-01-05T08:00")) == utc("2026-01-12T08:00")


@pytest.mark.parametrize(
    ("before", "after", "day"),
    [("2026-03-22T08:00", "2026-03-29T07:00", "2026-03-29T06:59:59"),
     ("2026-10-18T07:00", "2026-10-25T08:00", "2026-10-25T07:59:59")],
)  # fmt: skip
def test_the_hand_over_stays_at_nine_when_the_clock_is_changed(before: str, after: str, day: str) -> None:
    schedule = Schedule(
        BERLIN, (Rotation(("anna", "ben"), datetime.fromisoformat("2026-01-04T09:00"), timedelta(weeks=1)),)
    )
    assert schedule.next_change(utc(before)) == utc(after)
    assert schedule.on_call(utc(day)) == schedule.on_call(utc(before)) != schedule.on_call(utc(after))


def test_where_the_clock_shows_the_time_twice_nothing_is_handed_back() -> None:
    schedule = Schedule(
        BERLIN, (Rotation(("anna", "ben"), datetime.fromisoformat("2026-10-24T02:30"), timedelta(days=1)),)
    )
    shown = [
        schedule.on_call(utc(f"2026-10-25T{time}")) for time in ("00:29", "00:30", "00:59", "01:00", "01:29", "01:30")
    ]
    assert shown == ["anna", "ben", "ben", "ben", "ben", "ben"], "it shows 02:30 at 00:30 and at 01:30 UTC"
    assert schedule.next_change(utc("2026-10-25T00:30")) == utc("2026-10-26T01:30")


def test_where_the_clock_skips_the_time_it_is_handed_over_as_if_it_had_not() -> None:
    schedule = Schedule(
        BERLIN, (Rotation(("anna", "ben"), datetime.fromisoformat("2026-03-28T02:30"), timedelta(days=1)),)
    )
    assert schedule.next_change(utc("2026-03-29T00:00")) == utc("2026-03-29T01:30")
    assert [schedule.on_call(utc(f"2026-03-29T01:{m}")) for m in ("29", "30")] == ["anna", "ben"]


def test_a_shift_taken_over_comes_first_and_the_last_one_said_of_several() -> None:
    shifts = (
        Shift("cleo", utc("2026-01-06T00:00"), utc("2026-01-08T00:00")),
        Shift("dan", utc("2026-01-07T00:00"), utc("2026-01-07T12:00")),
    )
    schedule = Schedule(
        BERLIN, (Rotation(("anna",), datetime.fromisoformat("2026-01-05T09:00"), timedelta(weeks=1)),), shifts
    )
    times = ("05T12:00", "06T00:00", "07T00:00", "07T12:00", "08T00:00")
    assert [schedule.on_call(utc(f"2026-01-{t}")) for t in times] == ["anna", "cleo", "dan", "cleo", "anna"]
    assert schedule.next_change(utc("2026-01-06T00:00")) == utc("2026-01-07T00:00")


def test_the_first_rotation_that_covers_a_time_counts() -> None:
    office = Interval(BERLIN, frozenset(range(5)), ((540, 1020),))
    by_day = Rotation(("anna",), datetime.fromisoformat("2026-01-05T09:00"), timedelta(weeks=1), office)
    schedule = Schedule(
        BERLIN, (by_day, Rotation(("ben",), datetime.fromisoformat("2026-01-05T09:00"), timedelta(weeks=1)))
    )
    assert [schedule.on_call(utc(f"2026-01-06T{t}")) for t in ("07:59", "08:00", "16:00")] == ["ben", "anna", "ben"]
    assert schedule.next_change(utc("2026-01-06T08:00")) == utc("2026-01-06T16:00")


def test_nobody_may_be_on_call_and_never_change() -> None:
    assert Schedule(BERLIN, ()).on_call(0.0) is None and Schedule(BERLIN, ()).next_change(0.0) is None


@given(
    at=st.floats(1.7e9, 1.9e9), hours=st.integers(1, 400), zone=st.sampled_from(["Europe/Berlin", "America/New_York"])
)
def test_nobody_else_is_on_call_before_the_next_change(at: float, hours: int, zone: str) -> None:
    turns = Rotation(("anna", "ben", "cleo"), datetime.fromisoformat("2023-01-02T02:30"), timedelta(hours=hours))
    schedule = Schedule(ZoneInfo(zone), (turns,))
    change = schedule.next_change(at)
    assert change is not None and at < change <= at + (hours + 2) * 3600
    for part in range(1, 20):
        assert schedule.on_call(at + (change - at) * part / 20) == schedule.on_call(at)
