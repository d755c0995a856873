"""The expression language, case by case."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from monitor.core.events import MISSING, Batch
from monitor.core.findings import NO, UNKNOWN, YES
from monitor.core.rules.expressions import ExpressionError, compile_condition, compile_number

ROWS = [
    {"inputs.a": 1, "inputs.b": 0, "output.l": "Approve", "truth.l": "Approve", "inputs.list": [1, 2, 3]},
    {"inputs.a": 2.5, "inputs.b": 2, "output.l": True, "truth.l": "true"},
    {"inputs.b": 4, "output.l": 3, "truth.l": "3"},
    {"inputs.a": "7", "inputs.b": None, "output.l": None, "truth.l": "x"},
    {"inputs.a": float("nan"), "inputs.b": float("inf"), "output.l": "nope", "truth.l": False},
]
Y, N, U = YES, NO, UNKNOWN

CASES: list[tuple[str, list[int]]] = [
    ("inputs.a > 1", [N, Y, U, U, U]),
    ("not inputs.a > 1", [Y, N, U, U, U]),
    ("inputs.a > 1 or inputs.b >= 4", [N, Y, Y, U, U]),
    ("inputs.a > 1 and inputs.b < 0", [N, N, N, U, U]),
    ("0 < inputs.a <= 2.5", [Y, Y, U, U, U]),
    ("inputs.a is missing", [N, N, Y, N, N]),
    ("inputs.b is not missing", [Y, Y, Y, N, Y]),
    ("inputs.nowhere is missing", [Y, Y, Y, Y, Y]),
    ("inputs.nowhere > 1", [U, U, U, U, U]),
    ("output.l == 'Approve'", [Y, N, U, U, N]),
    ("output.l != 'Approve'", [N, Y, U, U, Y]),
    ("lower(output.l) == 'approve'", [Y, N, U, U, N]),
    ("output.l == true", [U, Y, U, U, U]),
    ("output.l != false", [U, Y, U, U, U]),
    ("output.l != truth.l", [N, N, U, U, Y]),
    ("output.l in ('Approve', 'true')", [Y, Y, U, U, N]),
    ("output.l not in ('Approve', 'true')", [N, N, U, U, Y]),
    ("inputs.b in (0, -4, 4)", [Y, N, Y, U, U]),
    ("contains(output.l, 'ppr')", [Y, N, U, U, N]),
    ("startswith(output.l, 't')", [N, Y, U, U, N]),
    ("endswith(lower(output.l), 'e')", [Y, Y, U, U, Y]),
    ("matches(output.l, '^[a-z]+$')", [N, Y, U, U, Y]),
    ("len(output.l) == 7", [Y, U, U, U, N]),
    ("len(inputs.list) == 3", [Y, U, U, U, U]),
    ("inputs.a / inputs.b >= 1", [U, Y, U, U, U]),
    ("inputs.b % 3 == 1", [N, N, Y, U, U]),
    ("-inputs.a < -2", [N, Y, U, U, U]),
    ("abs(inputs.b - 3) == 1", [N, Y, Y, U, U]),
    ("hour(at) == 1 and weekday(at) == 3", [N, Y, N, N, N]),
    ("id == 'e3'", [N, N, N, Y, N]),
    ("version is missing", [Y, Y, Y, Y, Y]),
    ("version == '2'", [U, U, U, U, U]),
    ("true or inputs.a > 1", [Y, Y, Y, Y, Y]),
    ("not (true and 1 < 2)", [N, N, N, N, N]),
]


@pytest.mark.parametrize(("source", "expected"), CASES)
def test_a_condition_is_yes_no_or_unknown(source: str, expected: list[int], batch: Callable[..., Batch]) -> None:
    hours = [0.0, 3600.0, 2 * 3600.0, 86400.0, 86400.0 * 4]
    assert compile_condition(source).evaluate(batch(ROWS, hours)).tolist() == expected


def test_columns_come_in_the_order_of_first_mention() -> None:
    condition = compile_condition("truth.l != output.l and col('inputs.user-id') is missing and output.l == 'a'")
    assert condition.columns == ("truth.l", "output.l", "inputs.user-id")
    assert condition.needs_truth
    assert not compile_condition("output.l == 'truth.l'").needs_truth


def test_cells_of_the_wrong_type_are_counted_once_each(batch: Callable[..., Batch]) -> None:
    condition = compile_condition("inputs.a > 1 and inputs.a < 9 and output.l == 'Approve'")
    assert condition.mistyped(batch(ROWS)) == 2  # inputs.a is text in one row, output.l is a number in another


def test_a_number_that_is_not_finite_is_unknown_and_not_mistyped(batch: Callable[..., Batch]) -> None:
    rows: list[dict[str, Any]] = [{"inputs.a": "NaN"}, {"inputs.a": 1e308}, {"inputs.a": 2**70}]
    values, known = compile_number("inputs.a * 10").evaluate(batch(rows))
    assert known.tolist() == [False, False, True]
    assert np.isnan(values).tolist() == [True, True, False]
    assert compile_number("inputs.a * 10").mistyped(batch(rows)) == 0


def test_text_in_quotes_has_no_escapes(batch: Callable[..., Batch]) -> None:
    rows = [{"inputs.code": "a\\d"}, {"inputs.code": "A7"}]
    assert compile_condition(r"inputs.code == 'a\d'").evaluate(batch(rows)).tolist() == [YES, NO]
    assert compile_condition(r"matches(inputs.code, '\w\d')").evaluate(batch(rows)).tolist() == [NO, YES]


def test_long_texts_are_looked_at_as_far_as_the_limit(batch: Callable[..., Batch]) -> None:
    rows = [{"inputs.t": "x" * 9_999 + "!"}, {"inputs.t": "x" * 10_000 + "!"}]
    assert compile_condition("contains(inputs.t, '!')").evaluate(batch(rows)).tolist() == [YES, NO]


def test_an_empty_batch_has_an_empty_answer(batch: Callable[..., Batch]) -> None:
    empty = batch([])
    for source, _ in CASES:
        assert compile_condition(source).evaluate(empty).shape == (0,)


REFUSED: list[tuple[str, int, str]] = [
    ("", 0, "is empty"),
    ("  ", 0, "is empty"),
    ("1 < 2 extra", 0, "not an expression"),
    ("inputs.a", 0, "a condition is due"),
    ("inputs.a + 1", 0, "a condition is due"),
    ("amount > 5", 0, "columns start with"),
    ("  input.a > 5", 2, "columns start with"),
    ("inputs.user-id == 'x'", 0, "subtracts `id`"),
    ("inputs.class == 'a'", 7, "is a word of the language"),
    ("inputs.a > 800ms", 11, "neither a number nor a name"),
    ("inputs.a > 5%", 11, "not an expression"),
    ("inputs.a = 5", 9, "not an expression"),
    ("inputs.a > 'x'", 11, "compare numbers"),
    ("inputs.a + 1 == 'x'", 0, "never known"),
    ("inputs.a == None", 12, "`None` is no value"),
    ("inputs.a == missing", 12, "cannot be compared"),
    ("inputs.a is 5", 12, "whether a value is missing"),
    ("hour(at) is missing", 0, "Only a column can be missing"),
    ("inputs.a ** 2 > 1", 0, "not part of the rule language"),
    ("inputs.a & 1", 0, "not part of the rule language"),
    ("inputs.a in inputs.b", 12, "needs a list"),
    ("inputs.a in (1, 'a')", 12, "plain values of one kind"),
    ("inputs.a in (1, inputs.b)", 12, "plain values of one kind"),
    ("inputs.a > 1e400", 11, "beyond what a number can hold"),
    ("inputs.a > " + "9" * 400, 11, "beyond what a number can hold"),
    ("__import__('os')", 0, "no function here"),
    ("inputs.a.b()", 0, "is no function"),
    ("contains(inputs.a)", 0, "takes a value and a text"),
    ("contains(inputs.a, inputs.b)", 19, "text in quotes is due"),
    ("matches(inputs.a, '(')", 18, "ends too early"),
    ("col('amount') > 1", 0, "columns start with"),
    ("lambda: 1", 0, "not part of the rule language"),
    ("(x := 1)", 1, "not part of the rule language"),
    ("f'{inputs.a}' == 'a'", 0, "not part of the rule language"),
    ("inputs.a > b'x'", 11, "not part of the rule language"),
    ("inputs.größe > 1 and output.x > y", 32, "columns start with"),
    ("inputs.ﬁeld > 1", 0, "change some letters"),
    ("a\0b", 1, "cannot be shown"),
    ("-" * 2000 + "1 > 0", 0, "nested more than 30 deep"),
    ("not " * 40 + "true", 0, "nested more than 30 deep"),
    (" and ".join(["true"] * 210), 0, "more than 200 parts"),
    ("(" * 400 + "1" + ")" * 400, 200, "too many nested"),
    ("true or " * 300 + "true", 0, "more than 2048 bytes"),
]


@pytest.mark.parametrize(("source", "offset", "words"), REFUSED)
def test_everything_else_is_refused_with_its_place(source: str, offset: int, words: str) -> None:
    with pytest.raises(ExpressionError) as refused:
        compile_condition(source)
    assert words in refused.value.message
    if "not an expression" not in words:
        assert refused.value.offset == offset
    assert refused.value.fix


def test_a_batch_is_computed_once_for_equal_conditions(batch: Callable[..., Batch]) -> None:
    rows = batch([{"inputs.a": 1}, {"inputs.a": MISSING}])
    first = compile_condition("inputs.a > 0").evaluate(rows)
    assert compile_condition("inputs.a > 0").evaluate(rows) is first
