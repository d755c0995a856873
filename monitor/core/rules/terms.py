"""Columns, models and expressions as they stand in a rule file."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from monitor.core.rules.aggregates import Aggregate, parse_aggregate
from monitor.core.rules.expressions import ExpressionError, compile_condition
from monitor.core.rules.nodes import Node, TextNode, kind_of
from monitor.core.rules.paths import path_problem
from monitor.core.rules.schema import Reader
from monitor.core.rules.snippets import read_snippet

T = TypeVar("T")


def read_column(reader: Reader, node: Node, what: str, patterns: bool = False) -> str | None:
    """The path of a column; with `patterns` also `inputs.*`."""
    path = reader.text(node, what)
    if path is None:
        return None
    problem = path_problem(path, wildcards=patterns)
    if problem is not None:
        reader.report.error(node, *problem)
        return None
    return path


def read_columns(reader: Reader, node: Node, what: str, patterns: bool = False, most: int = 50) -> tuple[str, ...]:
    """Paths of columns, each named once; empty after a refusal."""
    items = reader.items(node, what)
    if items is None:
        return ()
    if len(items) > most:
        reader.report.error(node, f"{what} names {len(items)} columns; at most {most} are allowed.", "Name fewer.")
        return ()
    paths: list[str] = []
    for item in items:
        path = read_column(reader, item, what, patterns)
        if path is not None and path in paths:
            reader.report.error(item, f"{what} names `{path}` twice.", "Delete one of them.")
        elif path is not None:
            paths.append(path)
    return tuple(paths)


def read_models(reader: Reader, node: Node, what: str, patterns: bool) -> tuple[str, ...]:
    """Names of models, or patterns of them."""
    names: list[str] = []
    for item in reader.items(node, what) or []:
        name = reader.text(item, what)
        if name is not None and not patterns and any(sign in name for sign in "*?["):
            reader.report.error(item, f"{what} takes whole names of models, not patterns.", "Write the whole name.")
        elif name is not None:
            names.append(name)
    return tuple(names)


def read_condition(reader: Reader, node: Node, what: str) -> str | None:
    """The source of a condition that compiles, parameters put in."""
    condition = _compiled(reader, node, what, compile_condition)
    return None if condition is None else condition.source


def read_aggregate(reader: Reader, node: Node, what: str) -> Aggregate | None:
    """An aggregate that compiles, parameters put in."""
    return _compiled(reader, node, what, parse_aggregate)


def _compiled(reader: Reader, node: Node, what: str, compile_: Callable[[str], T]) -> T | None:
    if not isinstance(node, TextNode):
        fix = "Put quotes around an expression with a comma, a bracket or `: ` in it."
        reader.report.error(node, f"{what} must be an expression, but here is {kind_of(node)}.", fix)
        return None
    snippet = read_snippet(reader, node)
    if snippet is None:
        return None
    try:
        return compile_(snippet.text)
    except ExpressionError as problem:
        reader.report.error(snippet.place(problem.offset), problem.message, problem.fix)
        return None
