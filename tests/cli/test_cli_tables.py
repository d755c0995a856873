"""Tables, JSON and paragraphs as they come out on a terminal and in a pipe."""

from __future__ import annotations

import json
import string

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from monitor.cli.context import as_json
from monitor.cli.table import paragraph, plain, table, visible

ROWS = [
    {"id": "b2bb59c2", "state": "acknowledged", "text": "more than one answer in five is little better than a guess"},
    {"id": "a", "state": None, "text": "short"},
]


def test_in_a_pipe_a_row_is_a_line_and_nothing_is_cut() -> None:
    assert table(ROWS, ["id", "state", "text"], None) == [
        "id        state         text",
        "b2bb59c2  acknowledged  more than one answer in five is little better than a guess",
        "a         -             short",
    ]


def test_on_a_terminal_the_text_is_wrapped_under_its_beginning() -> None:
    assert table(ROWS, ["id", "state", "text"], 60) == [
        "id        state         text",
        "b2bb59c2  acknowledged  more than one answer in five is",
        "                        little better than a guess",
        "a         -             short",
    ]


def test_where_too_little_room_is_left_the_text_goes_below_its_row() -> None:
    assert table(ROWS, ["id", "state", "text"], 40) == [
        "id        state",
        "    text",
        "b2bb59c2  acknowledged",
        "    more than one answer in five is",
        "    little better than a guess",
        "a         -",
        "    short",
    ]


def test_columns_that_do_not_fit_are_cut_the_widest_first() -> None:
    lines = table([{"model": "m" * 50, "id": "12345678", "text": "x"}], ["model", "id", "text"], 30)
    assert lines[2] == "m" * 19 + "…  12345678"


def test_wide_letters_take_two_columns() -> None:
    lines = table([{"a": "検査", "b": "x"}, {"a": "abcd", "b": "y"}], ["a", "b"], None)
    assert lines == ["a     b", "検査  x", "abcd  y"]


CELL = st.one_of(st.text(max_size=40), st.floats(), st.none())


@example([(None, -1e16, 1e24)], 47)
@given(st.lists(st.tuples(CELL, CELL, CELL), max_size=3), st.integers(40, 100))
def test_no_line_is_wider_than_the_terminal_and_none_has_a_control_character(cells: list, width: int) -> None:
    rows = [dict(zip("abc", row, strict=True)) for row in cells]
    for line in table(rows, ["a", "b", "c"], width):
        assert line.isprintable() and len(line) <= width


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "-"),
        ("", "-"),
        (True, "yes"),
        (1500, "1500"),
        (20.0, "20"),
        (0.123456, "0.1235"),
        (float("nan"), "nan"),
        (["a", 1], "a, 1"),
        ("a\x1b[31mb\u202e\n", "a [31mb  "),
    ],
)
def test_values_are_shown_plainly(value: object, shown: str) -> None:
    assert plain(value) == shown


@given(st.text())
def test_json_comes_back_as_it_was_and_holds_no_control_character(text: str) -> None:
    if any("\ud800" <= c <= "\udfff" for c in text):
        return
    written = as_json({"a": text})
    assert json.loads(written) == {"a": text}
    assert all(c.isprintable() or c == "\n" for c in written)


@given(st.text())
def test_visible_text_keeps_its_length(text: str) -> None:
    assert len(visible(text)) == len(text) and visible(text).isprintable()


def test_a_paragraph_hangs_under_its_label() -> None:
    text = "one two three four five six seven"
    assert paragraph("label", text, 8, 40) == ["label   one two three four five six", "        seven"]
    assert paragraph("label", text, 8, None) == [f"label   {text}"]
    assert paragraph("label", string.ascii_letters * 2, 8, 40)[1].startswith("        ")
