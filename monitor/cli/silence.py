"""`overloop silence`: times when nothing is sent."""

from __future__ import annotations

import re
from typing import Annotated, Any
from urllib.parse import quote

import typer

from monitor.cli.context import Exit, Output, as_json, fail, say, seconds, shared, show, told
from monitor.cli.ids import SHORT, WHOLE, whole_id

app = typer.Typer(help="Hold messages back for a while.", no_args_is_help=True)

NAMES = ("model", "rule", "pack", "severity")
_MATCHER = re.compile(r"(\w+)\s*(=~|!~|!=|=)\s*(.*)", re.DOTALL)


@app.command()
def add(
    context: typer.Context,
    matchers: Annotated[
        list[str],
        typer.Argument(metavar="MATCHER", help="All must fit: model=fraud-eu, rule=~Score.*, severity!=critical."),
    ],
    for_: Annotated[str, typer.Option("--for", metavar="TIME", help="How long, such as 2h or 7d.")],
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; it is kept in the audit log.")],
    output: Output = "table",
) -> None:
    """Send nothing for what matches, for a while. Incidents are opened all the same."""
    body = {
        "matchers": [_matcher(text) for text in matchers],
        "for_seconds": seconds(for_, "--for"),
        "reason": reason,
    }
    with told():
        daemon = shared(context).daemon()
        made = daemon.checked(daemon.post("/v1/silences", body))
    if output == "json":
        typer.echo(as_json(made))
    else:
        now = len(made["matches_now"])
        ends = made["ends_at"][:19]
        say(f"Silence {made['id'][:SHORT]} ends at {ends}Z; it matches {now} incident{'s' * (now != 1)} now.")


@app.command("list")
def list_(context: typer.Context, output: Output = "table") -> None:
    """List the silences that have not ended."""
    with told():
        page = shared(context).daemon().json("/v1/silences")
    if not page["silences"] and output == "table":
        say("There are no silences.")
        return
    show(
        [_row(silence) for silence in page["silences"]],
        ["id", "state", "ends_at", "by", "matchers", "reason"],
        output,
        page,
    )


@app.command()
def expire(
    context: typer.Context,
    id_: Annotated[str, typer.Argument(metavar="ID", help="The silence's id, or enough of its beginning.")],
    output: Output = "table",
) -> None:
    """End a silence now."""
    with told():
        daemon = shared(context).daemon()
        if len(id_) < WHOLE:
            known = [silence["id"] for silence in daemon.json("/v1/silences")["silences"]]
            id_ = whole_id(id_, known, "silence", "overloop silence list")
        ended = daemon.checked(daemon.call("DELETE", f"/v1/silences/{quote(id_, safe='')}"))
    if output == "json":
        typer.echo(as_json(ended))
    else:
        say(f"Silence {id_[:SHORT]} has ended.")


def _row(silence: dict[str, Any]) -> dict[str, Any]:
    matchers = [f"{m['name']}{m['operator']}{m['value']}" for m in silence["matchers"]]
    ends = silence["ends_at"][:16].replace("T", " ")
    return {**silence, "id": silence["id"][:SHORT], "ends_at": ends, "by": silence["created_by"], "matchers": matchers}


def _matcher(text: str) -> dict[str, str]:
    found = _MATCHER.fullmatch(text)
    if found is None:
        fail(f"{text!r} is no matcher: write model=NAME, model!=NAME, model=~PATTERN or model!~PATTERN.", Exit.USAGE)
    name, operator, value = found.groups()
    if name not in NAMES:
        fail(f"{text!r} is no matcher: incidents are matched by {', '.join(NAMES)}.", Exit.USAGE)
    return {"name": name, "operator": operator, "value": value}
