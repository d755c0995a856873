"""The rule language: conditions and numbers over the columns of a batch, compiled to array operations.

Python's operator syntax, a closed list of nodes (`kinds`), three-valued: what is missing, not finite or of the wrong
type is unknown, and unknown is neither true nor false. Nothing is ever evaluated as Python.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from monitor.core.events import Batch, Bools, Codes, Floats
from monitor.core.findings import NO, UNKNOWN, YES
from monitor.core.rules.arrays import NumberCode, TruthCode
from monitor.core.rules.cells import Frame, Numbers
from monitor.core.rules.lower import Lowering
from monitor.core.rules.syntax import ExpressionError, Tree

__all__ = ["Condition", "ExpressionError", "NumberExpr", "compile_condition", "compile_number"]


@dataclass(frozen=True, slots=True)
class Condition:
    """A compiled condition: `output.confidence < 0.6 and output.label == 'approve'`."""

    source: str
    columns: tuple[str, ...]  # dotted paths it reads, in the order of first mention
    _code: TruthCode = field(repr=False, compare=False)

    @property
    def needs_truth(self) -> bool:
        """Whether it can only be known of events joined with their truth."""
        return _needs_truth(self.columns)

    def evaluate(self, batch: Batch) -> Codes:
        """NO, YES or UNKNOWN for each event: uint8 of length `batch.n`. Never raises; do not write to it."""
        return self._evaluated(batch)[0]

    def mistyped(self, batch: Batch) -> int:
        """How many cells were unknown because text stood where a number is due, or the other way round."""
        return self._evaluated(batch)[1]

    def _evaluated(self, batch: Batch) -> tuple[Codes, int]:
        return batch.derived("rule_condition", self.source, lambda: self._run(Frame(batch)))

    def _run(self, frame: Frame) -> tuple[Codes, int]:
        with np.errstate(all="ignore"):
            yes, no = self._code(frame)
        return np.where(yes, YES, np.where(no, NO, UNKNOWN)).astype(np.uint8), frame.mistyped()


@dataclass(frozen=True, slots=True)
class NumberExpr:
    """A compiled number: `inputs.amount / inputs.limit`."""

    source: str
    columns: tuple[str, ...]
    _code: NumberCode = field(repr=False, compare=False)

    @property
    def needs_truth(self) -> bool:
        return _needs_truth(self.columns)

    def evaluate(self, batch: Batch) -> tuple[Floats, Bools]:
        """(values, known), both of length `batch.n`; NaN where unknown. Never raises; do not write to them."""
        return self._evaluated(batch)[0]

    def mistyped(self, batch: Batch) -> int:
        """As for `Condition.mistyped`."""
        return self._evaluated(batch)[1]

    def _evaluated(self, batch: Batch) -> tuple[Numbers, int]:
        return batch.derived("rule_number", self.source, lambda: self._run(Frame(batch)))

    def _run(self, frame: Frame) -> tuple[Numbers, int]:
        with np.errstate(all="ignore"):
            numbers = self._code(frame)
        return numbers, frame.mistyped()


@lru_cache(maxsize=1024)  # every model compiles those of its rules
def compile_condition(source: str) -> Condition:
    """Compile a condition. Raises ExpressionError, and nothing else, on any text."""
    tree = Tree(source)
    return condition_of(tree, Lowering(tree))


def compile_number(source: str) -> NumberExpr:
    """Compile an expression that is a number. Raises ExpressionError, and nothing else, on any text."""
    tree = Tree(source)
    lowering = Lowering(tree)
    code = lowering.number(tree.root)
    return NumberExpr(source, lowering.columns, code)


def condition_of(tree: Tree, lowering: Lowering) -> Condition:
    """The condition that a whole tree is."""
    code = lowering.condition(tree.root)
    return Condition(tree.source, lowering.columns, code)


def _needs_truth(columns: tuple[str, ...]) -> bool:
    return any(path.startswith("truth.") for path in columns)
