"""What each node of an expression is. The closed list of what the rule language has is here, and only here."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Literal

import numpy as np

from monitor.core.events import Bools, Floats
from monitor.core.rules.diagnose import meant
from monitor.core.rules.paths import ROOTS, path_problem
from monitor.core.rules.syntax import BACKSLASH, ExpressionError, Tree

Kind = Literal["number", "text", "flag", "column", "condition"]

ORDER: dict[type[ast.cmpop], Callable[[Floats, Floats], Bools]] = {
    ast.Lt: np.less,
    ast.LtE: np.less_equal,
    ast.Gt: np.greater,
    ast.GtE: np.greater_equal,
    ast.Eq: np.equal,
    ast.NotEq: np.not_equal,
}
ARITHMETIC: dict[type[ast.operator], Callable[[Floats, Floats], Floats]] = {
    ast.Add: np.add,
    ast.Sub: np.subtract,
    ast.Mult: np.multiply,
    ast.Div: np.divide,
    ast.FloorDiv: np.floor_divide,
    ast.Mod: np.mod,
}
DIVISIONS = (ast.Div, ast.FloorDiv, ast.Mod)

# Name -> what its call is, how many values it takes, how it is written.
FUNCTIONS: dict[str, tuple[Kind, int, str]] = {
    "abs": ("number", 1, "abs(inputs.amount)"),
    "len": ("number", 1, "len(inputs.note)"),
    "hour": ("number", 1, "hour(at)"),
    "weekday": ("number", 1, "weekday(at), where Monday is 0"),
    "lower": ("text", 1, "lower(output.label)"),
    "contains": ("condition", 2, "contains(inputs.note, 'urgent')"),
    "startswith": ("condition", 2, "startswith(inputs.code, 'A')"),
    "endswith": ("condition", 2, "endswith(inputs.code, 'Z')"),
    "matches": ("condition", 2, "matches(inputs.code, '^[A-Z][0-9]+$')"),
    "col": ("column", 1, 'col("inputs.user-id")'),
}
_NAMES: dict[str, Kind] = {"true": "flag", "false": "flag", "at": "number", "version": "text", "id": "text"}
WORDS: dict[Kind, str] = {
    "number": "a number",
    "text": "text",
    "flag": "true or false",
    "column": "a column",
    "condition": "a condition",
}
_IN_FRONT = "Functions stand in front: contains(inputs.note, 'urgent')."
_INSTEAD: dict[type[ast.AST], str] = {
    ast.BitAnd: "Write `and` for &.",
    ast.BitOr: "Write `or` for |.",
    ast.Invert: "Write `not` for ~.",
    ast.Pow: "Multiply instead of raising to a power.",
}


class Kinds:
    """Tells what the nodes of one tree are; refuses those that the language does not have."""

    def __init__(self, tree: Tree) -> None:
        self.tree = tree

    def kind(self, node: ast.expr) -> Kind:
        """What a node is, by its look. Raises ExpressionError."""
        if isinstance(node, ast.Constant):
            return self._constant(node)
        if isinstance(node, ast.Name):
            return self._name(node)
        if isinstance(node, ast.Attribute):
            if dotted(node) is None:
                raise self.tree.error(node, f"`{self.tree.text(node)}` is no name of a column.", _IN_FRONT)
            return "column"
        if isinstance(node, ast.Compare | ast.BoolOp):
            return "condition"
        if isinstance(node, ast.UnaryOp) and not isinstance(node.op, ast.Invert):
            return "condition" if isinstance(node.op, ast.Not) else "number"
        if isinstance(node, ast.BinOp) and type(node.op) in ARITHMETIC:
            self._refuse_hyphen(node)
            return "number"
        if isinstance(node, ast.Call):
            return FUNCTIONS[self.function(node)][0]
        raise self._unsupported(node)

    def due(self, node: ast.expr, kind: Kind) -> bool:
        """Whether a node is a column, where a value of this kind is due. Raises ExpressionError on another kind."""
        found = self.kind(node)
        if found not in (kind, "column"):
            message = f"`{self.tree.text(node)}` is {WORDS[found]}, but {WORDS[kind]} is due here."
            fix = "Put a text in quotes: 'approve'." if kind == "text" else "Use a column of numbers, or a number."
            raise self.tree.error(node, message, fix)
        return found == "column"

    def path(self, node: ast.expr) -> str:
        """The column that a node names. Raises ExpressionError."""
        if self.kind(node) != "column":
            raise self.tree.error(node, "The name of a column is due here.", "Write a path such as inputs.user.")
        path = self.literal_text(self.arguments(node)[0]) if isinstance(node, ast.Call) else dotted(node) or ""
        problem = path_problem(path)
        if problem is not None:
            raise self.tree.error(node, *problem)
        return path

    def literal_text(self, node: ast.expr) -> str:
        """The text in quotes that stands here. Raises ExpressionError."""
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            return node.value.replace(BACKSLASH, "\\")
        raise self.tree.error(node, "A text in quotes is due here.", "Write it like this: 'part of it'.")

    def function(self, node: ast.Call) -> str:
        """The name of a function the language has. Raises ExpressionError."""
        if not isinstance(node.func, ast.Name):
            raise self.tree.error(node, f"`{self.tree.text(node.func)}` is no function.", _IN_FRONT)
        if node.func.id not in FUNCTIONS:
            raise self.tree.error(node, f"`{node.func.id}` is no function here.", meant(node.func.id, FUNCTIONS))
        return node.func.id

    def arguments(self, node: ast.Call) -> list[ast.expr]:
        """The values a function is given, of the right number. Raises ExpressionError."""
        name = self.function(node)
        _, count, example = FUNCTIONS[name]
        if len(node.args) != count or node.keywords or any(isinstance(a, ast.Starred) for a in node.args):
            due = "one value" if count == 1 else "a value and a text in quotes"
            raise self.tree.error(node, f"`{name}` takes {due} in brackets.", f"Write {example}.")
        return node.args

    def _refuse_hyphen(self, node: ast.BinOp) -> None:
        """`inputs.user-id` is a subtraction to Python, but hardly ever to its writer."""
        path = dotted(node.left)
        if isinstance(node.op, ast.Sub) and isinstance(node.right, ast.Name) and node.right.id != "at" and path:
            message = f"`{self.tree.text(node)}` subtracts `{node.right.id}` from `{path}`."
            raise self.tree.error(node, message, f'Write col("{path}-{node.right.id}") if it is one column.')

    def _constant(self, node: ast.Constant) -> Kind:
        if isinstance(node.value, bool):
            return "flag"
        if isinstance(node.value, int | float):
            return "number"
        if isinstance(node.value, str):
            return "text"
        if node.value is None:
            raise self.tree.error(node, "`None` is no value.", "Write `is missing` to ask for a missing value.")
        raise self._unsupported(node)

    def _name(self, node: ast.Name) -> Kind:
        if node.id in _NAMES:
            return _NAMES[node.id]
        if node.id in ("missing", "null", "none"):
            raise self.tree.error(node, f"`{node.id}` cannot be compared.", "Write `is missing` or `is not missing`.")
        if node.id in ROOTS:
            raise self.tree.error(node, f"`{node.id}` alone is no column.", f"Write a path such as {node.id}.amount.")
        message, fix = path_problem(node.id) or ("", "")
        raise self.tree.error(node, message, fix)

    def _unsupported(self, node: ast.expr) -> ExpressionError:
        fix = "Use comparisons, and, or, not, in, + - * / and the functions of the reference."
        op = getattr(node, "op", None)
        fix = next((instead for kind, instead in _INSTEAD.items() if isinstance(op, kind)), fix)
        return self.tree.error(node, f"`{self.tree.text(node)}` is not part of the rule language.", fix)


def dotted(node: ast.expr) -> str | None:
    """`inputs.customer.age` of nested attributes; None if the innermost is no name."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return ".".join([node.id, *reversed(parts)]) if isinstance(node, ast.Name) else None


def is_true(node: ast.expr) -> bool:
    """The value of a node of kind "flag"."""
    return bool(node.value) if isinstance(node, ast.Constant) else isinstance(node, ast.Name) and node.id == "true"
