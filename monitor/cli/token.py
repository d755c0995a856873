"""`overloop token`: ways in, for people and for services."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from urllib.parse import quote

import typer

from monitor.cli.context import Output, as_json, say, shared, show, told
from monitor.cli.ids import SHORT, WHOLE, whole_id

app = typer.Typer(help="Make and take back tokens of people and of services.", no_args_is_help=True)

Role = Literal["ingest", "viewer", "operator", "supervisor", "admin"]


@app.command()
def create(
    context: typer.Context,
    user: Annotated[str, typer.Argument(metavar="NAME", help="The person or service whose acts it stands for.")],
    role: Annotated[Role, typer.Option(help="ingest is for machines that post events.")] = "ingest",
    label: Annotated[str, typer.Option(metavar="TEXT", help="What it is for.")] = "",
    days: Annotated[float | None, typer.Option(min=0.001, max=3650, metavar="N", help="Days until it expires.")] = None,
    output: Output = "table",
) -> None:
    """Make a token, and print it: it is shown only now."""
    with told():
        daemon = shared(context).daemon()
        body = {"user": user, "role": role, "label": label, "days": days}
        made = daemon.checked(daemon.post("/v1/tokens", body))
    if output == "json":
        typer.echo(as_json(made))
    else:
        say(made["token"])


@app.command("list")
def list_(context: typer.Context, output: Output = "table") -> None:
    """List the tokens ever made, without their secrets."""
    with told():
        page = shared(context).daemon().json("/v1/tokens")
    show([_row(t) for t in page["tokens"]], ["id", "user", "role", "made", "expires", "revoked", "label"], output, page)


@app.command()
def revoke(
    context: typer.Context,
    id_: Annotated[str, typer.Argument(metavar="ID", help="The token's id, or enough of its beginning.")],
    output: Output = "table",
) -> None:
    """Take a token back. It stops working within seconds."""
    with told():
        daemon = shared(context).daemon()
        if len(id_) < WHOLE:
            known = [token["id"] for token in daemon.json("/v1/tokens")["tokens"]]
            id_ = whole_id(id_, known, "token", "overloop token list")
        gone = daemon.checked(daemon.call("DELETE", f"/v1/tokens/{quote(id_, safe='')}"))
    if output == "json":
        typer.echo(as_json(gone))
    else:
        say(f"Token {id_[:SHORT]} no longer works.")


def _row(token: dict[str, Any]) -> dict[str, Any]:
    days = {"made": "created_at", "expires": "expires_at", "revoked": "revoked_at"}
    shown = {name: token[key] and token[key][:10] for name, key in days.items()}
    return {**token, **shown, "id": token["id"][:SHORT]}
