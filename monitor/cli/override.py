"""`overloop override`: answers of models that people set aside."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal
from urllib.parse import urlencode

import typer

from monitor.cli.context import Output, as_json, say, shared, show, told
from monitor.cli.http import Daemon
from monitor.cli.ids import SHORT, WHOLE, whole_id

app = typer.Typer(help="Set answers of models aside.", no_args_is_help=True)

Verb = Literal["not_use", "disregard", "override", "reverse"]


@app.command()
def add(
    context: typer.Context,
    model: Annotated[str, typer.Argument(metavar="MODEL", help="The model's name.")],
    decision_id: Annotated[str, typer.Argument(metavar="DECISION", help="The id of the answer.")],
    verb: Annotated[Verb, typer.Argument(metavar="VERB", help="What is done with it.")],
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; it is kept in the audit log.")],
    answer: Annotated[
        str | None, typer.Option(metavar="JSON", help="What holds instead, as JSON; text if it is none.")
    ] = None,
    reverses: Annotated[str | None, typer.Option(metavar="ID", help="The override that reverse takes back.")] = None,
    note: Annotated[str | None, typer.Option(metavar="TEXT", help="A note.")] = None,
    output: Output = "table",
) -> None:
    """Set one answer of a model aside, and say why."""
    body = {"model": model, "decision_id": decision_id, "verb": verb, "reason": reason, "note": note}
    with told():
        daemon = shared(context).daemon()
        whole = None if reverses is None else _whole(daemon, reverses, model)
        made = daemon.checked(daemon.post("/v1/overrides", {**body, "answer": _json(answer), "reverses": whole}))
    if output == "json":
        typer.echo(as_json(made))
    else:
        say(f"Recorded {made['verb']} of {made['decision_id']} on {made['model']} as {made['id']}.")


@app.command("list")
def list_(
    context: typer.Context,
    model: Annotated[str | None, typer.Option(metavar="MODEL", help="Only those of one model.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, metavar="N", help="At most so many.")] = 50,
    output: Output = "table",
) -> None:
    """List overrides, the newest first."""
    with told():
        page = _page(shared(context).daemon(), model, limit)
    rows = [{**o, "id": o["id"][:SHORT], "at": o["at"][:16].replace("T", " ")} for o in page["overrides"]]
    if not rows and output == "table":
        say("No answer has been set aside.")
        return
    show(rows, ["id", "at", "by", "model", "decision_id", "verb", "reason"], output, page)


def _page(daemon: Daemon, model: str | None, limit: int) -> dict[str, Any]:
    return daemon.json("/v1/overrides?" + urlencode({"limit": limit, **({"model": model} if model else {})}))


def _whole(daemon: Daemon, id_: str, model: str) -> str:
    if len(id_) >= WHOLE:
        return id_
    known = [o["id"] for o in _page(daemon, model, 1000)["overrides"]]
    return whole_id(id_, known, "override", f"overloop override list --model {model}")


def _json(text: str | None) -> Any:
    if text is None:
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
