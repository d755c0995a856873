from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from monitor.core.notices.pace import LONGEST_RETRY, Allowance, Rate, refused_delay, retry_delay, spend


def test_retries_double_from_a_second_to_five_minutes_and_never_end() -> None:
    full = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 300.0, 300.0]
    for attempt, most in enumerate(full, start=1):
        assert most / 2 <= retry_delay("k", attempt) <= most
    assert LONGEST_RETRY / 2 <= retry_delay("k", 10**6) <= LONGEST_RETRY


def test_the_jitter_is_the_same_every_time_and_differs_between_notices() -> None:
    assert retry_delay("a", 5) == retry_delay("a", 5)
    assert len({retry_delay(f"k{i}", 5) for i in range(50)}) > 40


def test_a_targets_own_wish_is_a_minimum_up_to_an_hour() -> None:
    assert retry_delay("k", 1, wish=120.0) == 120.0
    assert retry_delay("k", 12, wish=1.0) > 100.0
    assert retry_delay("k", 1, wish=1e9) == 3600.0


def test_what_was_refused_is_tried_again_after_five_minutes_doubling_to_an_hour() -> None:
    delays = [refused_delay(attempt) for attempt in (1, 2, 3, 4, 5, 10**6)]
    assert delays == [300.0, 600.0, 1200.0, 2400.0, 3600.0, 3600.0]


def test_a_burst_is_allowed_and_then_the_rate() -> None:
    rate = Rate(burst=2.0, per_second=0.5)
    left, wait = spend(rate, None, 0.0)
    assert wait == 0.0
    left, wait = spend(rate, left, 0.0)
    assert wait == 0.0
    left, wait = spend(rate, left, 0.0)
    assert wait == 2.0
    left, wait = spend(rate, left, 1.0)
    assert wait == 1.0
    left, wait = spend(rate, left, 2.0)
    assert wait == 0.0 and left == Allowance(0.0, 2.0)


@given(st.lists(st.floats(0, 100), max_size=60))
def test_no_more_is_ever_sent_than_the_rate_allows(gaps: list[float]) -> None:
    rate, allowance, at, sent = Rate(3.0, 0.1), None, 0.0, 0
    for gap in gaps:
        at += gap
        allowance, wait = spend(rate, allowance, at)
        sent += wait == 0.0
    assert sent <= 3.0 + 0.1 * at + 1e-6
