"""What an expression can be at most and at least, whatever the events say: for rules that can never trip."""

from __future__ import annotations

import ast
import math
from collections.abc import Callable

from monitor.core.rules.aggregates import Aggregate
from monitor.core.rules.kinds import is_true
from monitor.core.rules.syntax import Tree

Interval = tuple[float, float]
ANY: Interval = (-math.inf, math.inf)
_CALLS: dict[str, Interval] = {
    "abs": (0.0, math.inf),
    "len": (0.0, math.inf),
    "hour": (0.0, 23.0),
    "weekday": (0.0, 6.0),
}
_CAN: dict[type[ast.cmpop], Callable[[Interval, Interval], bool]] = {
    ast.Lt: lambda a, b: a[0] < b[1],
    ast.LtE: lambda a, b: a[0] <= b[1],
    ast.Gt: lambda a, b: a[1] > b[0],
    ast.GtE: lambda a, b: a[1] >= b[0],
    ast.Eq: lambda a, b: a[0] <= b[1] and b[0] <= a[1],
}
_OPPOSITE: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.GtE,
    ast.LtE: ast.Gt,
    ast.Gt: ast.LtE,
    ast.GtE: ast.Lt,
    ast.NotEq: ast.Eq,
}


def can_hold(source: str, wanted: bool = True) -> bool:
    """Whether a condition that compiles can be `wanted` for any event. True where that cannot be told."""
    return _can(Tree(source).root, wanted)


def range_of(aggregate: Aggregate) -> Interval:
    """Bounds of an aggregate."""
    if aggregate.function == "share":
        return 0.0, 1.0
    if aggregate.function in ("count", "rate", "distinct", "stddev"):
        return 0.0, math.inf
    assert aggregate.argument is not None
    low, high = _range(Tree(aggregate.argument.source).root)
    if aggregate.function == "sum":
        return 0.0 if low >= 0.0 else -math.inf, 0.0 if high <= 0.0 else math.inf
    return low, high


def _can(node: ast.expr, wanted: bool) -> bool:
    if isinstance(node, ast.BoolOp):
        every = isinstance(node.op, ast.And) == wanted
        return (all if every else any)(_can(value, wanted) for value in node.values)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        return _can(node.operand, not wanted)
    if isinstance(node, ast.Compare):
        sides = [node.left, *node.comparators]
        pairs = zip(sides, node.ops, sides[1:], strict=False)
        return (all if wanted else any)(_can_compare(left, type(op), right, wanted) for left, op, right in pairs)
    if isinstance(node, ast.Constant | ast.Name):
        return is_true(node) == wanted
    return True


def _can_compare(left: ast.expr, op: type[ast.cmpop], right: ast.expr, wanted: bool) -> bool:
    asked = op if wanted else _OPPOSITE.get(op, ast.NotEq)
    return asked not in _CAN or _CAN[asked](_range(left), _range(right))


def _range(node: ast.expr) -> Interval:
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        return float(node.value), float(node.value)
    if isinstance(node, ast.UnaryOp):
        low, high = _range(node.operand)
        return (-high, -low) if isinstance(node.op, ast.USub) else (low, high)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        return _CALLS.get(node.func.id, ANY)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub):
        low, high = _range(node.right)
        if isinstance(node.op, ast.Sub):
            low, high = -high, -low
        first = _range(node.left)
        return first[0] + low, first[1] + high
    return ANY
