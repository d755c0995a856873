"""Syntax tree -> code over arrays."""

from __future__ import annotations

import ast
from collections.abc import Callable

import numpy as np

from monitor.core.events import Floats
from monitor.core.rules import arrays
from monitor.core.rules.arrays import NumberCode, TextCode, TruthCode
from monitor.core.rules.kinds import ARITHMETIC, DIVISIONS, ORDER, WORDS, Kind, Kinds, is_true
from monitor.core.rules.patterns import Pattern, PatternError
from monitor.core.rules.syntax import ExpressionError, Tree

_TEXT_TESTS: dict[str, Callable[[str], Callable[[str], bool]]] = {
    "contains": lambda needle: lambda text: needle in text,
    "startswith": lambda needle: lambda text: text.startswith(needle),
    "endswith": lambda needle: lambda text: text.endswith(needle),
    "matches": lambda needle: Pattern(needle).search,
}
_NUMBER_FUNCTIONS: dict[str, Callable[[Floats], Floats]] = {
    "abs": np.abs,
    "hour": arrays.hour,
    "weekday": arrays.weekday,
}


class Lowering:
    """Turns one tree into code and notes which columns it reads, in the order of their first mention."""

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self.kinds = Kinds(tree)
        self._columns: dict[str, None] = {}

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(self._columns)

    def path(self, node: ast.expr) -> str:
        """The column that a node names. Raises ExpressionError."""
        path = self.kinds.path(node)
        self._columns[path] = None
        return path

    # -- conditions ---------------------------------------------------------------------------------------------

    def condition(self, node: ast.expr) -> TruthCode:
        """Code of an expression that is true, false or unknown. Raises ExpressionError."""
        if isinstance(node, ast.BoolOp):
            return arrays.join([self.condition(value) for value in node.values], isinstance(node.op, ast.And))
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            return arrays.negate(self.condition(node.operand))
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            pairs = zip(sides, node.ops, sides[1:], strict=False)
            return arrays.join([self._compare(left, op, right) for left, op, right in pairs], every=True)
        kind = self.kinds.kind(node)
        if kind == "condition" and isinstance(node, ast.Call):
            return self._text_test(node)
        if kind == "flag":
            holds = is_true(node)
            return lambda frame: arrays.certain(np.full(frame.n, holds))
        written = self.tree.text(node)
        fix = f"Write {written} == true, or compare it with a number or a text." if kind == "column" else ""
        message = f"`{written}` is {WORDS[kind]}, but a condition is due here."
        raise self.tree.error(node, message, fix or "Compare it with something, such as > 0.")

    def _compare(self, left: ast.expr, op: ast.cmpop, right: ast.expr) -> TruthCode:
        if isinstance(op, ast.Is | ast.IsNot):
            code = self._missing(left, right)
        elif isinstance(op, ast.In | ast.NotIn):
            code = self._inside(left, right)
        else:
            return self._compare_values(left, op, right)
        return arrays.negate(code) if isinstance(op, ast.IsNot | ast.NotIn) else code

    def _compare_values(self, left: ast.expr, op: ast.cmpop, right: ast.expr) -> TruthCode:
        kinds = self.kinds.kind(left), self.kinds.kind(right)
        if isinstance(op, ast.Eq | ast.NotEq) and kinds not in _NUMERIC:
            code = self._equal(left, right, kinds)
            return arrays.negate(code) if isinstance(op, ast.NotEq) else code
        for side, kind in zip((left, right), kinds, strict=True):
            if kind not in ("number", "column"):
                message = f"`{self.tree.text(side)}` is {WORDS[kind]}, but < and > compare numbers."
                raise self.tree.error(side, message, "Compare texts with == or in.")
        return arrays.compared(self.number(left), self.number(right), ORDER[type(op)])

    def _equal(self, left: ast.expr, right: ast.expr, kinds: tuple[Kind, Kind]) -> TruthCode:
        if kinds == ("column", "column"):
            a, b = self.path(left), self.path(right)
            return lambda frame: frame.same(a, b)
        if set(kinds) == {"flag", "column"}:
            column, flag = (left, right) if kinds[0] == "column" else (right, left)
            path = self.path(column)
            return (lambda frame: frame.flags(path)) if is_true(flag) else arrays.negate(lambda f: f.flags(path))
        if set(kinds) <= {"text", "column"}:
            if isinstance(right, ast.Constant):
                return arrays.same_as(self.text(left), self.kinds.literal_text(right))
            return arrays.same_text(self.text(left), self.text(right))
        words = " with ".join(WORDS[kind] for kind in kinds)
        raise self.tree.error(left, f"This compares {words}, which is never known.", "Compare values of one kind.")

    def _missing(self, left: ast.expr, right: ast.expr) -> TruthCode:
        if not (isinstance(right, ast.Name) and right.id == "missing"):
            message = f"`is` asks only whether a value is missing, not `{self.tree.text(right)}`."
            raise self.tree.error(right, message, "Write == to compare, or `is missing`.")
        if isinstance(left, ast.Name) and left.id == "version":
            return lambda frame: arrays.certain(arrays.version_missing(frame))
        if self.kinds.kind(left) != "column":
            raise self.tree.error(left, "Only a column can be missing.", "Write inputs.amount is missing.")
        path = self.path(left)
        return lambda frame: arrays.certain(~frame.batch.present(path))

    def _inside(self, left: ast.expr, right: ast.expr) -> TruthCode:
        if not isinstance(right, ast.Tuple | ast.List | ast.Set) or not right.elts:
            message = f"`in` needs a list of values, not `{self.tree.text(right)}`."
            raise self.tree.error(right, message, "Write x in ('a', 'b'), or contains(x, 'part').")
        kinds = {self.kinds.kind(item) for item in right.elts}
        if len(kinds) > 1 or not all(_is_literal(item) for item in right.elts):
            message = "The list after `in` must hold plain values of one kind."
            raise self.tree.error(right, message, "Write only numbers, or only texts in quotes.")
        return arrays.join([self._compare_values(left, ast.Eq(), item) for item in right.elts], every=False)

    def _text_test(self, node: ast.Call) -> TruthCode:
        subject, needle = self.kinds.arguments(node)
        text, wanted = self.text(subject), self.kinds.literal_text(needle)
        try:
            return arrays.text_test(text, _TEXT_TESTS[self.kinds.function(node)](wanted))
        except PatternError as problem:
            raise ExpressionError(problem.message, self.tree.offset(needle), problem.fix) from None

    # -- numbers ------------------------------------------------------------------------------------------------

    def number(self, node: ast.expr) -> NumberCode:
        """Code of an expression that is a number or unknown. Raises ExpressionError."""
        if self.kinds.due(node, "number"):
            path = self.path(node)
            return lambda frame: frame.numbers(path)
        if isinstance(node, ast.Constant):
            return self._number_constant(node)
        if isinstance(node, ast.UnaryOp):
            sign = np.negative if isinstance(node.op, ast.USub) else np.positive
            return arrays.unary(self.number(node.operand), sign)
        if isinstance(node, ast.BinOp):
            divides = isinstance(node.op, DIVISIONS)
            return arrays.binary(self.number(node.left), self.number(node.right), ARITHMETIC[type(node.op)], divides)
        if isinstance(node, ast.Call):
            return self._number_function(node)
        return arrays.event_time

    def _number_constant(self, node: ast.Constant) -> NumberCode:
        try:
            value = float(node.value)  # type: ignore[arg-type]
        except OverflowError:
            value = np.inf
        if not np.isfinite(value):
            raise self.tree.error(node, "This number is beyond what a number can hold.", "Write one under 1e308.")
        return arrays.constant(value)

    def _number_function(self, node: ast.Call) -> NumberCode:
        (argument,) = self.kinds.arguments(node)
        name = self.kinds.function(node)
        if name != "len":
            return arrays.unary(self.number(argument), _NUMBER_FUNCTIONS[name])
        if self.kinds.kind(argument) == "column":
            path = self.path(argument)
            return lambda frame: frame.lengths(path)
        return arrays.text_length(self.text(argument))

    # -- texts --------------------------------------------------------------------------------------------------

    def text(self, node: ast.expr) -> TextCode:
        """Code of an expression that is text or unknown. Raises ExpressionError."""
        if self.kinds.due(node, "text"):
            path = self.path(node)
            return lambda frame: frame.texts(path)
        if isinstance(node, ast.Constant):
            return arrays.constant_text(self.kinds.literal_text(node))
        if isinstance(node, ast.Call):
            return arrays.lowered(self.text(self.kinds.arguments(node)[0]))
        return arrays.event_version if isinstance(node, ast.Name) and node.id == "version" else arrays.event_id


_NUMERIC: tuple[tuple[Kind, Kind], ...] = (("number", "number"), ("number", "column"), ("column", "number"))


def _is_literal(node: ast.expr) -> bool:
    """Whether a node is a value as written: 5, -5, 'a', true."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
        return isinstance(node.operand, ast.Constant)
    return isinstance(node, ast.Constant) or (isinstance(node, ast.Name) and node.id in ("true", "false"))
