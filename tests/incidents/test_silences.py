from __future__ import annotations

import time
from typing import Any

import pytest
from deciding import DAY, HOUR, T0, an_incident

from monitor.core.changes import Silence
from monitor.core.incidents.silences import matches, matches_now, problem, silencing, status, without_effect


def a_silence(*matchers: tuple[str, str, str], **given: Any) -> Silence:
    values: dict[str, Any] = {"starts_at": T0, "ends_at": T0 + HOUR, "created_by": "kim", "reason": "a deploy"}
    return Silence(**{"id": "s1", "matchers": matchers or (("model", "=", "fraud-eu"),), **values, **given})


def test_a_silence_is_in_force_from_its_start_up_to_its_end() -> None:
    silence = a_silence()
    assert [status(silence, T0 + s) for s in (-1, 0, HOUR - 1, HOUR)] == ["pending", "active", "active", "expired"]


@pytest.mark.parametrize(
    ("matcher", "fits"),
    [
        (("model", "=", "fraud-eu"), True),
        (("model", "=", "fraud"), False),
        (("rule", "!=", "LowConfidence"), False),
        (("severity", "!=", "low"), True),
        (("model", "=~", "fraud-.*"), True),
        (("model", "=~", "fraud"), False),  # anchored
        (("pack", "!~", "card-.*"), True),
        (("pack", "!~", "fr[a-z]+"), False),
        (("model", "=~", "churn|fraud-eu"), True),
        (("model", "=~", "fraud|eu"), False),  # the anchors hold for all alternatives
        (("model", "=~", "(?i)FRAUD-EU"), True),
        (("model", "!~", "(?i)FRAUD-.*"), False),
    ],
)
def test_matchers_compare_as_alertmanagers_do(matcher: tuple[str, str, str], fits: bool) -> None:
    assert matches(a_silence(matcher), an_incident()) is fits


def test_all_matchers_must_fit() -> None:
    silence = a_silence(("model", "=", "fraud-eu"), ("severity", "=", "low"))
    assert not matches(silence, an_incident())


def test_of_several_silences_the_one_that_ends_last_counts() -> None:
    short, long = a_silence(), a_silence(id="s2", ends_at=T0 + DAY)
    later = a_silence(id="s3", starts_at=T0 + 1, ends_at=T0 + 2 * DAY)
    assert silencing(an_incident(), [short, long, later], T0) == long
    assert silencing(an_incident(), [short], T0 + HOUR) is None


def test_a_silence_lists_what_it_matches_now() -> None:
    open_, closed = an_incident(), an_incident(id="2", state="closed")
    other = an_incident(id="3", model="churn")
    assert matches_now(a_silence(), [open_, closed, other]) == (open_.id,)


@pytest.mark.parametrize(
    ("silence", "says"),
    [
        (a_silence(reason=" "), "needs a reason"),
        (Silence("s", (), T0, T0 + 1, "kim", "x"), "at least one matcher"),
        (a_silence(ends_at=T0), "at most 30 days"),
        (a_silence(ends_at=T0 + 31 * DAY), "at most 30 days"),
        (a_silence(("colour", "=", "red")), "cannot match 'colour'"),
        (a_silence(("model", "~", "x")), "operator '~'"),
        (a_silence(("model", "=~", "(")), "cannot be used"),
        (a_silence(("model", "=~", r"(a)\1")), "is not part of"),
        (a_silence(("model", "=~", r"\bfraud\b")), "is not part of"),
        (a_silence(("model", "=~", "fraud(?!-eu)")), "Only plain groups"),
        (a_silence(("model", "=~", "a)|(b")), "closes nothing"),
        (a_silence(("model", "=~", "a{1000}")), "not within 0 to 100"),
        (a_silence(("model", "=~", "a" * 201)), "longer than 200"),
    ],
)
def test_what_cannot_be_a_silence_is_refused_with_a_sentence(silence: Silence, says: str) -> None:
    sentence = problem(silence)
    assert sentence is not None and says in sentence and sentence.endswith(".")


@pytest.mark.parametrize(
    "pattern", ["fraud-.*", "(eu|us)-[a-z]+", r"a\*b\*c\*d\*", "[*+]x", r"\d{3}-\w+", "", "(a+)+b"]
)
def test_ordinary_patterns_are_taken(pattern: str) -> None:
    assert problem(a_silence(("model", "=~", pattern))) is None


@pytest.mark.parametrize("pattern", ["a?" * 60 + "a" * 60, "(a|a)" * 38 + "x", "(a+)+b", "(a|ab|b)*c", ".*.*.*.*x"])
def test_no_pattern_takes_longer_than_a_moment_whatever_the_text(pattern: str) -> None:
    """The first ones double the time of a backtracking matcher with every letter."""
    silence = a_silence(("model", "=~", pattern))
    assert problem(silence) is None
    started = time.perf_counter()
    matches(silence, an_incident(model="a" * 200))
    assert time.perf_counter() - started < 0.5


@pytest.mark.parametrize("operator", ["=~", "!~"])
def test_a_kept_silence_with_a_pattern_that_is_no_longer_taken_holds_nothing_back_and_says_so(operator: str) -> None:
    silence = a_silence(("model", operator, r"(fraud)-\1"))
    assert not matches(silence, an_incident()) and not matches(silence, an_incident(model="fraud-fraud"))
    sentence = without_effect(silence)
    assert sentence is not None and "s1 of kim holds nothing back" in sentence and r"'(fraud)-\\1'" in sentence
    assert without_effect(a_silence(("model", operator, "fraud-.*"))) is None
