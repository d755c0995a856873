"""What `overloop rules check` prints: what is wrong or odd, and what each rule may cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import typer

from monitor.cli.context import Exit, as_json, fail, say, show
from monitor.core.rules.check import check_book
from monitor.core.rules.diagnose import Diagnostic, render
from monitor.core.rules.footprint import footprint
from monitor.core.rules.model import Book
from monitor.core.rules.wording import counted
from monitor.runtime.books import BookRefused, Shelf, documents_of
from monitor.settings import Settings
from monitor.settings.parts import model_options, parameters
from monitor.store import queries
from monitor.store.database import Database, LedgerUnavailable


def report(folders: Sequence[Path], settings: Settings, output: str, chosen: bool = False) -> None:
    """Print what there is to say of these packs; ends the command with 1 if they cannot be used.

    Where nobody has `chosen` these folders, it also says that a daemon has other rules in force.
    """
    shelf = Shelf(folders, parameters(settings), model_options(settings), settings.partitions)
    try:
        book, source, odd = shelf.load()
    except BookRefused as refused:
        if output == "json":
            typer.echo(as_json({"rules": [], "remarks": [asdict(found) for found in refused.diagnostics]}))
        fail("\n".join([*refused.lines, "These rules cannot be used."]))
    known, unread, digest = _known(settings)
    remarks = [*odd, *check_book(book, documents_of(source), known)]
    rows = _rows(book)
    if output == "json":
        typer.echo(as_json({"rules": rows, "remarks": [asdict(remark) for remark in remarks]}))
    else:
        _print(book, rows, remarks, unread)
        if not chosen and digest not in (None, book.digest):
            where = ", ".join(map(str, folders))
            say(
                f"These are the rules in {where}. The daemon on {settings.home} has others in force: see `overloop "
                "rules explain`, and `overloop rules reload` to have it read its own folders again.",
                err=True,
            )
    if any(remark.severity == "error" for remark in remarks):
        fail("These rules have errors.", Exit.FAILED)


def _print(book: Book, rows: Sequence[dict[str, Any]], remarks: Sequence[Diagnostic], unread: str | None) -> None:
    for remark in remarks:
        say(render(remark))
    show(rows, ["rule", "severity", "stage", "memory"], "table")
    if unread is not None:
        say(f"Columns were not compared with the events so far: {unread}", err=True)
    errors = sum(remark.severity == "error" for remark in remarks)
    said = f"{counted(len(book.packs), 'pack')} with {counted(len(rows), 'rule')}: {counted(errors, 'error')}, "
    say(said + f"{counted(len(remarks) - errors, 'warning')}.")


def _rows(book: Book) -> list[dict[str, Any]]:
    rules = [rule for pack in book.packs for rule in pack.rules]
    return [
        {
            "rule": rule.key,
            "severity": rule.severity,
            "stage": rule.stage,
            "memory": str(footprint(rule)),
            "memory_bytes": footprint(rule).total,
        }
        for rule in rules
    ]


def _known(settings: Settings) -> tuple[dict[str, frozenset[str]], str | None, str | None]:
    """Columns that models of this home have had, why they could not be read, and which rules are in force there."""
    ledger = settings.home / "ledger.db"
    try:
        if not ledger.exists():
            return {}, None, None
        with Database.open(ledger, settings.home / "run") as database, database.read() as connection:
            columns = {m["model"]: frozenset(m["columns"]) for m in queries.models(connection)}
            return columns, None, queries.get_fact(connection, "book")
    except (LedgerUnavailable, OSError) as problem:
        return {}, str(problem), None
