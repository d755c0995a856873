"""`overloop db`: the ledger's schema."""

from __future__ import annotations

import typer

from monitor.cli.context import Exit, fail, shared

app = typer.Typer(help="The ledger's schema.", no_args_is_help=True)


@app.command()
def upgrade(context: typer.Context) -> None:
    """Bring the ledger to this program's schema. A copy of it is kept."""
    from monitor.app.home import HomeError, make
    from monitor.store import schema

    try:
        home = make(shared(context).folder())
        kept = schema.upgrade(home.ledger, home.run)
    except (HomeError, schema.SchemaMismatch, OSError) as problem:
        fail(str(problem), Exit.UNREACHABLE)
    typer.echo(
        f"The ledger {home.ledger} is at the newest schema." + (f" A copy of the old one is {kept}." if kept else "")
    )


@app.command()
def check(context: typer.Context) -> None:
    """Say whether the ledger's schema is this program's."""
    from monitor.store import schema

    ledger = shared(context).folder() / "ledger.db"
    if not ledger.exists():
        fail(f"There is no ledger in {ledger.parent}; `overloop run` makes one.", Exit.UNREACHABLE)
    try:
        schema.check(ledger)
    except schema.SchemaMismatch as problem:
        fail(str(problem), Exit.FAILED)
    typer.echo(f"The ledger {ledger} is at the newest schema.")
