"""Durations, shares and numbers as people write them."""

from __future__ import annotations

import pytest

from monitor.core.rules.quantities import QuantityError, parse_duration, parse_factor, parse_number, parse_share
from monitor.core.rules.wording import counted, duration, false_pages


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0", 0), ("250ms", 0.25), ("30s", 30), ("1.5h", 5400), ("1h30m", 5400), ("7d", 604800), ("4w", 2419200)],
)
def test_a_duration_is_a_number_and_a_unit(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["15", "", "m", "5 minutes", "-5m", "1h 30m", "5M", "٣m", "1" * 60 + "s", "inf"])
def test_anything_else_is_no_duration(text: str) -> None:
    with pytest.raises(QuantityError) as refused:
        parse_duration(text)
    assert refused.value.fix


@pytest.mark.parametrize(("text", "share"), [("5%", 0.05), ("0.05", 0.05), ("0", 0), ("100%", 1), ("12.5 %", 0.125)])
def test_a_share_is_a_percentage_or_a_fraction(text: str, share: float) -> None:
    assert parse_share(text) == pytest.approx(share)


@pytest.mark.parametrize(
    ("text", "fix"),
    [("> 5%", "above"), (">5%", "above"), ("5", "5%"), ("150%", "5%"), ("-1%", "5%"), ("five", "plain number")],
)
def test_anything_else_is_no_share(text: str, fix: str) -> None:
    with pytest.raises(QuantityError) as refused:
        parse_share(text)
    assert fix in refused.value.fix


def test_numbers_have_no_unit_and_an_end() -> None:
    assert parse_number("1_000.5") == 1000.5
    assert parse_factor("125%") == 1.25
    for text, fix in [("800ms", "800."), ("1e400", "1e308"), ("0x10", "plain number"), ("nan", "plain number")]:
        with pytest.raises(QuantityError) as refused:
            parse_number(text)
        assert fix in refused.value.fix


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(5400, "1 hour 30 minutes"), (604800, "1 week"), (691200, "8 days"), (0.25, "0.25 seconds"), (0, "0 seconds")],
)
def test_durations_are_said_in_words(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_one_thing_is_not_told_as_many() -> None:
    assert [counted(n, "rule") for n in (0, 1, 2_000)] == ["0 rules", "1 rule", "2,000 rules"]
    assert [false_pages(budget) for budget in (1.0, 0.25, 1 / 3)] == [
        "1 false page a week",
        "0.25 false pages a week",
        "0.3333 false pages a week",
    ]
