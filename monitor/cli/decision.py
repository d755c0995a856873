"""`overloop decision`: answers about which services ask people."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal
from urllib.parse import quote, urlencode

import typer

from monitor.cli.context import Output, as_json, say, shared, show, told
from monitor.cli.http import Daemon
from monitor.cli.ids import SHORT, WHOLE, whole_id

app = typer.Typer(help="Decide about answers that services ask people about.", no_args_is_help=True)

State = Literal["waiting", "approved", "changed", "rejected", "expired"]
Verdict = Literal["approve", "change", "reject"]


@app.command("list")
def list_(
    context: typer.Context,
    state: Annotated[State, typer.Option(metavar="STATE", help="waiting, approved, changed, rejected, expired.")] = (
        "waiting"
    ),
    model: Annotated[str | None, typer.Option(metavar="MODEL", help="Only those of one model.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, metavar="N", help="At most so many.")] = 50,
    output: Output = "table",
) -> None:
    """List answers that wait for a decision, the most urgent first, or those that were decided."""
    with told():
        page = _page(shared(context).daemon(), state, model, limit)
    if not page["decisions"] and output == "table":
        say("No answer waits for a person." if state == "waiting" else f"No answer was {state}.")
        return
    rows = [
        {**one, "id": one["id"][:SHORT], "until": one["deadline_at"][:19].replace("T", " "), "proposed": _brief(one)}
        for one in page["decisions"]
    ]
    show(rows, ["id", "model", "decision_id", "mode", "until", "state", "proposed"], output, page)


@app.command("decide")
def decide(
    context: typer.Context,
    id_: Annotated[str, typer.Argument(metavar="ID", help="Of the decision, or its first letters.")],
    verdict: Annotated[
        Verdict, typer.Argument(metavar="VERDICT", help="approve, change (with --answer), or reject: do what is safe.")
    ],
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; it is kept in the audit log.")],
    answer: Annotated[str | None, typer.Option(metavar="JSON", help="What holds instead, as JSON.")] = None,
    output: Output = "table",
) -> None:
    """Decide about an answer that a service asks about."""
    body = {"verdict": verdict, "reason": reason, "answer": None if answer is None else _json(answer)}
    with told():
        daemon = shared(context).daemon()
        whole = id_ if len(id_) >= WHOLE else _whole(daemon, id_)
        made = daemon.checked(daemon.post(f"/v1/decisions/{quote(whole, safe='')}/decide", body))
    if output == "json":
        typer.echo(as_json(made))
    else:
        say(f"The answer {made['decision_id']} of {made['model']} is {made['state']}.")


def _whole(daemon: Daemon, id_: str) -> str:
    known = [one["id"] for one in _page(daemon, "waiting", None, 1000)["decisions"]]
    return whole_id(id_, known, "decision", "overloop decision list")


def _page(daemon: Daemon, state: str, model: str | None, limit: int) -> dict[str, Any]:
    asked = {"state": state, "limit": limit, **({"model": model} if model else {})}
    return daemon.json("/v1/decisions?" + urlencode(asked))


def _brief(one: dict[str, Any]) -> str:
    text = json.dumps(one["proposed"], ensure_ascii=False)
    return text if len(text) <= 60 else text[:59] + "…"


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
