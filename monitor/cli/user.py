"""`overloop user`: overseers."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from monitor.cli.context import Output, as_json, say, shared, show, told

app = typer.Typer(help="Add the people who may act.", no_args_is_help=True)

Role = Literal["viewer", "operator", "supervisor", "admin"]


@app.command()
def add(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Letters, digits, and . _ @ - after the first.")],
    role: Annotated[Role, typer.Option(help="How far their word goes.")] = "operator",
    output: Output = "table",
) -> None:
    """Add an overseer, and print their first token: it is shown only now."""
    with told():
        daemon = shared(context).daemon()
        made = daemon.checked(daemon.post("/v1/users", {"name": name, "role": role}))
    if output == "json":
        typer.echo(as_json(made))
    else:
        say(f"{made['name']} is {made['role']}. Their token, shown only now:", err=True)
        say(made["token"])


@app.command("list")
def list_(context: typer.Context, output: Output = "table") -> None:
    """List the overseers."""
    with told():
        page = shared(context).daemon().json("/v1/users")
    if not page["users"] and output == "table":
        say("There are no overseers beside the admin of the token file; add one with `overloop user add`.")
        return
    show(page["users"], ["name", "role", "created_at", "disabled_at"], output, page)
