"""Aggregates: what a window says in one number."""

from __future__ import annotations

import pytest

from monitor.core.rules.aggregates import parse_aggregate
from monitor.core.rules.expressions import ExpressionError


@pytest.mark.parametrize(
    ("source", "function", "columns", "quantile"),
    [
        ("count()", "count", (), None),
        ("rate()", "rate", (), None),
        ("mean(output.score)", "mean", ("output.score",), None),
        ("sum(inputs.a / inputs.b)", "sum", ("inputs.a", "inputs.b"), None),
        ("min(inputs.a)", "min", ("inputs.a",), None),
        ("max(abs(inputs.a))", "max", ("inputs.a",), None),
        ("stddev(inputs.a)", "stddev", ("inputs.a",), None),
        ("p1(inputs.a)", "quantile", ("inputs.a",), 0.01),
        ("p50(inputs.a)", "quantile", ("inputs.a",), 0.5),
        ("p99( context.latency_ms )", "quantile", ("context.latency_ms",), 0.99),
        ("p999(inputs.a)", "quantile", ("inputs.a",), 0.999),
        ("distinct(inputs.user)", "distinct", ("inputs.user",), None),
        ('distinct(col("inputs.user-id"))', "distinct", ("inputs.user-id",), None),
        ("share(output.label != truth.label)", "share", ("output.label", "truth.label"), None),
    ],
)
def test_an_aggregate_is_a_function_of_one_thing(
    source: str, function: str, columns: tuple[str, ...], quantile: float | None
) -> None:
    found = parse_aggregate(source)
    assert (found.function, found.columns, found.quantile, found.source) == (function, columns, quantile, source)
    assert found.needs_truth == ("truth" in source)


@pytest.mark.parametrize(
    ("source", "offset", "words"),
    [
        ("inputs.a", 0, "is no aggregate"),
        ("mean", 0, "is no aggregate"),
        ("median(inputs.a)", 0, "is no aggregate"),
        ("p0(inputs.a)", 0, "is no aggregate"),
        ("p100(inputs.a)", 0, "is no aggregate"),
        ("count(inputs.a)", 0, "nothing in its brackets"),
        ("mean()", 0, "one value in its brackets"),
        ("mean(inputs.a, inputs.b)", 0, "one value in its brackets"),
        ("mean(x=1)", 0, "one value in its brackets"),
        ("mean(  amount)", 7, "columns start with"),
        ("mean(inputs.a > 1)", 5, "a number is due"),
        ("share(inputs.a)", 6, "a condition is due"),
        ("distinct(1)", 9, "name of a column is due"),
        ("mean(inputs.a) > 5", 0, "is no aggregate"),
    ],
)
def test_what_is_no_aggregate_is_refused_with_its_place(source: str, offset: int, words: str) -> None:
    with pytest.raises(ExpressionError) as refused:
        parse_aggregate(source)
    assert words in refused.value.message
    assert refused.value.offset == offset
    assert refused.value.fix
