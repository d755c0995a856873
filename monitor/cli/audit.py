"""`overloop audit`: read it, and prove that nothing was taken back."""

from __future__ import annotations

from typing import Annotated

import typer

from monitor.cli.context import Exit, fail, plain, shared, show, told

app = typer.Typer(help="The tamper-evident record of what happened and who did it.", no_args_is_help=True)


@app.command()
def verify(
    context: typer.Context,
    against: Annotated[
        str | None,
        typer.Option(help="SIZE:ROOT of a head seen earlier; catches even a log that was cut and rolled back."),
    ] = None,
) -> None:
    """Check every entry. Exit code 0 intact, 1 tampered and where, 2 incomplete, 3 could not check."""
    from monitor.store.database import Database, LedgerUnavailable
    from monitor.store.verify import parse_head
    from monitor.store.verify import verify as check

    ledger = shared(context).folder() / "ledger.db"
    if not ledger.exists():
        fail(f"There is no ledger in {ledger.parent}: set OVERLOOP_HOME or --home.", Exit.UNREACHABLE)
    try:
        head = None if against is None else parse_head(against)
    except ValueError as problem:
        fail(str(problem), Exit.UNREACHABLE)
    try:
        with Database.open(ledger, ledger.parent / "run") as database, database.read() as connection:
            verdict = check(connection, head)
    except LedgerUnavailable as problem:
        fail(str(problem), Exit.UNREACHABLE)
    typer.echo(verdict.sentence)
    raise typer.Exit(verdict.code)


@app.command("list")
def list_(
    context: typer.Context,
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 50,
    kind: Annotated[str | None, typer.Option(help="One kind of entry only.")] = None,
    output: Annotated[str, typer.Option("-o", "--output", help="table or json.")] = "table",
) -> None:
    """Entries, the newest first."""
    with told():
        page = shared(context).daemon().get(f"/v1/audit?limit={limit}" + (f"&kind={kind}" if kind else ""))
    rows = [{**e, "body": plain(e["body"])[:100]} for e in page["entries"]]
    show(rows, ["seq", "at", "kind", "actor", "body"], output, page)


@app.command()
def head(context: typer.Context) -> None:
    """Print SIZE:ROOT as it is now; keep it somewhere else for `verify --against`."""
    with told():
        typer.echo(shared(context).daemon().get("/v1/audit/head")["against"])
