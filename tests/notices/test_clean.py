from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.notices.clean import clean

NASTY = st.text(st.one_of(st.characters(), st.sampled_from("@<>!#＠\u200b\u202e\x1b\n\t aehilrnvoycp")), max_size=300)


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("@here", "here"),
        ("@@channel", "channel"),
        ("x@everyone", "xeveryone"),
        ("＠here", "here"),
        ("@\u200bhere", "here"),
        ("hi @kim", "hi kim"),
        ("<!channel>", "‹!channel>"),
        ("<@U123> <#C1|x>", "‹U123> ‹#C1|x>"),
        ("<https://evil|click>", "‹https://evil|click>"),
        ("<b onload=x>", "‹b onload=x>"),
        ("fraud@4.1.7", "fraud@4.1.7"),
        ("amount < 5", "amount < 5"),
        ("a\r\nSubject: x", "a Subject: x"),
        ("\x1b[31mred\x07", "[31mred"),
        ("abc\u202edef", "abcdef"),
        ("\ud800", ""),
        ("  a \t b\u2028c  ", "a b c"),
        ("Zoë 東京", "Zoë 東京"),
    ],
)
def test_text_from_outside_is_made_fit(text: str, cleaned: str) -> None:
    assert clean(text) == cleaned


@given(NASTY, st.integers(2, 400), st.booleans())
def test_nothing_dangerous_is_left_and_cleaning_twice_is_cleaning_once(text: str, limit: int, lines: bool) -> None:
    once = clean(text, limit, lines)
    assert len(once) <= limit
    assert not re.search(r"<[!@#/A-Za-z]", once)
    assert not re.search(r"@(here|channel|everyone|all)", once, re.IGNORECASE)
    categories = {unicodedata.category(c) for c in once if not (lines and c == "\n")}
    assert not categories & {"Cc", "Cf", "Cs", "Zl", "Zp"}
    assert clean(once, limit, lines) == once


def test_lines_stay_where_asked() -> None:
    assert clean("a\n\n b \r\nc", lines=True) == "a\n\nb\nc"


def test_a_huge_text_costs_no_more_than_what_is_kept() -> None:
    assert clean("x" * 10_000_000, 50) == "x" * 49 + "…"
