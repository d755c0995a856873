"""What `overloop rules suggest` prints: what verdicts ask for, the lines to change, and what that would have done."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import typer

from monitor.cli.context import Exit, Shared, as_json, fail, say
from monitor.cli.rules_replay import Asked, progress, replayed
from monitor.core.incidents.words import duration_text
from monitor.core.rules.compile import Source
from monitor.core.rules.model import Book
from monitor.core.rules.wording import counted
from monitor.runtime import recorded
from monitor.runtime.books import BookRefused, Shelf
from monitor.runtime.suggest import Suggestion, changed, counts, suggestions
from monitor.settings.parts import model_options, parameters, rule_folders
from monitor.spool import SpoolError
from monitor.store.database import Database, LedgerUnavailable

Replayed = dict[tuple[str, str], dict[str, dict[str, int]]]  # (rule, model) -> before and after


def suggest(shared: Shared, since: float, folders: list[Path] | None, model: str | None, output: str) -> None:
    """Print it; nothing is changed. Ends the command if the home or the rules cannot be read."""
    settings, home, now = shared.settings(), shared.folder(), time.time()
    if not (home / "ledger.db").exists():
        fail(f"There is no ledger in {home}: set OVERLOOP_HOME or --home.", Exit.UNREACHABLE)
    shelf = Shelf(folders or rule_folders(settings), parameters(settings), model_options(settings), settings.partitions)
    try:
        book, source, _ = shelf.load()
        with Database.open(home / "ledger.db", home / "run") as database:
            found = suggestions(database, book, source, now - since, now, model)
    except BookRefused as refused:
        fail("\n".join(refused.lines), Exit.FAILED)
    except LedgerUnavailable as problem:
        fail(str(problem), Exit.UNREACHABLE)
    proposed = [one for one in found if one.proposal.changes]
    effects, why = _effects(shared, book, source, proposed, since, model)
    if output == "json":
        typer.echo(as_json([_plain(one, effects.get((one.rule, one.model))) for one in found]))
        return
    say("\n".join(_lines(found, effects, why)))


def _effects(
    shared: Shared, book: Book, source: Source, proposed: Sequence[Suggestion], since: float, model: str | None
) -> tuple[Replayed, str]:
    """Recorded traffic through the rules as they are and as they would be; or a sentence on why there is none."""
    other = changed(book, source, proposed) if proposed else None
    if other is None:
        return {}, "" if not proposed else "The pack is not written so that the change could be tried out."
    asked = Asked(None, since, None, model)
    try:
        with progress() as told:
            before = replayed(shared, asked, book, told)[2]
            after = replayed(shared, asked, other, told)[2]
    except (recorded.Unusable, SpoolError, LedgerUnavailable, OSError) as problem:
        return {}, f"It could not be tried on recorded traffic: {problem}"
    found = {}
    for one in proposed:
        key = (one.rule, one.model)
        found[key] = {"before": counts(before.rows, *key), "after": counts(after.rows, *key)}
    span = round(before.done.at - before.done.since)
    return found, f"Tried on {duration_text(span)} of recorded traffic."


def _lines(found: Sequence[Suggestion], effects: Replayed, why: str) -> Iterator[str]:
    if not found:
        yield "No rule under the page budget watches a model that is known here, so there is nothing to propose."
        return
    for one in found:
        yield f"{one.rule} on {one.model}"
        yield f"  {one.proposal.why}"
        yield from (f"  {line}" for line in _change(one))
        effect = effects.get((one.rule, one.model))
        if effect is not None:
            yield f"  {_effect(effect)}"
        yield ""
    if any(one.proposal.changes for one in found):
        if why:
            yield why
        yield (
            "Nothing was changed. A person changes the lines, then runs `overloop rules check` and "
            "`overloop rules reload`; a smaller tolerance also needs `overloop reference fit`."
        )
    else:
        yield "Nothing has to be changed."


def _change(one: Suggestion) -> Iterator[str]:
    if one.edit is not None:
        yield f"In {one.file}, line {one.edit.line}:"
        yield f"- {one.edit.before}"
        yield from (f"+ {line}" for line in one.edit.after.split("\n"))
    elif one.proposal.tolerance is not None:
        yield f"In {one.file}, give the rule `tolerance: {one.proposal.tolerance:g}` under `detect`."
    if one.settings is not None:
        yield "In overloop.toml:"
        yield from (f"+ {line}" for line in one.settings.split("\n"))


def _effect(effect: dict[str, dict[str, int]]) -> str:
    before, after = effect["before"], effect["after"]
    real = after["matched"] + after["missed"]
    false = after["gone"] + after["still"]
    return (
        f"It would have fired {counted(after['firings'], 'time')} instead of {before['firings']}: "
        f"{after['matched']} of {real} real incidents found ({before['matched']} without the change), "
        f"{after['gone']} of {false} false ones gone "
        f"({before['gone']} without it)."
    )


def _plain(one: Suggestion, effect: dict[str, dict[str, int]] | None) -> dict[str, Any]:
    record, edit = one.proposal.record, one.edit
    return {
        "rule": one.rule,
        "model": one.model,
        "armed_weeks": round(record.weeks, 3),
        "verdicts": {verdict: len(record.of(verdict)) for verdict in ("real", "expected", "false", "unclear")},
        "unjudged": record.unjudged,
        "tolerance": record.tolerance,
        "budget": record.budget,
        "proposed": {"tolerance": one.proposal.tolerance, "budget": one.proposal.budget},
        "why": one.proposal.why,
        "edit": None
        if edit is None
        else {"file": one.file, "line": edit.line, "before": edit.before, "after": edit.after},
        "settings": one.settings,
        "replayed": effect,
    }
