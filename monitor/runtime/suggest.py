"""What the verdicts of a home ask for, rule by rule, and what the proposals would have done."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from monitor.core.detectors.budget.learning import tolerance_of
from monitor.core.detectors.build import budgeted, page_budget
from monitor.core.detectors.methods import TOLERATED
from monitor.core.rules.compile import Source
from monitor.core.rules.model import Book, Detect, Rule
from monitor.core.rules.retune import Edit, retuned
from monitor.core.suggest import Proposal, Record, propose
from monitor.core.verdicts import Judged
from monitor.runtime.backtest import judged
from monitor.runtime.books import compile_source
from monitor.store import queries
from monitor.store.books import first_loaded
from monitor.store.database import Connection, Database
from monitor.store.models import first_seen
from monitor.store.references import armed_since

WEEK = 7 * 86_400.0
PAGE = 500


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A proposal with the lines that carry it out: an edit of the pack in `file`, or lines of overloop.toml."""

    proposal: Proposal
    file: str
    edit: Edit | None
    settings: str | None

    @property
    def rule(self) -> str:
        return self.proposal.record.rule

    @property
    def model(self) -> str:
        return self.proposal.record.model


def suggestions(
    database: Database, book: Book, source: Source, since: float, now: float, model: str | None = None
) -> list[Suggestion]:
    """One for each rule under the page budget and each model. Incidents that opened since then count."""
    found = []
    with database.read() as connection:
        models = [row["model"] for row in queries.models(connection) if model in (None, row["model"])]
        for name in models:
            incidents, unjudged = _incidents(connection, name, since)
            pages = book.options_for(name).false_pages
            everywhere = [rule for _, rule in book.rules_for(name)]
            for rule in everywhere:
                if not isinstance(rule.form, Detect) or not budgeted(rule.form):
                    continue
                armed = _armed_since(connection, name, rule)
                weeks = 0.0 if armed is None else max(now - max(armed, since), 0.0) / WEEK
                record = Record(
                    rule.key,
                    name,
                    _tolerance(rule, rule.form),
                    page_budget(rule, everywhere, pages),
                    weeks,
                    [i for i in incidents if i.rule == rule.key],
                    sum(key == rule.key for key in unjudged),
                    rule.form.kind,
                )
                found.append(_with_lines(propose(record), rule, source, pages))
    return found


def _tolerance(rule: Rule, detect: Detect) -> float:
    """What a rule tolerates, in the unit of its kind; 0 of kinds that tolerate nothing."""
    if detect.kind == "shift":
        return tolerance_of(rule, detect)
    return detect.tolerance if detect.tolerance is not None else TOLERATED.get(detect.kind, 0.0)


def _armed_since(connection: Connection, model: str, rule: Rule) -> float | None:
    """When a rule began to watch a model. Only shifts of numbers write down their references: others count as armed a
    week after both the rule and the model were first there."""
    known = armed_since(connection, model, rule.key)
    if known is not None:
        return known
    loaded, seen = first_loaded(connection, rule.name), first_seen(connection, model)
    return None if loaded is None or seen is None else max(loaded, seen) + WEEK


def changed(book: Book, source: Source, proposed: Iterable[Suggestion]) -> Book | None:
    """The book with all that is proposed; None where it cannot be written by changing lines."""
    files, options = dict(source.files), list(source.options)
    for one in proposed:
        if one.edit is not None:
            edit = retuned(files[one.file], _line(book, one), one.proposal.tolerance or 0.0)
            if edit is None:
                return None
            files[one.file] = edit.text
        elif one.proposal.budget is not None:
            part = one.proposal.budget / one.proposal.record.budget
            before = book.options_for(one.model)
            options.insert(0, (one.model, replace(before, false_pages=before.false_pages * part)))
    made, _ = compile_source(Source(files, source.params, tuple(options)))
    return made


def _line(book: Book, one: Suggestion) -> int:
    found = book.find(one.rule)
    return 1 if found is None else found[1].position.line


def _with_lines(proposal: Proposal, rule: Rule, source: Source, pages: float) -> Suggestion:
    file = rule.position.file
    edit, settings = None, None
    if proposal.tolerance is not None and file in source.files:
        edit = retuned(source.files[file], rule.position.line, proposal.tolerance)
    if proposal.budget is not None:
        whole = pages * proposal.budget / proposal.record.budget
        settings = f'[models."{proposal.record.model}"]\nfalse_pages = {whole:g}'
    return Suggestion(proposal, file, edit, settings)


def _incidents(connection: Any, model: str, since: float) -> tuple[list[Judged], list[str]]:
    """Those with a verdict, and the rules of those without."""
    found: list[Judged] = []
    unjudged: list[str] = []
    after = None
    while True:
        page, after = queries.incidents(connection, model=model, since=since, limit=PAGE, after=after)
        for row in page:
            if row["stage"] == "live" and not row["historical"]:
                if row["verdict"] is None:
                    unjudged.append(f"{row['pack']}/{row['rule']}")
                else:
                    found.append(_whole(connection, row["id"]))
        if after is None:
            return found, unjudged


def _whole(connection: Any, id_: str) -> Judged:
    shown = queries.incident(connection, id_)
    assert shown is not None
    return judged(shown)


def counts(rows: Sequence[Any], rule: str, model: str) -> dict[str, int]:
    """Of a backtest's report: firings of a rule on a model, and what becomes of judged incidents."""
    for row in rows:
        s = row.standing
        if (s.rule, s.model) == (rule, model):
            names = ("firings", "matched", "missed", "gone", "still")
            return {name: len(getattr(s, name)) for name in names}
    return dict.fromkeys(("firings", "matched", "missed", "gone", "still"), 0)
