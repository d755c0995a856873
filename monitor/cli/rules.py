"""`overloop rules`: check, test, explain."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from monitor.cli.context import Exit, fail, shared

if TYPE_CHECKING:
    from monitor.core.rules.diagnose import Diagnostic
    from monitor.core.rules.model import Book, Rule
    from monitor.settings import Settings

app = typer.Typer(help="What is watched, and whether it watches well.", no_args_is_help=True)
Folders = Annotated[list[Path] | None, typer.Argument(help="Folders of packs; those of the settings by default.")]


@app.command()
def check(context: typer.Context, folders: Folders = None) -> None:
    """Parse every pack and say what is wrong or odd, and what each rule costs in memory."""
    settings = _settings(context)
    report(_folders(folders, settings), settings)


def report(folders: Sequence[Path], settings: Settings) -> None:
    """Print what there is to say of these packs; ends the command with 1 if any cannot be used."""
    from monitor.core.rules.check import check_book
    from monitor.core.rules.diagnose import render
    from monitor.core.rules.footprint import footprint
    from monitor.runtime.books import BookRefused, documents_of

    try:
        book, source, odd = _shelf(folders, settings).load()
    except BookRefused as refused:
        fail("\n".join(refused.lines), Exit.FAILED)
    remarks: list[Diagnostic] = [*odd, *check_book(book, documents_of(source), _known(settings))]
    for remark in remarks:
        typer.echo(render(remark))
    rows = [
        {"rule": r.key, "severity": r.severity, "stage": r.stage, "memory": str(footprint(r))} for r in _rules(book)
    ]
    from monitor.cli.context import show

    show(rows, ["rule", "severity", "stage", "memory"], "table")
    if any(remark.severity == "error" for remark in remarks):
        fail("The rules have errors; see above.", Exit.FAILED)
    typer.echo(f"{len(book.packs)} packs with {len(rows)} rules are fine ({len(remarks)} remarks).")


def _known(settings: Settings) -> dict[str, frozenset[str]]:
    """Columns that models of this home have had; nothing where there is no home yet."""
    from monitor.store import queries
    from monitor.store.database import Database, LedgerUnavailable

    ledger = settings.home / "ledger.db"
    if not ledger.exists():
        return {}
    try:
        with Database.open(ledger, settings.home / "run") as database, database.read() as connection:
            return {m["model"]: frozenset(m["columns"]) for m in queries.models(connection)}
    except LedgerUnavailable:
        return {}


@app.command()
def test(
    context: typer.Context,
    folders: Folders = None,
    mutate: Annotated[bool, typer.Option("--mutate", help="Also check that every changed rule fails a test.")] = False,
) -> None:
    """Run the tests of every pack. Exit code 1 when one fails, or with --mutate when a change goes unnoticed."""
    from monitor.runtime.books import BookRefused, tests_of
    from monitor.runtime.packtests import run_test, survivors

    settings = _settings(context)
    shelf = _shelf(_folders(folders, settings), settings)
    ran, bad = 0, 0
    try:
        packs = tests_of(shelf)
    except BookRefused as refused:
        fail("\n".join(refused.lines), Exit.FAILED)
    for pack, file, tests in packs:
        for one in tests:
            failed = run_test(pack, one)
            ran, bad = ran + 1, bad + bool(failed)
            typer.echo(f"{'FAILED' if failed else 'passed'}  {pack.name}: {one.name}")
            for failure in failed:
                typer.echo(f"        {file}:{failure.line}: {failure.sentence}.")
        if mutate:
            left = survivors(pack, tests)
            bad += len(left)
            for survivor in left:
                typer.echo(f"UNNOTICED  {survivor.rule}: no test fails with {survivor.change}.")
    typer.echo(f"{ran} tests ran, {bad} problems.")
    if bad:
        raise typer.Exit(int(Exit.FAILED))


@app.command()
def explain(
    context: typer.Context,
    rule: Annotated[str | None, typer.Argument(help="pack/Rule, or enough of its name; all by default.")] = None,
    model: Annotated[str | None, typer.Option(help="Also say how it stands on this model.")] = None,
    folders: Annotated[list[Path] | None, typer.Option("--rules", help="Folders of packs.")] = None,
) -> None:
    """Say in words what a rule watches, since when, and how near it is to tripping."""
    from monitor.runtime.books import BookRefused

    settings = _settings(context)
    try:
        book, _, _ = _shelf(_folders(folders, settings), settings).load()
    except BookRefused as refused:
        fail("\n".join(refused.lines), Exit.FAILED)
    chosen = [r for r in _rules(book) if rule is None or rule.lower() in r.key.lower()]
    if not chosen:
        fail(f"No rule is called {rule!r}; see `overloop rules check`.", Exit.FAILED)
    standing = _standing(settings, model) if model is not None else {}
    for found in chosen:
        for line in _explained(found):
            typer.echo(line)
        if model is not None:
            for line in _stands(found, model, standing):
                typer.echo(line)
        typer.echo("")


def _explained(rule: Rule) -> list[str]:
    from monitor.core.rules.defaults import texts_of
    from monitor.core.rules.footprint import footprint

    texts = texts_of(rule)
    clears = "A person must close its incident." if rule.latches else "It clears by itself."
    stage = "It takes notes in shadow and tells nobody." if rule.stage == "shadow" else ""
    return [
        f"{rule.key} ({rule.severity}, {rule.position.file}:{rule.position.line})",
        f"  {texts.summary}",
        f"  Meaning: {texts.meaning}",
        f"  Action:  {texts.action}",
        f"  {clears} {stage} Memory: {footprint(rule)}.".replace("  Memory", " Memory"),
    ]


def _stands(rule: Rule, model: str, standing: dict[str, Any]) -> list[str]:
    import json

    if rule.key not in standing:
        return [f"  On {model}: this rule does not watch it, or no event of it has come."]
    return [f"  On {model}: {json.dumps(standing[rule.key], ensure_ascii=False, default=str)}"]


def _standing(settings: Settings, model: str) -> dict[str, Any]:
    """What every rule of a model has in memory, rebuilt from snapshots and steps as a restart would."""
    from monitor.runtime.look import LookError, look

    try:
        return look(settings.home, settings.partitions, model)
    except LookError as problem:
        fail(str(problem), Exit.UNREACHABLE)


def _settings(context: typer.Context) -> Settings:
    from monitor.settings import SettingsError, load

    try:
        return load({"home": shared(context).home})
    except SettingsError as problem:
        fail(str(problem), Exit.USAGE)


def _folders(given: list[Path] | None, settings: Settings) -> Sequence[Path]:
    from monitor.settings.parts import rule_folders

    return given or rule_folders(settings)


def _shelf(folders: Sequence[Path], settings: Settings) -> Any:
    from monitor.runtime.books import Shelf
    from monitor.settings.parts import model_options, parameters

    return Shelf(folders, parameters(settings), model_options(settings), settings.partitions)


def _rules(book: Book) -> list[Rule]:
    return [rule for pack in book.packs for rule in pack.rules]
