"""Generated expressions: the array form equals a scalar evaluator of its own, and no text breaks the compiler."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from monitor.core.events import MISSING, NONFINITE_WORDS, Batch
from monitor.core.findings import NO, UNKNOWN, YES
from monitor.core.rules.aggregates import parse_aggregate
from monitor.core.rules.expressions import ExpressionError, compile_condition, compile_number

Row = dict[str, Any]
Truth = bool | None  # None is unknown
MakeBatch = Callable[[list[Row]], Batch]


@dataclass(frozen=True)
class Term:
    """A piece of an expression: its text, and what it is in one row."""

    text: str
    of: Callable[[Row], Any]


# -- what one cell is, in plain Python ------------------------------------------------------------------------------


def number(cell: Any) -> float | None:
    if isinstance(cell, bool | int | float) and math.isfinite(cell):
        return float(cell)
    return None


def text(cell: Any) -> str | None:
    if isinstance(cell, bool):
        return "true" if cell else "false"
    return cell if isinstance(cell, str) else None


def finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def arithmetic(sign: str, a: float | None, b: float | None) -> float | None:
    if a is None or b is None or (sign in ["/", "//", "%"] and b == 0):
        return None
    try:
        return finite({"+": a + b, "-": a - b, "*": a * b}[sign] if sign in "+-*" else divided(sign, a, b))
    except OverflowError:
        return None


def divided(sign: str, a: float, b: float) -> float:
    return a / b if sign == "/" else a // b if sign == "//" else a % b


def compared(sign: str, a: Any, b: Any) -> Truth:
    if a is None or b is None:
        return None
    return bool(
        {"<": lambda: a < b, "<=": lambda: a <= b, ">": lambda: a > b, ">=": lambda: a >= b}.get(
            sign, lambda: (a == b) == (sign == "==")
        )()
    )


def same(a: Any, b: Any) -> Truth:
    if text(a) is not None and text(b) is not None:
        return text(a) == text(b)
    if number(a) is not None and number(b) is not None:
        return number(a) == number(b)
    return None


def flag(cell: Any) -> Truth:
    if text(cell) in ("true", "false"):
        return text(cell) == "true"
    return {1.0: True, 0.0: False}.get(number(cell)) if number(cell) is not None else None  # type: ignore[arg-type]


def negated(value: Truth) -> Truth:
    return None if value is None else not value


def all_of(values: list[Truth]) -> Truth:
    return False if False in values else None if None in values else True


def any_of(values: list[Truth]) -> Truth:
    return True if True in values else None if None in values else False


# -- expressions ----------------------------------------------------------------------------------------------------

PATHS = ("inputs.a", "inputs.b", "output.t", "truth.u")
paths = st.sampled_from(PATHS)
words = st.sampled_from(["", "a", "ab", "true", "A", "ba"])


def column(path: str, read: Callable[[Any], Any]) -> Term:
    written = path if path != "inputs.b" else 'col("inputs.b")'
    return Term(written, lambda row: read(row.get(path, MISSING)))


def constant(value: float) -> Term:
    return Term(repr(value), lambda row: float(value))


def combined(sign: str, a: Term, b: Term) -> Term:
    return Term(f"({a.text} {sign} {b.text})", lambda row: arithmetic(sign, a.of(row), b.of(row)))


def absolute(a: Term) -> Term:
    return Term(f"abs({a.text})", lambda row: None if a.of(row) is None else abs(a.of(row)))


def minus(a: Term) -> Term:
    return Term(f"(-{a.text})", lambda row: None if a.of(row) is None else -a.of(row))


def length(path: str) -> Term:
    def of(row: Row) -> float | None:
        cell = row.get(path, MISSING)
        return float(len(cell)) if isinstance(cell, str | list) else None

    return Term(f"len({path})", of)


numbers = st.recursive(
    st.one_of(
        paths.map(lambda path: column(path, number)),
        st.one_of(st.integers(0, 10), st.sampled_from([0.5, 1e200, 3.25])).map(constant),
        paths.map(length),
    ),
    lambda inner: st.one_of(
        st.builds(combined, st.sampled_from(["+", "-", "*", "/", "//", "%"]), inner, inner),
        inner.map(absolute),
        inner.map(minus),
    ),
    max_leaves=5,
)
# one side at least is no bare column, or the comparison would be one of two cells
proper_numbers = numbers.map(lambda term: Term(f"({term.text} + 0)", term.of))


def ordered(sign: str, a: Term, b: Term) -> Term:
    return Term(f"{a.text} {sign} {b.text}", lambda row: compared(sign, a.of(row), b.of(row)))


def chained(a: Term, b: Term, c: Term) -> Term:
    return Term(
        f"{a.text} < {b.text} <= {c.text}",
        lambda row: all_of([compared("<", a.of(row), b.of(row)), compared("<=", b.of(row), c.of(row))]),
    )


def equal_cells(sign: str, a: str, b: str) -> Term:
    def of(row: Row) -> Truth:
        found = same(row.get(a, MISSING), row.get(b, MISSING))
        return found if sign == "==" else negated(found)

    return Term(f"{a} {sign} {b}", of)


def equal_text(sign: str, path: str, word: str, low: bool) -> Term:
    def of(row: Row) -> Truth:
        found = text(row.get(path, MISSING))
        return compared(sign, found.lower() if found is not None and low else found, word)

    return Term(f"{f'lower({path})' if low else path} {sign} '{word}'", of)


def equal_flag(path: str, wanted: bool) -> Term:
    def of(row: Row) -> Truth:
        found = flag(row.get(path, MISSING))
        return found if wanted else negated(found)

    return Term(f"{path} == {'true' if wanted else 'false'}", of)


def missing(path: str, wanted: bool) -> Term:
    return Term(
        f"{path} is {'' if wanted else 'not '}missing",
        lambda row: (row.get(path, MISSING) in (None, MISSING)) == wanted,
    )


def inside(path: str, options: list[str], wanted: bool) -> Term:
    def of(row: Row) -> Truth:
        found = any_of([compared("==", text(row.get(path, MISSING)), word) for word in options])
        return found if wanted else negated(found)

    listed = ", ".join(f"'{word}'" for word in options)
    return Term(f"{path} {'' if wanted else 'not '}in [{listed}]", of)


def text_test(name: str, path: str, word: str) -> Term:
    def of(row: Row) -> Truth:
        found = text(row.get(path, MISSING))
        if found is None:
            return None
        return word in found if name == "contains" else getattr(found, name)(word)

    return Term(f"{name}({path}, '{word}')", of)


def joined(sign: str, parts: list[Term]) -> Term:
    join = all_of if sign == "and" else any_of
    return Term("(" + f" {sign} ".join(part.text for part in parts) + ")", lambda row: join([p.of(row) for p in parts]))


def denied(part: Term) -> Term:
    return Term(f"(not {part.text})", lambda row: negated(part.of(row)))


signs = st.sampled_from(["<", "<=", ">", ">=", "==", "!="])
equality = st.sampled_from(["==", "!="])
conditions = st.recursive(
    st.one_of(
        st.builds(ordered, signs, proper_numbers, numbers),
        st.builds(chained, numbers, numbers, numbers),
        st.builds(equal_cells, equality, paths, paths),
        st.builds(equal_text, equality, paths, words, st.booleans()),
        st.builds(equal_flag, paths, st.booleans()),
        st.builds(missing, paths, st.booleans()),
        st.builds(inside, paths, st.lists(words, min_size=1, max_size=3), st.booleans()),
        st.builds(text_test, st.sampled_from(["contains", "startswith", "endswith"]), paths, words),
    ),
    lambda inner: st.one_of(
        st.builds(joined, st.sampled_from(["and", "or"]), st.lists(inner, min_size=2, max_size=3)),
        inner.map(denied),
    ),
    max_leaves=5,
)
cells = st.one_of(
    st.integers(-3, 3),
    st.sampled_from([0.5, -2.5, 1e200, float("nan"), float("inf"), 2**70, 10**400]),
    st.booleans(),
    words,
    st.sampled_from(["NaN", "5", "true", "false"]),
    st.none(),
    st.just(MISSING),
    st.just([1.0, 2.0]),
)
rows = st.lists(st.fixed_dictionaries(dict.fromkeys(PATHS, cells)), min_size=1, max_size=6)
CODES = {True: YES, False: NO, None: UNKNOWN}


def small(row: Row) -> Row:
    """10**400 is a number that no float holds: unknown, as infinity is."""
    return {path: math.inf if isinstance(cell, int) and abs(cell) > 2**1000 else cell for path, cell in row.items()}


@settings(max_examples=400, deadline=None)
@given(conditions, rows)
def test_the_array_form_of_a_condition_equals_the_scalar_one(
    batch: MakeBatch, condition: Term, table: list[Row]
) -> None:
    found = compile_condition(condition.text).evaluate(batch(table))
    assert found.tolist() == [CODES[condition.of(small(row))] for row in table]


@settings(max_examples=200, deadline=None)
@given(proper_numbers, rows)
def test_the_array_form_of_a_number_equals_the_scalar_one(batch: MakeBatch, term: Term, table: list[Row]) -> None:
    values, known = compile_number(term.text).evaluate(batch(table))
    expected = [term.of(small(row)) for row in table]
    assert known.tolist() == [value is not None for value in expected]
    assert [v for v, k in zip(values.tolist(), known, strict=True) if k] == [v for v in expected if v is not None]


@settings(max_examples=100, deadline=None)
@given(conditions, rows, st.data())
def test_where_a_batch_is_cut_makes_no_difference(
    batch: MakeBatch, condition: Term, table: list[Row], data: st.DataObject
) -> None:
    cut = data.draw(st.integers(0, len(table)))
    compiled = compile_condition(condition.text)
    whole = compiled.evaluate(batch(table)).tolist()
    parts = [compiled.evaluate(batch(part)).tolist() for part in (table[:cut], table[cut:])]
    assert whole == parts[0] + parts[1]


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(PATHS), rows)
def test_mistyped_are_the_cells_that_are_there_and_of_no_use_as_a_number(
    batch: MakeBatch, path: str, table: list[Row]
) -> None:
    def useless(cell: Any) -> bool:
        spelled = isinstance(cell, str) and cell.strip().lower() in NONFINITE_WORDS
        return isinstance(cell, str | list) and not spelled

    count = sum(useless(row[path]) for row in table)
    assert compile_condition(f"{path} > 1").mistyped(batch(table)) == count


WORDS = (
    "inputs and or not in is missing true ( ) [ ] , ' \" == < 1 0.5 5% abs len col matches lower at lambda : ** = é . "
    "p99 mean share count distinct f' 0x 1e400 if else for await # ;"
)
FRAGMENTS = st.sampled_from([*PATHS, *WORDS.split(), "\\", "\n", "\t"])
junk = st.one_of(st.text(max_size=60), st.lists(FRAGMENTS, max_size=14).map(" ".join), st.lists(FRAGMENTS).map("".join))


@settings(max_examples=500, deadline=None)
@given(junk)
@example("matches(inputs.a, '((((((((((a{99}){99}){99}){99}){99}){99}){99}){99}){99}){99}')")
@example("'" * 3 + "inputs.a" + "'" * 3)
@example("inputs.a > 1or true")
@example("\ud800 > 1")
def test_no_text_does_anything_but_compile_or_be_refused(batch: MakeBatch, source: str) -> None:
    table = batch([{"inputs.a": 1, "output.t": "x"}, {}])
    for compile_ in (compile_condition, compile_number, parse_aggregate):
        try:
            compiled: Any = compile_(source)
        except ExpressionError as refused:
            assert refused.message.endswith(".")
            assert 0 <= refused.offset <= len(source)
        else:
            if compile_ is not parse_aggregate:
                compiled.evaluate(table)
