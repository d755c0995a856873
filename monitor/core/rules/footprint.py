"""How much memory a rule takes: for `rules check`, before it has seen an event."""

from __future__ import annotations

from dataclasses import dataclass

from monitor.core.detectors.build import budgeted
from monitor.core.detectors.methods import method_of, parameters_of
from monitor.core.rules.aggregates import parse_aggregate
from monitor.core.rules.model import Absent, Detect, Rule, Windowed
from monitor.core.segments import CAP
from monitor.core.windows.distinct import REGISTERS
from monitor.core.windows.quantiles import LIMIT
from monitor.core.windows.window import PANES, SKETCH_PANES

NAME = 200  # bytes of a segment's name and place in a table
SERIES = 7_000  # a change detector, its baseline and its last values
COLLECTED = 375_000  # on the page budget: 8,192 points of five numbers, beside what an armed series has at hand
ROLLING = 705_000  # the same twice: the points of the next reference, and those that are to take over from them
MOST = 2_000  # series of one rule on one model
MOST_LEARNED = 200
MOST_BUDGETED = 500
MOST_CHECKS = 5_000  # of one rule on one model
CHECK = 600  # a data check of a column
MODEL = 200_000  # learned models of several columns, except trees
VERSIONS = 4  # versions of a model that are kept side by side


@dataclass(frozen=True, slots=True)
class Footprint:
    """Estimated bytes of one rule on one model. `unit` is what `each` is the size of, `most` how many there can be."""

    each: int
    unit: str
    most: int

    @property
    def total(self) -> int:
        return self.each * self.most

    def __str__(self) -> str:
        if self.most == 1:
            return f"{size(self.each)} a model"
        return f"{size(self.each)} {self.unit}, at most {size(self.total)} a model ({self.most:,} of them)"


def footprint(rule: Rule) -> Footprint:
    """The estimate for a rule. A pattern may match as many columns as there is room for."""
    form = rule.form
    segments = CAP + 1 if form_by(rule) else 1
    if isinstance(form, Absent):
        return Footprint(NAME + 8, "a segment", segments)
    if isinstance(form, Windowed):
        return Footprint(NAME + _window(form), "a segment", segments)
    versions = VERSIONS if rule.on_version == "compare" else 1
    if form.kind in ("anomaly", "outlier"):
        return Footprint(_learned(form), "a segment and version", min(segments * versions, MOST_LEARNED))
    columns = MOST_CHECKS if any(set(column) & set("*?[") for column in form.columns) else max(1, len(form.columns))
    if form.kind == "quality":
        return Footprint(CHECK * len(form.checks), "a column", min(columns, MOST_CHECKS // len(form.checks)))
    learning = COLLECTED if rule.reference is None else ROLLING
    each, cap = (learning, MOST_BUDGETED) if budgeted(form) else (SERIES, MOST)
    return Footprint(each, "a column, segment and version", min(segments * versions * columns, cap))


def form_by(rule: Rule) -> tuple[str, ...]:
    """The columns a rule splits by."""
    return rule.form.by


def size(count: int) -> str:
    """Bytes as people read them."""
    for unit, step in (("MB", 1_000_000), ("kB", 1_000)):
        if count >= step:
            return f"{count / step:.3g} {unit}"
    return f"{count} bytes"


def _window(form: Windowed) -> int:
    """Bytes of one window: its panes, and the running one."""
    aggregate = parse_aggregate(form.of) if form.kind in ("measure", "compare") else None
    function = aggregate.function if aggregate is not None else "yes"
    periods = 2 if form.against == "previous_period" else 1
    windows = 2 if form.against == "previous_version" else 1
    plain, sketch = PANES * periods + 1, SKETCH_PANES * periods + 1
    if function == "quantile":
        return windows * (sketch * 16 + LIMIT * (sketch * 4 + 12))
    if function == "distinct":
        return windows * sketch * (16 + REGISTERS)
    fields = {"count": 2, "rate": 2, "yes": 3, "share": 3, "min": 3, "max": 3}.get(function, 5)
    return windows * plain * fields * 8


def _learned(form: Detect) -> int:
    if method_of(form) != "half_space_trees":
        return MODEL
    parameters = parameters_of(form)
    nodes: int = 2 ** (int(parameters["height"]) + 1) - 1
    return MODEL // 4 + int(parameters["n_trees"]) * nodes * 28
