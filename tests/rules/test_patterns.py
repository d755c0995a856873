"""Regular expressions: the same answers as Python's `re`, without its worst case."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.core.rules.patterns import Pattern, PatternError

LETTERS = st.sampled_from([*"abA1 _-.", r"\d", r"\w", r"\S", ".", "[ab]", "[^a-c]", "[A-Z0-9]", r"[\d_-]", r"\.", "é"])
SIGNS = st.sampled_from(["", "", "*", "+", "?", "{2}", "{1,}", "{0,2}", "*?", "+?"])


@st.composite
def patterns(draw: st.DrawFn, depth: int = 2) -> str:
    def atom() -> str:
        if depth and draw(st.integers(0, 3)) == 0:
            return f"{draw(st.sampled_from(['(', '(?:']))}{draw(patterns(depth - 1))})"
        return str(draw(LETTERS))

    def sequence() -> str:
        return "".join(atom() + draw(SIGNS) for _ in range(draw(st.integers(0, 3))))

    return "|".join(sequence() for _ in range(draw(st.integers(1, 2))))


@settings(max_examples=500, deadline=None)
@given(patterns(), st.booleans(), st.booleans(), st.booleans(), st.text("abAB1 _-.é", max_size=8))
def test_a_pattern_matches_where_re_does(body: str, begin: bool, end: bool, any_case: bool, text: str) -> None:
    head = "(?i)" if any_case else ""
    ours = f"{head}{'^' if begin else ''}({body}){'$' if end else ''}"
    theirs = ours.replace("$", r"\Z")
    assert Pattern(ours).search(text) == (re.search(theirs, text) is not None)


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        ("", "", True),
        ("^$", "", True),
        ("^$", "a", False),
        ("(^|,)b(,|$)", "a,b", True),
        ("(^|,)b(,|$)", "ab", False),
        ("^^a$$", "a", True),
        ("[]a]+", "]a", True),
        (r"^\w+@\w+\.com$", "a@b.com", True),
        ("(?i)^straße$", "STRAßE", True),
        ("a.c", "a\nc", False),
    ],
)
def test_ends_of_the_text_and_other_special_cases(pattern: str, text: str, found: bool) -> None:
    assert Pattern(pattern).search(text) is found


@pytest.mark.parametrize(
    "pattern",
    ["(a*)*$", "(a|a)*$", "(a+)+b", ".*.*.*=", "(.*a){12}b", "a*a*a*a*a*a*b", "(x+x+)+y"],
)
def test_patterns_that_stall_re_take_one_step_a_character(pattern: str) -> None:
    compiled = Pattern(pattern)
    compiled.search("a" * 10_000 + "!")  # any backtracking would not come back
    assert len(compiled._steps) < 1_000


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("(", "ends too early"),
        ("a)", "closes nothing"),
        ("*a", "repeats nothing"),
        ("a**", "follow each other"),
        ("a{2", "begins no repetition"),
        ("a{3,2}", "not within"),
        ("a{1000}", "not within"),
        ("[z-a]", "no range"),
        ("[a", "ends too early"),
        (r"(a)\1", "not part of"),
        (r"\bword", "not part of"),
        ("(?=a)", "Only plain groups"),
        ("(?P<x>a)", "Only plain groups"),
        ("a" * 300, "256 are allowed"),
        ("(" * 30 + ")" * 30, "nested more than"),
        ("((a{50}){50}){50}", "too large"),
        ("((((|){100}){100}){100}){100}", "too large"),
    ],
)
def test_what_is_no_pattern_here_is_refused_in_a_sentence(pattern: str, words: str) -> None:
    with pytest.raises(PatternError) as refused:
        Pattern(pattern)
    assert words in refused.value.message
    assert refused.value.fix


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet=r"ab()[]{}*+?|\^$.-,0123456789d", max_size=30))
def test_no_text_does_anything_but_compile_or_be_refused_as_a_pattern(text: str) -> None:
    try:
        Pattern(text).search("ab0-" * 5)
    except PatternError as refused:
        assert refused.message.endswith(".")


def test_the_memory_of_a_pattern_is_bounded() -> None:
    pattern = Pattern("[^a]b")
    pattern.search("".join(map(chr, range(0x1000, 0x1000 + 45_000))))
    assert len(pattern._steps) <= 20_001
    assert len(pattern._accepts) <= 20_001
    assert pattern.search("xb")
