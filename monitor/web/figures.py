"""Which charts an incident's page shows: the columns of its evidence, or the condition its rule counts."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

from markupsafe import Markup

from monitor.core.rules.aggregates import parse_aggregate
from monitor.core.rules.expressions import ExpressionError, compile_condition
from monitor.core.rules.model import Detect, Rule, Windowed
from monitor.core.times import parse_time
from monitor.formats.decode import DecodeError
from monitor.spool import SpoolError, partition_of
from monitor.web import charts
from monitor.web.front import Front
from monitor.web.signal import Batches, Signal, Subject, read_around, signal_of

MOST: Final = 3  # columns drawn
_FAR: Final = 3600.0  # seconds before the opening from which evidence may have been: older times are those of a file
_OF_MEANS: Final = (" on the mean", "shift: e-detector")  # statistics whose expectation is a mean of the column
_GONE: Final = ("missing", "vanished")
_ON_SCALE: Final = ("mean", "min", "max", "quantile")  # aggregates that are of the size of what they are made of


@dataclass(frozen=True, slots=True)
class _Plan:
    subject: Subject
    name: str
    level: charts.Level | None = None


def figures(here: Front, found: dict[str, Any], rule: Rule | None) -> list[Markup]:
    """Charts as they stand in the page; none where the spool has nothing any more, or nothing can be drawn."""
    plans = _plans(found, rule)
    if not plans:
        return []
    try:
        partition = partition_of(found["model"], here.partitions)
        batches = read_around(here.spool, partition, found["model"], _moment(found))
    except (SpoolError, DecodeError):
        return []
    seen = min((parse_time(e["at"]) for e in found["evidence"]), default=None)
    return [Markup(chart) for plan in plans for chart in _draw(batches, plan, seen) if chart]  # noqa: S704 (charts escape)


def _draw(batches: Batches, plan: _Plan, seen: float | None) -> list[str]:
    try:
        signal = signal_of(batches, plan.subject, seen)
    except ExpressionError:  # of a name that is none
        return []
    if signal is None:
        return []
    if plan.subject.condition:
        return [_condition_chart(signal, plan)]
    if signal.groups:
        return [charts.groups_chart(signal, f"{plan.name}: its values before (outlined) and since (filled)")]
    return [
        charts.line_chart(signal, f"{plan.name}, event by event: mean (line) and middle 80% (band)", plan.level),
        charts.spread_chart(signal, f"{plan.name}: spread before (outlined) and since (filled)"),
    ]


def _condition_chart(signal: Signal, plan: _Plan) -> str:
    if signal.groups:
        return charts.groups_chart(signal, f"Share of events {plan.name}: before (outlined) and since (filled)")
    return charts.line_chart(signal, f"Share of events {plan.name}", plan.level, share=True)


def _moment(found: dict[str, Any]) -> float:
    """When the first evidence was seen, in daemon time."""
    opened = parse_time(found["opened_at"])
    first = min((parse_time(e["at"]) for e in found["evidence"]), default=opened)
    return first if opened - _FAR <= first <= opened and not found["historical"] else opened


def _plans(found: dict[str, Any], rule: Rule | None) -> list[_Plan]:
    form = None if rule is None else rule.form
    named = {e["segment"] for e in found["evidence"]}
    segment = next(iter(named)) if len(named) == 1 else ""
    if isinstance(form, Windowed):
        return _windowed(form, segment)
    if isinstance(form, Detect) and form.kind == "harm" and form.of is not None:
        by = form.by if segment else ()
        return [_Plan(Subject(condition=form.of, by=by, segment=segment), f"with {form.of}")]
    if isinstance(form, Detect) and form.kind == "quality":
        return [_quality(name) for name in list(dict.fromkeys(e["segment"] for e in found["evidence"]))[:MOST]]
    columns = list(dict.fromkeys(e["column"] for e in found["evidence"] if e["column"]))[:MOST]
    by = form.by if isinstance(form, Detect) and segment else ()
    return [
        _Plan(Subject(column, by=by, segment=segment if by else ""), _where(column, segment), _normal(found, column))
        for column in columns
    ]


def _normal(found: dict[str, Any], column: str) -> charts.Level | None:
    """The mean that a detector held to be normal for a column."""
    newest = next((e for e in reversed(found["evidence"]) if e["column"] == column), None)
    if newest is None or newest["expected"] is None or not newest["statistic"].endswith(_OF_MEANS):
        return None
    return "expected", newest["expected"]


def _windowed(form: Windowed, segment: str) -> list[_Plan]:
    limit = form.above if form.above is not None else form.below
    level = None if limit is None else ("limit", limit)
    by = form.by if segment or form.kind == "parity" else ()
    if form.kind in ("share", "count", "parity"):
        of_one = segment if form.kind != "parity" else ""
        subject = Subject(condition=form.of, by=by, segment=of_one)
        return [_Plan(subject, _where(f"with {form.of}", of_one), level if form.kind == "share" else None)]
    aggregate = parse_aggregate(form.of)
    if aggregate.condition is not None:
        subject = Subject(condition=aggregate.condition.source, by=by, segment=segment)
        kept = level if form.kind == "measure" else None
        return [_Plan(subject, _where(f"with {aggregate.condition.source}", segment), kept)]
    if aggregate.argument is not None:
        subject = Subject(number=aggregate.argument.source, by=by, segment=segment)
        kept = level if form.kind == "measure" and aggregate.function in _ON_SCALE else None
        return [_Plan(subject, _where(aggregate.argument.source, segment), kept)]
    return [_Plan(Subject(aggregate.column), aggregate.column)] if aggregate.column else []


def _quality(segment: str) -> _Plan:
    """The segments of a quality rule are `column: check`."""
    column, _, check = segment.rpartition(": ")
    if check in _GONE and _compiles(condition := f"col({json.dumps(column)}) is missing"):
        return _Plan(Subject(condition=condition), f"without {column}")
    return _Plan(Subject(column), column)


def _compiles(condition: str) -> bool:
    try:
        compile_condition(condition)
    except ExpressionError:
        return False
    return True


def _where(name: str, segment: str) -> str:
    return f"{name} where {segment}" if segment else name
