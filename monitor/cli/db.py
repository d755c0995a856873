"""`overloop db`: the ledger's schema."""

from __future__ import annotations

import typer

from monitor.cli.context import Exit, Output, as_json, fail, say, sentence, shared, there

app = typer.Typer(help="Check and upgrade the ledger's schema.", no_args_is_help=True)


@app.command()
def upgrade(context: typer.Context, output: Output = "table") -> None:
    """Bring the ledger to the schema of this program. A copy of the old one is kept beside it."""
    from monitor.app.home import HomeError, make
    from monitor.store import schema
    from monitor.store.errors import LedgerUnavailable

    try:
        home = make(shared(context).folder())
        kept = schema.upgrade(home.ledger, home.run)
    except (HomeError, schema.SchemaMismatch, LedgerUnavailable, OSError) as problem:
        fail(sentence(problem), Exit.UNREACHABLE)
    if output == "json":
        typer.echo(as_json({"ledger": str(home.ledger), "revision": schema.REVISION, "copy": kept and str(kept)}))
        return
    say(
        f"The ledger {home.ledger} has the schema {schema.REVISION}, the newest."
        + (f" {kept} is a copy of the old one." if kept else "")
    )


@app.command()
def check(context: typer.Context, output: Output = "table") -> None:
    """Say whether the ledger has the schema of this program. Exit code 1 if it has another."""
    from monitor.store import schema
    from monitor.store.errors import LedgerUnavailable

    ledger = shared(context).folder() / "ledger.db"
    if not there(ledger):
        fail(f"There is no ledger in {ledger.parent}: `overloop run` makes one.", Exit.UNREACHABLE)
    try:
        schema.check(ledger)
    except schema.SchemaMismatch as problem:
        fail(str(problem), Exit.FAILED)
    except LedgerUnavailable as problem:
        fail(str(problem), Exit.UNREACHABLE)
    if output == "json":
        typer.echo(as_json({"ledger": str(ledger), "revision": schema.REVISION}))
    else:
        say(f"The ledger {ledger} has the schema {schema.REVISION}, the newest.")
