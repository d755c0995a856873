"""`overloop user | token`: who may come in."""

from __future__ import annotations

from typing import Annotated

import typer

from monitor.cli.context import shared, show, told

user = typer.Typer(help="Overseers.", no_args_is_help=True)
token = typer.Typer(help="Tokens of people and of services.", no_args_is_help=True)
APPS = {"user": user, "token": token}
Output = Annotated[str, typer.Option("-o", "--output", help="table or json.")]
Role = Annotated[str, typer.Option(help="viewer, operator, supervisor, admin, or ingest for machines.")]


@user.command("add")
def user_add(context: typer.Context, name: Annotated[str, typer.Argument()], role: Role = "operator") -> None:
    """Add an overseer. Prints their first token, once."""
    with told():
        made = shared(context).daemon().post("/v1/users", {"name": name, "role": role})
    typer.echo(f"{made['name']} is {made['role']}. Their token, shown only now:")
    typer.echo(made["token"])


@user.command("list")
def user_list(context: typer.Context, output: Output = "table") -> None:
    """Overseers."""
    with told():
        page = shared(context).daemon().get("/v1/users")
    show(page["users"], ["name", "role", "created_at", "disabled_at"], output, page)


@token.command("create")
def token_create(
    context: typer.Context,
    user: Annotated[str, typer.Argument(help="Whose acts it stands for.")],
    role: Role = "ingest",
    label: Annotated[str, typer.Option(help="What it is for.")] = "",
    days: Annotated[float | None, typer.Option(help="Days until it expires; never by default.")] = None,
) -> None:
    """Make a token. It is shown once."""
    with told():
        made = shared(context).daemon().post("/v1/tokens", {"user": user, "role": role, "label": label, "days": days})
    typer.echo(made["token"])


@token.command("list")
def token_list(context: typer.Context, output: Output = "table") -> None:
    """Tokens ever made, without their secrets."""
    with told():
        page = shared(context).daemon().get("/v1/tokens")
    show(page["tokens"], ["id", "user", "role", "label", "created_at", "expires_at", "revoked_at"], output, page)


@token.command("revoke")
def token_revoke(context: typer.Context, id_: Annotated[str, typer.Argument(help="The token's id.")]) -> None:
    """Take a token back. It stops working within seconds."""
    with told():
        shared(context).daemon().call("DELETE", f"/v1/tokens/{id_}")
    typer.echo(f"Token {id_} no longer works.")
