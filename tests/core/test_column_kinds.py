from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.columns import SAMPLE, Columns, infer
from monitor.core.events import ABSENT, MISSING, MISTYPED, NONFINITE, OK, Batch, number
from monitor.core.rules.model import ColumnSetting
from monitor.core.segments import OTHER, Segments
from monitor.core.state import dump, load


def batch(columns: dict[str, list[Any]], first: int = 0) -> Batch:
    n = len(next(iter(columns.values())))
    times = np.arange(first, first + n, dtype=np.float64)
    return Batch("m", [str(i) for i in range(n)], times, times, np.arange(first, first + n), columns, [None] * n)


@pytest.mark.parametrize(
    ("path", "values", "kind"),
    [
        ("inputs.x", [0.5, 1.5, 0.25] * 30, "number"),
        ("inputs.n", [3, 1, 2] * 30, "number"),
        ("inputs.flag", [True, False] * 40, "category"),
        ("inputs.customer_id", [f"c{i}" for i in range(64)], "id"),
        ("inputs.sequence", list(range(64)), "id"),
        ("context.sent", list(range(1_700_000_000, 1_700_000_064)), "time"),
        ("context.day", ["2026-01-05T10:00:00Z"] * 64, "time"),
        ("output.label", ["yes", "no"] * 32, "category"),
        ("inputs.prompt", ["please tell me how the weather will be tomorrow"] * 64, "text"),
        ("inputs.embedding", [[0.1, 0.2]] * 64, "vector"),
        ("inputs.session", [f"{i:032x}" for i in range(64)], "id"),
        ("inputs.odd", ["NaN", 1.0, 2.0, 3.0] * 16, "number"),
    ],
)
def test_a_kind_is_inferred_from_the_first_values(path: str, values: list[Any], kind: str) -> None:
    assert infer(path, values) == kind


@given(st.lists(st.integers(1, 90), min_size=1, max_size=12))
def test_the_row_at_which_a_kind_is_known_does_not_depend_on_the_cuts(sizes: list[int]) -> None:
    values = [MISSING if i % 3 == 0 else float(i % 7) for i in range(200)]
    whole, cut = Columns(), Columns()
    whole.learn(batch({"inputs.x": values}))
    start = 0
    for size in [*sizes, 200]:
        part = values[start : start + size]
        if part:
            cut.learn(batch({"inputs.x": part}, start))
        start += size
    assert cut.save() == whole.save()
    assert whole.known_at["inputs.x"] == 3 * SAMPLE // 2 - 1  # two of three rows have a value


def test_a_column_is_used_only_from_the_row_after_its_kind_became_known() -> None:
    columns = Columns()
    b = batch({"inputs.x": [1.5] * 100})
    columns.learn(b)
    assert columns.first_row("inputs.x", b) == SAMPLE
    assert columns.first_row("inputs.never", b) == b.n


def test_what_a_person_says_stands_above_the_rule_book_and_above_the_guess() -> None:
    columns = Columns({"inputs.x": ColumnSetting(kind="category")})
    columns.learn(batch({"inputs.x": [1.5] * 100}))
    assert columns.kind("inputs.x") == "category"
    columns.fix("inputs.x", "text")
    assert columns.kind("inputs.x") == "text"
    other = Columns({"inputs.x": ColumnSetting(kind="category")})
    other.load(load(dump(columns.save())))
    assert other.kind("inputs.x") == "text"


def test_patterns_expand_to_known_columns_of_the_wanted_kinds_in_order() -> None:
    columns = Columns()
    columns.learn(
        batch({"inputs.b": [1.5] * 70, "inputs.a": [2.5] * 70, "inputs.c": ["u", "v"] * 35, "output.y": [1.0] * 70})
    )
    assert columns.expand(("inputs.*",), ("number",)) == ["inputs.a", "inputs.b"]
    assert columns.expand(("output.y", "inputs.c"), ("number", "category")) == ["inputs.c", "output.y"]


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (1.5, OK),
        (True, OK),
        (2**70, OK),
        (10**400, NONFINITE),
        ("NaN", NONFINITE),
        ("-Infinity", NONFINITE),
        (math.inf, NONFINITE),
        ("12", MISTYPED),
        ([1], MISTYPED),
        (None, ABSENT),
        (MISSING, ABSENT),
    ],
)
def test_every_value_is_a_number_or_says_why_not(value: Any, code: int) -> None:
    assert number(value)[1] == code
    numbers, codes = batch({"x": [value, 1.0]}).numbers("x")
    assert codes.tolist() == [code, OK]
    assert np.isnan(numbers[0]) == (code != OK)


def test_segments_beyond_the_cap_share_one_name_and_take_no_memory() -> None:
    segments = Segments(("inputs.user",), cap=10)
    codes = segments.codes(batch({"inputs.user": [f"u{i}" for i in range(1000)]}))
    assert segments.names[-1] == OTHER and len(segments.names) == 11 and codes[-1] == 10
    again = Segments(("inputs.user",), cap=10)
    again.load(load(dump(segments.save())))
    assert again.names == segments.names
    assert (again.codes(batch({"inputs.user": ["u3", "new", "u9"]})) == [3, 10, 9]).all()


def test_a_missing_value_is_a_segment_of_its_own() -> None:
    segments = Segments(("inputs.a", "inputs.b"))
    segments.codes(batch({"inputs.a": ["x", None], "inputs.b": [1, MISSING]}))
    assert segments.names == ["inputs.a=x, inputs.b=1", "inputs.a=(missing), inputs.b=(missing)"]


@pytest.mark.parametrize("value", ["x" * 8000, [float(i) for i in range(16)] + [None]])
def test_a_restart_in_the_middle_of_learning_does_not_change_the_guess(value: Any) -> None:
    values = [value] * 3 + ["short"] * 30 + ["other"] * 31
    whole, cut = Columns(), Columns()
    whole.learn(batch({"output.answer": values}))
    cut.learn(batch({"output.answer": values[:32]}))
    again = Columns()
    again.load(load(dump(cut.save())))
    again.learn(batch({"output.answer": values[32:]}, first=32))
    assert again.kinds == whole.kinds
