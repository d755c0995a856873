"""Rules that are wrong in one respect: a pack's tests must tell each of them from the right one."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import replace

from monitor.core.rules.model import Absent, Form, Rule, Windowed
from monitor.core.rules.syntax import Tree

FACTORS = ((2.0, "doubled"), (0.5, "halved"))
_REVERSED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "!=", "!=": "=="}


def mutants(rule: Rule) -> list[tuple[str, Rule]]:
    """(what was changed, the changed rule): limits and windows doubled and halved, comparisons reversed.

    What is learned has no limit of its own: of `detect` rules only the condition of harm is reversed.
    """
    return [(what, replace(rule, form=mutant)) for what, mutant in _forms(rule.form)]


def _forms(form: Form) -> Iterator[tuple[str, Form]]:
    if isinstance(form, Windowed):
        yield from _limits(form)
        for factor, word in FACTORS:
            yield f"over {word}", replace(form, over=form.over * factor)
        if form.kind in ("share", "count", "parity"):
            yield from ((what, replace(form, of=of)) for what, of in _reversed(form.of))
    elif isinstance(form, Absent):
        for factor, word in FACTORS:
            yield f"for {word}", replace(form, seconds=form.seconds * factor)
    elif form.kind == "harm" and form.of is not None:
        yield from ((what, replace(form, of=of)) for what, of in _reversed(form.of))


def _limits(form: Windowed) -> Iterator[tuple[str, Windowed]]:
    above, below, clear = form.above, form.below, form.clear
    side = "above" if above is not None else "below"
    for factor, word in FACTORS:
        scaled = replace(form, above=_scaled(above, factor), below=_scaled(below, factor), clear=_scaled(clear, factor))
        yield f"{side} {word}", scaled
    yield f"{side} reversed", replace(form, above=below, below=above, clear=above if above is not None else below)


def _scaled(value: float | None, factor: float) -> float | None:
    return None if value is None else value * factor


def _reversed(source: str) -> Iterator[tuple[str, str]]:
    """The condition with each of its comparisons reversed, one at a time."""
    tree = Tree(source)
    for node in ast.walk(tree.root):
        if not isinstance(node, ast.Compare) or len(node.ops) != 1:
            continue
        left, right = tree.end(node.left), tree.offset(node.comparators[0])
        written = source[left:right]
        sign = written.strip(" ()")
        if sign in _REVERSED:
            turned = source[:left] + written.replace(sign, _REVERSED[sign]) + source[right:]
            yield f"`{tree.text(node)}` reversed", turned
