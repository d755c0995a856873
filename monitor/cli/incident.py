"""`overloop incident`: list, show, act."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from monitor.cli.context import Exit, fail, plain, shared, show, told
from monitor.cli.http import Daemon

app = typer.Typer(help="What needs a person, and what people did about it.", no_args_is_help=True)

Id = Annotated[str, typer.Argument(help="The incident's id, or enough of its beginning.")]
Note = Annotated[str | None, typer.Option("--note", help="A note to leave with it.")]
Revision = Annotated[int | None, typer.Option(help="Refuse if the incident has a newer revision than this.")]
Output = Annotated[str, typer.Option("-o", "--output", help="table or json.")]


@app.command("list")
def list_(
    context: typer.Context,
    state: Annotated[str | None, typer.Option(help="open, acknowledged, recovered or closed.")] = None,
    model: Annotated[str | None, typer.Option(help="One model only.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 50,
    output: Output = "table",
) -> None:
    """Incidents, the newest first."""
    from urllib.parse import urlencode

    asked = {"state": state, "model": model, "limit": limit}
    with told():
        page = shared(context).daemon().get(f"/v1/incidents?{urlencode({k: v for k, v in asked.items() if v})}")
    rows = [{**i, "id": i["id"][:8], "since": i["opened_at"][:19] + "Z"} for i in page["incidents"]]
    if not rows and output == "table":
        typer.echo("There are no incidents to show.")
        return
    show(rows, ["id", "state", "severity", "since", "model", "owner", "summary"], output, page)


@app.command("show")
def show_(context: typer.Context, id_: Id, output: Output = "table") -> None:
    """One incident with its evidence, notes and notices."""
    with told():
        daemon = shared(context).daemon()
        found = daemon.get(f"/v1/incidents/{full_id(daemon, id_)}")
    if output == "json":
        show([], [], "json", found)
        return
    for line in _lines(found):
        typer.echo(line)


def _lines(found: dict[str, Any]) -> list[str]:
    lines = [plain(found["summary"]), ""]
    for name in (
        "id",
        "state",
        "severity",
        "stage",
        "model",
        "version",
        "pack",
        "rule",
        "opened_at",
        "owner",
        "acknowledged_by",
        "verdict",
        "revision",
    ):
        lines.append(f"{name.replace('_', ' '):>16}  {plain(found[name])}")
    lines += ["", f"What it means: {plain(found['meaning'])}", f"What to do:    {plain(found['action'])}"]
    for e in found["evidence"]:
        detail = (
            e.get("detail") or f"{e['statistic']} {plain(e['value'])}, expected {plain(e['expected'])}, n = {e['n']}"
        )
        lines.append(f"Evidence:      {e['at']} {plain(e['column'])} {plain(e['segment'])} {plain(detail)}".rstrip())
    lines += [f"Note:          {n['at']} {plain(n['author'])}: {plain(n['text'])}" for n in found.get("notes", [])]
    lines += [f"Told:          {n['at']} {n['target']} ({n['reason']}): {n['state']}" for n in found["notices"]]
    return lines


def full_id(daemon: Daemon, id_: str) -> str:
    """The whole id behind a beginning. Ends the command if none or several begin so."""
    if len(id_) >= 36:
        return id_
    found = [i["id"] for i in daemon.get("/v1/incidents?limit=1000")["incidents"] if i["id"].startswith(id_)]
    if len(found) != 1:
        fail(f"{len(found) or 'No'} incidents begin with {id_!r}; see `overloop incident list`.", Exit.FAILED)
    return str(found[0])


def _act(context: typer.Context, id_: str, act: str, **body: Any) -> None:
    with told():
        daemon = shared(context).daemon()
        given = {name: value for name, value in body.items() if value is not None}
        found = daemon.post(f"/v1/incidents/{full_id(daemon, id_)}/{act}", given)
    typer.echo(f"Incident {found['id'][:8]} is {found['state']}: {plain(found['summary'])}")


@app.command()
def ack(
    context: typer.Context,
    id_: Id,
    note: Note = None,
    take: Annotated[bool, typer.Option("--take", help="Become the owner even if somebody else is.")] = False,
    hours: Annotated[float | None, typer.Option("--for", help="Hours it stands; 8 by default.")] = None,
    revision: Revision = None,
) -> None:
    """ "I have it": the pages stop until it runs out."""
    _act(context, id_, "acknowledge", note=note, take=take, for_seconds=hours and hours * 3600, revision=revision)


@app.command()
def release(context: typer.Context, id_: Id, note: Note = None) -> None:
    """Give an acknowledgement back."""
    _act(context, id_, "release", note=note)


@app.command()
def note(context: typer.Context, id_: Id, text: Annotated[str, typer.Argument()]) -> None:
    """Write something down."""
    _act(context, id_, "note", note=text)


@app.command()
def assign(context: typer.Context, id_: Id, owner: Annotated[str, typer.Argument()], note: Note = None) -> None:
    """Make somebody the owner."""
    _act(context, id_, "assign", owner=owner, note=note)


@app.command()
def close(
    context: typer.Context,
    id_: Id,
    verdict: Annotated[str | None, typer.Option(help="real, expected, false or unclear.")] = None,
    note: Note = None,
    revision: Revision = None,
) -> None:
    """It is over. A detector that latched starts watching again."""
    _act(context, id_, "close", verdict=verdict, note=note, revision=revision)


@app.command()
def reopen(context: typer.Context, id_: Id, note: Note = None) -> None:
    """It is not over after all."""
    _act(context, id_, "reopen", note=note)


@app.command()
def verdict(context: typer.Context, id_: Id, verdict: Annotated[str, typer.Argument()], note: Note = None) -> None:
    """What it was: real, expected, false or unclear."""
    _act(context, id_, "verdict", verdict=verdict, note=note)
