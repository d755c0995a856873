"""`overloop model`: the models that are watched."""

from __future__ import annotations

from typing import Annotated, Literal
from urllib.parse import quote

import typer

from monitor.cli.context import Output, as_json, say, shared, show, told

app = typer.Typer(help="Look at the models that are watched.", no_args_is_help=True)

Model = Annotated[str, typer.Argument(metavar="MODEL", help="The model's name.")]
Kind = Literal["number", "category", "text", "vector", "id", "time", "secret"]


@app.command("list")
def list_(context: typer.Context, output: Output = "table") -> None:
    """List the models seen or expected, without those that were retired."""
    with told():
        page = shared(context).daemon().json("/v1/models")
    if not page["models"] and output == "table":
        say("No model is known yet: send events with `overloop events send`, POST /v1/events or the client.")
        return
    rows = [
        {**m, "last_seen": m["last_seen"] and m["last_seen"][:19] + "Z", "columns": len(m["columns"])}
        for m in page["models"]
    ]
    show(rows, ["model", "events", "last_seen", "columns", "versions"], output, page)


@app.command("show")
def show_(context: typer.Context, model: Model, output: Output = "table") -> None:
    """Show the columns of a model, and what kind each was taken for."""
    with told():
        found = shared(context).daemon().json(f"/v1/models/{quote(model, safe='')}")
    rows = [{"column": name, "kind": kind} for name, kind in sorted(found["columns"].items())]
    show(rows, ["column", "kind"], output, found)


@app.command()
def kind(
    context: typer.Context,
    model: Model,
    column: Annotated[str, typer.Argument(metavar="COLUMN", help="The column, such as inputs.zip.")],
    kind: Annotated[Kind, typer.Argument(metavar="KIND", help="What it is.")],
    output: Output = "table",
) -> None:
    """Say what a column is, where the daemon guessed wrong."""
    with told():
        daemon = shared(context).daemon()
        path = f"/v1/models/{quote(model, safe='')}/columns"
        found = daemon.checked(daemon.post(path, {"column": column, "kind": kind}))
    if output == "json":
        typer.echo(as_json(found))
    else:
        say(f"{column} of {model} is of kind {found['columns'][column]} from now on.")


@app.command()
def retire(
    context: typer.Context,
    model: Model,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; it is kept in the audit log.")],
    output: Output = "table",
) -> None:
    """Stop watching a model. Its open incidents are marked, and a person closes them."""
    with told():
        daemon = shared(context).daemon()
        found = daemon.checked(daemon.post(f"/v1/models/{quote(model, safe='')}/retire", {"reason": reason}))
    if output == "json":
        typer.echo(as_json(found))
    else:
        say(f"{model} is no longer watched.")
