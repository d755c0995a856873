"""`overloop incident`: list, show, act."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from urllib.parse import quote, urlencode

import typer

from monitor.cli.context import Format, Output, as_json, say, seconds, shared, show, told
from monitor.cli.http import Daemon
from monitor.cli.ids import SHORT, WHOLE, whole_id
from monitor.cli.incident_text import in_hand, marked

app = typer.Typer(help="Look at what needs a person, and act on it.", no_args_is_help=True)

Id = Annotated[str, typer.Argument(metavar="ID", help="The incident's id, or enough of its beginning.")]
Note = Annotated[str | None, typer.Option("--note", metavar="TEXT", help="A note to leave with it.")]
Revision = Annotated[
    int | None, typer.Option(min=1, metavar="N", help="Refuse if it has changed since this revision of it.")
]
State = Literal["open", "acknowledged", "recovered", "closed"]
Verdict = Literal["real", "expected", "false", "unclear"]


@app.command("list")
def list_(
    context: typer.Context,
    state: Annotated[State | None, typer.Option(help="Only those in this state.")] = None,
    model: Annotated[str | None, typer.Option(metavar="MODEL", help="Only those of one model.")] = None,
    rule: Annotated[
        str | None, typer.Option(metavar="RULE", help="Only those of one rule: its name, or pack/name.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, metavar="N", help="At most so many.")] = 50,
    output: Output = "table",
) -> None:
    """List incidents, the newest first."""
    asked = {"state": state, "model": model, "rule": rule, "limit": limit}
    with told():
        page = shared(context).daemon().json(f"/v1/incidents?{urlencode({k: v for k, v in asked.items() if v})}")
    rows = [
        {
            **i,
            "id": i["id"][:SHORT],
            "state": marked(i),
            "opened": i["opened_at"][:16].replace("T", " "),
            "owner": in_hand(i),
        }
        for i in page["incidents"]
    ]
    if not rows and output == "table":
        say("There are no incidents to show.")
        return
    show(rows, ["id", "state", "severity", "opened", "model", "owner", "summary"], output, page)
    if page["next"] is not None and output == "table":
        say(f"There are more than {limit}: raise --limit, or narrow it with --state, --model or --rule.", err=True)


@app.command("show")
def show_(context: typer.Context, id_: Id, output: Output = "table") -> None:
    """Show one incident with its evidence, notes and messages."""
    from monitor.cli.incident_text import lines

    with told():
        daemon = shared(context).daemon()
        found = daemon.json(f"/v1/incidents/{_path(daemon, id_)}")
    if output == "json":
        typer.echo(as_json(found))
    else:
        say("\n".join(lines(found)))


@app.command()
def ack(
    context: typer.Context,
    id_: Id,
    note: Note = None,
    take: Annotated[bool, typer.Option("--take", help="Become the owner even if somebody else is.")] = False,
    for_: Annotated[str | None, typer.Option("--for", metavar="TIME", help="How long it stands, such as 2h.")] = None,
    revision: Revision = None,
    output: Output = "table",
) -> None:
    """Say "I have it", so that nobody else is told. It runs out after 8 hours unless you say otherwise."""
    lasts = None if for_ is None else seconds(for_, "--for")
    _act(context, id_, "acknowledge", output, note=note, take=take or None, for_seconds=lasts, revision=revision)


@app.command()
def release(context: typer.Context, id_: Id, note: Note = None, output: Output = "table") -> None:
    """Give an acknowledgement back: the incident is open again."""
    _act(context, id_, "release", output, note=note)


@app.command()
def note(
    context: typer.Context,
    id_: Id,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="What is to be remembered.")],
    output: Output = "table",
) -> None:
    """Write something down with an incident."""
    _act(context, id_, "note", output, note=text)


@app.command()
def assign(
    context: typer.Context,
    id_: Id,
    owner: Annotated[str, typer.Argument(metavar="USER", help="Who is to own it.")],
    note: Note = None,
    output: Output = "table",
) -> None:
    """Make somebody the owner of an incident."""
    _act(context, id_, "assign", output, owner=owner, note=note)


@app.command()
def close(
    context: typer.Context,
    id_: Id,
    verdict: Annotated[Verdict | None, typer.Option(help="What it was.")] = None,
    note: Note = None,
    revision: Revision = None,
    output: Output = "table",
) -> None:
    """Close an incident. A detector that latched starts watching again."""
    _act(context, id_, "close", output, verdict=verdict, note=note, revision=revision)


@app.command()
def reopen(context: typer.Context, id_: Id, note: Note = None, output: Output = "table") -> None:
    """Open a closed incident again."""
    _act(context, id_, "reopen", output, note=note)


@app.command()
def verdict(
    context: typer.Context,
    id_: Id,
    verdict: Annotated[Verdict, typer.Argument(metavar="VERDICT", help="What it was.")],
    note: Note = None,
    output: Output = "table",
) -> None:
    """Say what an incident was."""
    _act(context, id_, "verdict", output, verdict=verdict, note=note)


def _act(context: typer.Context, id_: str, act: str, output: Format, **body: Any) -> None:
    with told():
        daemon = shared(context).daemon()
        given = {name: value for name, value in body.items() if value is not None}
        found = daemon.checked(daemon.post(f"/v1/incidents/{_path(daemon, id_)}/{act}", given))
    if output == "json":
        typer.echo(as_json(found))
    else:
        say(f"Incident {found['id'][:SHORT]} is {found['state']}: {found['summary']}")


def _path(daemon: Daemon, id_: str) -> str:
    """The whole id, as it stands in a path."""
    if len(id_) < WHOLE:
        id_ = whole_id(id_, _all_ids(daemon), "incident", "overloop incident list")
    return quote(id_, safe="")


def _all_ids(daemon: Daemon) -> list[str]:
    found: list[str] = []
    after: str | None = ""
    while after is not None:
        page = daemon.json("/v1/incidents?" + urlencode({"limit": 1000, **({"after": after} if after else {})}))
        found += [incident["id"] for incident in page["incidents"]]
        after = page["next"]
    return found
