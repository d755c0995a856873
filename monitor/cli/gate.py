"""`overloop gate`: what the services of a model may do."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from urllib.parse import quote

import typer

from monitor.cli.context import Output, as_json, say, shared, show, told

app = typer.Typer(help="Say what the services of a model may do.", no_args_is_help=True)

Model = Annotated[str, typer.Argument(metavar="MODEL", help="The model's name.")]
State = Literal["auto", "review", "halt"]
_COLUMNS = ["scope", "state", "generation", "since", "by", "reason"]


@app.command("show")
def show_(context: typer.Context, model: Model, output: Output = "table") -> None:
    """Show what the services of a model may do now."""
    with told():
        found = shared(context).daemon().json(f"/v1/gates/{quote(model, safe='')}")
    show([_row(found)], _COLUMNS, output, found)


@app.command("list")
def list_(context: typer.Context, output: Output = "table") -> None:
    """List the gates that were ever set."""
    with told():
        page = shared(context).daemon().json("/v1/gates")
    if not page["gates"] and output == "table":
        say("No gate was ever set: every model is at auto.")
        return
    show([_row(one) for one in page["gates"]], _COLUMNS, output, page)


@app.command("set")
def set_(
    context: typer.Context,
    model: Model,
    state: Annotated[
        State, typer.Argument(metavar="STATE", help="auto: as usual; review: a person looks first; halt: stop.")
    ],
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; it is kept in the audit log.")],
    generation: Annotated[
        int | None, typer.Option(min=0, metavar="N", help="Refuse if the gate has moved on from this generation.")
    ] = None,
    output: Output = "table",
) -> None:
    """Tighten or loosen the gate of a model."""
    headers = {} if generation is None else {"If-Match": f'"{generation}"'}
    path = f"/v1/gates/{quote(model, safe='')}"
    with told():
        daemon = shared(context).daemon()
        found = daemon.checked(daemon.call("PUT", path, {"state": state, "reason": reason}, headers))
    if output == "json":
        typer.echo(as_json(found))
    else:
        say(f"The gate of {found['scope']} is {found['state']} (generation {found['generation']}).")


def _row(found: dict[str, Any]) -> dict[str, Any]:
    return {**found, "since": found["since"] and found["since"][:16].replace("T", " ")}
