"""What a book that parses may still have wrong with it: rules that can never trip, or watch what is not there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Literal

from monitor.core.rules.aggregates import parse_aggregate
from monitor.core.rules.diagnose import Diagnostic, nearest
from monitor.core.rules.intervals import can_hold, range_of
from monitor.core.rules.model import Absent, Book, Detect, Pack, Rule, Windowed
from monitor.core.rules.nodes import Document
from monitor.core.rules.reads import reads
from monitor.core.rules.wording import duration, limit

TICK = 15.0  # seconds: how often silence is looked for at least

Known = Mapping[str, frozenset[str]]  # model -> columns its events have had
Severity = Literal["error", "warning"]
Remark = tuple[Severity, str, str]  # severity, message, fix


def check_book(book: Book, documents: Sequence[Document] = (), known: Known | None = None) -> list[Diagnostic]:
    """Remarks on every rule, in the order of the book. `known` are the models seen so far and their columns."""
    sources = {document.file: document for document in documents}
    remarks: list[Diagnostic] = []
    packs_of: dict[str, str] = {}
    for pack in book.packs:
        remarks += [_at_pack(pack, sources, remark) for remark in _pack(pack, known or {})]
        for rule in pack.rules:
            found = [*_static(pack, rule), *_columns(pack, rule, known or {})]
            if rule.name in packs_of:
                message = f"The pack `{packs_of[rule.name]}` has a rule named `{rule.name}` too."
                found.append(("warning", message, "Give it another name: people will confuse their pages."))
            packs_of.setdefault(rule.name, pack.name)
            remarks += [_at_rule(rule, sources, remark) for remark in found]
    return remarks


def _pack(pack: Pack, known: Known) -> Iterator[Remark]:
    if known and not any(pack.watches(model) for model in known):
        fix = f"Models seen so far: {', '.join(sorted(known)[:10])}."
        yield (
            "warning",
            f"The pack `{pack.name}` watches {', '.join(pack.models)}, but no such model has been seen.",
            fix,
        )


# -- what follows from the rule alone -------------------------------------------------------------------------------


def _static(pack: Pack, rule: Rule) -> Iterator[Remark]:
    form = rule.form
    if isinstance(form, Windowed):
        yield from _windowed(rule, form)
    elif isinstance(form, Absent):
        yield from _absent(pack, form)
    else:
        yield from _detect(rule, form)
    if (rule.severity == "critical" or rule.gate) and "runbook_url" not in rule.annotations:
        fix = "Add annotations.runbook_url: the page a person opens at 3 a.m."
        yield "warning", f"`{rule.name}` is {rule.severity if not rule.gate else 'gating'} and has no runbook.", fix
    if rule.gate and rule.stage == "shadow":
        yield "warning", f"`{rule.name}` is in shadow, so it gates nothing.", "Delete `gate`, or set `stage: live`."
    if rule.per_segment and not form.by:
        yield "warning", f"`{rule.name}` splits incidents by segment but has no segments.", "Add `by`."


def _windowed(rule: Rule, form: Windowed) -> Iterator[Remark]:
    level = form.above if form.above is not None else form.below
    assert level is not None
    low, high = _bounds(form)
    if (form.above is not None and level >= high) or (form.below is not None and level <= low):
        side, bound = ("above", high) if form.above is not None else ("below", low)
        message = f"`{rule.name}` can never trip: the value is never {side} {limit(form, bound)}."
        yield "error", message, f"Choose a limit {'under' if side == 'above' else 'over'} {limit(form, bound)}."
    if form.kind in ("share", "count", "parity"):
        yield from _condition(rule, form)
    if form.kind == "count" and rule.for_ > form.over:
        message = (
            f"`for` ({duration(rule.for_)}) is longer than `over` ({duration(form.over)}), so one burst never trips."
        )
        yield "warning", message, "Shorten `for`, or lengthen `over`."
    if form.min_events == 1 and form.kind in ("share", "parity", "compare"):
        message = f"`{rule.name}` has no `min_events`: a single event can trip it."
        yield "warning", message, "Add min_events: 50, or what a decision should rest on."


def _bounds(form: Windowed) -> tuple[float, float]:
    """The least and the greatest the compared value can be."""
    infinite = float("inf")
    if form.kind == "measure":
        return range_of(parse_aggregate(form.of))
    if form.kind == "compare":
        return -1.0 if range_of(parse_aggregate(form.of))[0] >= 0.0 else -infinite, infinite
    if form.kind == "parity" and form.above is not None:
        return 1.0, infinite
    return 0.0, infinite if form.kind == "count" else 1.0


def _condition(rule: Rule, form: Windowed) -> Iterator[Remark]:
    if not can_hold(form.of) and form.above is not None:
        yield "error", f"`{rule.name}` can never trip: `{form.of}` is never true.", "Correct the condition."
    elif not can_hold(form.of, wanted=False):
        yield "warning", f"`{form.of}` is true of every event.", "Correct the condition, or use rate()."


def _absent(pack: Pack, form: Absent) -> Iterator[Remark]:
    if form.seconds < TICK:
        message = f"Silence is looked for every {TICK:g} seconds, so {duration(form.seconds)} cannot be told apart."
        yield "warning", message, f"Write for: {TICK:g}s or more."
    for model in form.expect:
        if not pack.watches(model):
            message = f"`expect` names {model}, but the pack watches only {', '.join(pack.models)}."
            yield "error", message, "Add it to `models`, or correct the name."


def _detect(rule: Rule, form: Detect) -> Iterator[Remark]:
    if rule.for_ and form.kind != "quality":
        message = "`for` does nothing here: what a detector has found it has found at one moment."
        yield "warning", message, "Delete `for`."
    if form.of is not None and not can_hold(form.of):
        yield "error", f"`{rule.name}` can never trip: `{form.of}` is never true.", "Correct the condition."


# -- what follows from the events so far ----------------------------------------------------------------------------


def _columns(pack: Pack, rule: Rule, known: Known) -> Iterator[Remark]:
    """Columns that no event of any watched model has had. Of truth it is not known which columns came."""
    watched = [columns for model, columns in known.items() if pack.watches(model)]
    have = frozenset().union(*watched)
    if not have:
        return
    named = list(reads(rule))
    if isinstance(rule.form, Absent) and rule.form.column is not None:
        named.append(rule.form.column)
    if isinstance(rule.form, Detect):
        named += rule.form.columns
    for name in named:
        if name.startswith("truth.") or any(fnmatchcase(column, name) for column in have) or name in have:
            continue
        close = nearest(name, have)
        fix = f"Did you mean `{close}`?" if close else f"Columns seen: {', '.join(sorted(have)[:10])}."
        yield "warning", f"No event of {', '.join(pack.models)} has had a column `{name}` so far.", fix


def _at_rule(rule: Rule, sources: Mapping[str, Document], remark: Remark) -> Diagnostic:
    severity, message, fix = remark
    where = rule.position
    document = sources.get(where.file)
    source = document.line(where.line) if document is not None else ""
    width = max(1, len(source.rstrip()) - where.column + 1)
    return Diagnostic(severity, where.file, where.line, where.column, message, fix, source, width)


def _at_pack(pack: Pack, sources: Mapping[str, Document], remark: Remark) -> Diagnostic:
    severity, message, fix = remark
    document = sources.get(pack.file)
    return Diagnostic(severity, pack.file, 1, 1, message, fix, document.line(1) if document is not None else "")
