"""What a window says in one number: `p99(context.latency_ms)`, `rate()`, `distinct(inputs.user)`."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from functools import lru_cache

from monitor.core.rules.diagnose import meant
from monitor.core.rules.expressions import Condition, ExpressionError, NumberExpr, compile_condition, compile_number
from monitor.core.rules.kinds import Kinds
from monitor.core.rules.syntax import Tree

NUMERIC = ("mean", "sum", "min", "max", "stddev")
FUNCTIONS = ("count", "rate", *NUMERIC, "p50", "p95", "p99", "distinct", "share")
_QUANTILE = re.compile(r"p([1-9][0-9]?|999)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Aggregate:
    """One aggregate over a window.

    `function` is count, rate (events a second), mean, sum, min, max, stddev, quantile, distinct or share. The numeric
    ones have an `argument`, share a `condition`, distinct a `column`; `quantile` is 0.99 for p99, 0.999 for p999.
    """

    function: str
    source: str
    argument: NumberExpr | None = None
    condition: Condition | None = None
    column: str | None = None
    quantile: float | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns it reads."""
        if self.column is not None:
            return (self.column,)
        inner = self.argument or self.condition
        return inner.columns if inner is not None else ()

    @property
    def needs_truth(self) -> bool:
        return any(path.startswith("truth.") for path in self.columns)


@lru_cache(maxsize=1024)  # every model compiles those of its rules
def parse_aggregate(source: str) -> Aggregate:
    """Compile an aggregate. Raises ExpressionError, and nothing else, on any text."""
    tree = Tree(source)
    call = tree.root
    if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Name)):
        fix = "Write an aggregate such as p99(context.latency_ms), mean(output.score), rate() or count()."
        raise tree.error(call, f"`{tree.text(call)}` is no aggregate.", fix)
    name = call.func.id
    quantile = _QUANTILE.fullmatch(name)
    if name not in FUNCTIONS and quantile is None:
        raise _unknown(tree, call, name)
    inner = _only_argument(tree, call, name)
    if inner is None:
        return Aggregate(name, source)
    text, offset = inner
    try:
        return _aggregate(source, name, text, quantile)
    except ExpressionError as problem:
        raise ExpressionError(problem.message, offset + problem.offset, problem.fix) from None


def _unknown(tree: Tree, call: ast.Call, name: str) -> ExpressionError:
    fix = "Quantiles are p1 to p99, and p999." if re.fullmatch(r"p\d+", name) else meant(name, FUNCTIONS)
    return tree.error(call, f"`{name}` is no aggregate.", fix)


def _aggregate(source: str, name: str, text: str, quantile: re.Match[str] | None) -> Aggregate:
    if name == "share":
        return Aggregate("share", source, condition=compile_condition(text))
    if name == "distinct":
        tree = Tree(text)
        return Aggregate("distinct", source, column=Kinds(tree).path(tree.root))
    number = compile_number(text)
    if quantile is None:
        return Aggregate(name, source, argument=number)
    return Aggregate("quantile", source, argument=number, quantile=float(f"0.{quantile[1]:0>2}"))


def _only_argument(tree: Tree, call: ast.Call, name: str) -> tuple[str, int] | None:
    """The text in the brackets and where it begins; None for count() and rate(), which take nothing."""
    takes = 0 if name in ("count", "rate") else 1
    if len(call.args) != takes or call.keywords or any(isinstance(a, ast.Starred) for a in call.args):
        due = "nothing in its brackets" if takes == 0 else "one value in its brackets"
        fix = f"Write {name}()." if takes == 0 else f"Write {name}({'output.label' if name == 'distinct' else '…'})."
        raise tree.error(call, f"`{name}` takes {due}.", fix)
    if not call.args:
        return None
    (argument,) = call.args
    return tree.segment(argument), tree.offset(argument)
