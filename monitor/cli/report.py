"""`overloop report`: what is on record about the oversight of a model, for people who were not there."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from monitor.cli.context import Exit, Shared, fail, say, seconds, shared, there

if TYPE_CHECKING:
    from monitor.core.rules.model import Book

app = typer.Typer(help="Say what is on record, for people who were not there.", no_args_is_help=True)


@app.callback()
def _noun() -> None:
    pass  # one command so far: without a callback it would swallow the noun


@app.command()
def oversight(
    context: typer.Context,
    model: Annotated[str, typer.Option(metavar="MODEL", help="The model it is about.")],
    period: Annotated[
        str, typer.Option(metavar="SPAN|FROM/TO", help="30d until now, or two RFC 3339 times with a slash between.")
    ] = "30d",
    output: Annotated[
        Literal["html", "json"], typer.Option("-o", "--output", help="html to read and print, json for programs.")
    ] = "html",
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write it there.")] = None,
) -> None:
    """Report how a model was overseen: who watched, what was found, what people did, and what is not on record.

    It says of each thing that laws and standards ask whether there is evidence; it never says that one is complied
    with. That it was made is an entry of the audit log, with the SHA-256 of its JSON.
    """
    text, digest = _made(shared(context), model, period, output)
    if out is None:
        typer.echo(text, nl=False)
        return
    try:
        out.write_text(text, encoding="utf-8")
    except OSError as problem:
        fail(f"{out} cannot be written: {problem.strerror}.", Exit.FAILED)
    say(f"{out} is the report on {model}. The SHA-256 of its JSON is {digest}; the audit log has it.")


def _made(here: Shared, model: str, period: str, output: str) -> tuple[str, str]:
    from monitor.clock import Clock, ClockError
    from monitor.runtime.oversight_report import canonical, given_out
    from monitor.runtime.oversight_report import oversight as report_of
    from monitor.signing import KeyFileError
    from monitor.store.database import Database, LedgerUnavailable
    from monitor.store.schema import SchemaMismatch
    from monitor.store.schema import check as check_schema

    home = here.folder()
    if not there(home / "ledger.db"):
        fail(f"There is no ledger in {home}: name the daemon's home folder with --home.", Exit.UNREACHABLE)
    try:
        check_schema(home / "ledger.db")
        now = Clock(home).now()
        start, stop = span(period, now)
        with Database.open(home / "ledger.db", home / "run") as database:
            report = report_of(database, home, _book(home), model, start, stop, now)
            digest = given_out(database, report, "admin", now)
    except (LedgerUnavailable, SchemaMismatch, ClockError, KeyFileError) as problem:
        fail(str(problem), Exit.UNREACHABLE)
    if output == "json":
        return canonical(report).decode(), digest
    return _html(report, digest), digest


def _html(report: Any, digest: str) -> str:
    from monitor.web.render import text_of

    return text_of("oversight_report.html", report=report, digest=digest)


def _book(home: Path) -> Book:
    from monitor.runtime.books import EMPTY
    from monitor.runtime.look import LookError, in_force

    try:
        return in_force(home) or EMPTY
    except LookError as problem:
        fail(str(problem), Exit.UNREACHABLE)


def span(text: str, now: float) -> tuple[float, float]:
    """A period as it is typed; ends the command if it is none."""
    from monitor.core.times import parse_time

    first, slash, last = text.partition("/")
    if not slash:
        return now - seconds(text, "--period"), now
    try:
        start, stop = parse_time(first), min(parse_time(last), now)
    except ValueError as problem:
        fail(f"--period: {problem}", Exit.USAGE)
    if start >= stop:
        fail(f"--period: {first} is not before {last} and now.", Exit.USAGE)
    return start, stop
