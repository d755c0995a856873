"""What a backtest came to, for programs and in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from monitor.core.backtest import Backtest, Firing, Near
from monitor.core.detectors.build import takes_references
from monitor.core.incidents.words import clock_text, duration_text, number_text
from monitor.core.rules.model import Book, Detect, Rule
from monitor.core.rules.wording import counted
from monitor.core.times import rfc3339
from monitor.core.verdicts import Judged, Standing, compare
from monitor.runtime.backtest import Known, Progress

SHOWN = 10  # firings of a rule that are named
WEEK = 7 * 86_400.0


@dataclass(frozen=True, slots=True)
class Row:
    """One rule on one model. `watched_from` is None if it never had what it needs; `rule` if the book has it not."""

    standing: Standing
    rule: Rule | None
    near: Near | None
    watched_from: float | None

    @property
    def raw(self) -> bool:
        """Whether it has no single number that says how near it came."""
        learned = self.rule is not None and isinstance(self.rule.form, Detect) and not _budgeted(self.rule)
        return learned and self.near is None


@dataclass(frozen=True, slots=True)
class Report:
    done: Progress
    rows: list[Row]
    notes: list[str]

    @property
    def weeks(self) -> float:
        return (self.done.at - self.done.since) / WEEK


def report(book: Book, tests: Sequence[Backtest], known: Known, done: Progress, model: str | None = None) -> Report:
    """`tests` are of one partition each. `model`: only what concerns this one."""
    models = sorted({name for test in tests for name in test.rehearsal.bank.models if model in (None, name)})
    firings = [firing for test in tests for firing in test.firings if firing.model in models]
    near = {key: value for test in tests for key, value in test.nearest.items()}
    since = {key: value for test in tests for key, value in test.watched_from.items()}
    incidents = [i for i in known.incidents if i.model in models]
    rows = []
    for standing in compare(book, firings, incidents, models):
        key = (standing.rule, standing.model)
        found = book.find(*key)
        rows.append(Row(standing, None if found is None else found[1], near.get(key), since.get(key)))
    failed = [
        f"{rule} on {name} stopped working: {why}."
        for test in tests
        for name, part in test.rehearsal.bank.models.items()
        if name in models
        for rule, why in part.failed.items()
    ]
    return Report(done, rows, [n for n in known.notes if any(f" {m}" in n for m in models)] + failed)


# -- for programs -----------------------------------------------------------------------------------------------------


def as_plain(told: Report) -> dict[str, Any]:
    """JSON-able. Times are RFC 3339."""
    done = told.done
    return {
        "from": rfc3339(done.since),
        "to": rfc3339(done.at),
        "events": done.events,
        "seconds": round(done.seconds, 3),
        "times_real_time": round(done.times_real, 1),
        "rules": [_plain(row) for row in told.rows],
        "notes": told.notes,
    }


def _plain(row: Row) -> dict[str, Any]:
    s = row.standing
    return {
        "rule": s.rule,
        "model": s.model,
        "fired": len(s.firings),
        "firings": [_firing(f) for f in s.firings],
        "watched_from": None if row.watched_from is None else rfc3339(row.watched_from),
        "nearest": None if row.near is None else _near(row.near),
        "real": {"matched": [_judged(i) for i in s.matched], "missed": [_judged(i) for i in s.missed]},
        "false": {"still": [_judged(i) for i in s.still], "gone": [_judged(i) for i in s.gone]},
    }


def _firing(f: Firing) -> dict[str, Any]:
    return {
        "at": rfc3339(f.at),
        "until": None if f.until is None else rfc3339(f.until),
        "stage": f.stage,
        "severity": f.severity,
        "segments": list(f.segments),
        "columns": list(f.columns),
        "effect": f.effect,
        "summary": f.summary,
    }


def _near(near: Near) -> dict[str, Any]:
    return {"ratio": near.ratio, "at": rfc3339(near.at), "column": near.column, "segment": near.segment}


def _judged(i: Judged) -> dict[str, Any]:
    return {"incident": i.id, "rule": i.rule, "at": rfc3339(i.at), "effect": i.effect, "summary": i.summary}


# -- in words ---------------------------------------------------------------------------------------------------------


def lines(told: Report) -> Iterator[str]:
    """Whole sentences, a paragraph a rule and model; those that fired first."""
    done = told.done
    span = round(done.at - done.since)
    yield (
        f"Replayed {done.events:,} events of {duration_text(span)}, from {clock_text(done.since)} to "
        f"{clock_text(done.at)}, in {number_text(done.seconds)} s: {done.times_real:,.0f} times real time."
    )
    for note in told.notes:
        yield f"  {note}"
    for row in sorted(told.rows, key=lambda r: (not r.standing.firings, r.standing.rule, r.standing.model)):
        yield ""
        yield f"{row.standing.rule} on {row.standing.model} {_times(row)}"
        yield from (f"  {line}" for line in (*_when(row), *_people(row)))
    fired = sum(len(row.standing.firings) for row in told.rows)
    real = [sum(len(getattr(row.standing, name)) for row in told.rows) for name in ("matched", "missed")]
    false = [sum(len(getattr(row.standing, name)) for row in told.rows) for name in ("gone", "still")]
    yield ""
    yield (
        f"In all {counted(fired, 'firing')}. Of {counted(sum(real), 'incident')} that people called real {real[0]} "
        f"would have been found and {real[1]} missed; of {sum(false)} called false {false[0]} would be gone."
    )


def _times(row: Row) -> str:
    count = len(row.standing.firings)
    if row.rule is None:
        return "is not in these rules."
    shadow = " (in shadow)" if row.rule.stage == "shadow" else ""
    return f"would have fired {count:,} time{'' if count == 1 else 's'}{shadow}."


def _when(row: Row) -> Iterator[str]:
    for f in row.standing.firings[:SHOWN]:
        what = ", ".join(dict.fromkeys([*f.columns, *(s for s in f.segments if s)]))
        effect = "" if f.effect is None else f", effect {number_text(f.effect)}"
        over = "" if f.until is None else f" until {clock_text(f.until)}"
        yield f"{clock_text(f.at)}{over}{f': {what}' if what else ''}{effect}"
    if len(row.standing.firings) > SHOWN:
        yield f"and {len(row.standing.firings) - SHOWN:,} more; `-o json` has them all"
    if row.near is not None and not row.standing.firings:
        where = ", ".join(part for part in (row.near.column, row.near.segment) if part)
        yield (
            f"The nearest it came was {row.near.ratio:.0%} of what fires, at {clock_text(row.near.at)}"
            f"{f' ({where})' if where else ''}."
        )
    elif row.raw and not row.standing.firings:
        yield "How near it came cannot be said: its detector has no single number for it."
    if row.rule is not None and row.watched_from is None and not row.raw:
        if _budgeted(row.rule):
            given = isinstance(row.rule.form, Detect) and takes_references(row.rule.form)
            how = "see `overloop reference fit`" if given else "it learns from the first week of what it watches"
            yield f"It had no reference, so it watched nothing: {how}."
        elif row.near is None:
            yield "It never had enough events to judge, so it watched nothing."


def _people(row: Row) -> Iterator[str]:
    s = row.standing
    for name, found in (
        ("real, and would have been found", s.matched),
        ("real, and would have been MISSED", s.missed),
        ("false, and would be gone", s.gone),
        ("false, and would be reported again", s.still),
    ):
        for i in found[:SHOWN]:
            by = "" if i.rule == s.rule else f" of {i.rule}"
            yield f"Incident {i.id}{by}, {clock_text(i.at)}: {name}."
        if len(found) > SHOWN:
            yield f"and {len(found) - SHOWN:,} more that were {name}"


def _budgeted(rule: Rule) -> bool:
    from monitor.core.detectors.build import budgeted

    return isinstance(rule.form, Detect) and budgeted(rule.form)
