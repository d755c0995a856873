from __future__ import annotations

import time
from typing import Any

import pytest
from deciding import DAY, HOUR, T0, an_incident

from monitor.core.changes import Silence
from monitor.core.incidents.silences import matches, matches_now, problem, silencing, status


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
        (a_silence(("model", "=~", "(a+)+b")), "repeats a group"),
        (a_silence(("model", "=~", "(?:a|a)*b")), "repeats a group"),
        (a_silence(("model", "=~", r"(a)\1")), "refers back"),
        (a_silence(("model", "=~", "a*b*c*d*")), "more than 3 repeats"),
        (a_silence(("model", "=~", "a{2,}b*c*d{,9}")), "more than 3 repeats"),
        (a_silence(("model", "=~", "a" * 201)), "longer than 200"),
    ],
)
def test_what_cannot_be_a_silence_is_refused_with_a_sentence(silence: Silence, says: str) -> None:
    sentence = problem(silence)
    assert sentence is not None and says in sentence and sentence.endswith(".")


@pytest.mark.parametrize("pattern", ["fraud-.*", "(eu|us)-[a-z]+", r"a\*b\*c\*d\*", "[*+]x", r"\d{3}-\w+", ""])
def test_ordinary_patterns_are_taken(pattern: str) -> None:
    assert problem(a_silence(("model", "=~", pattern))) is None


def test_the_worst_pattern_that_is_taken_still_matches_quickly() -> None:
    silence = a_silence(("model", "=~", ".*.*.*x"))
    assert problem(silence) is None
    started = time.perf_counter()
    assert not matches(silence, an_incident(model="a" * 200))
    assert time.perf_counter() - started < 2.0
