"""`overloop reference`: what detectors take for normal."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

import typer

from monitor.cli.context import Output, as_json, say, shared, show, told

app = typer.Typer(help="Say what detectors take for normal.", no_args_is_help=True)


@app.command("list")
def list_(
    context: typer.Context,
    model: Annotated[str | None, typer.Option(metavar="MODEL", help="Only those of one model.")] = None,
    output: Output = "table",
) -> None:
    """List what people took for normal, and why."""
    with told():
        page = shared(context).daemon().json("/v1/references" + (f"?model={quote(model, safe='')}" if model else ""))
    rows = [
        {**r, "rule": r["rule"] or "all rules", "accepted": r["created_at"][:16].replace("T", " "), "by": r["author"]}
        for r in page["references"]
    ]
    if not rows and output == "table":
        say("Nobody has accepted a new normal; detectors keep what they learned first.")
        return
    show(rows, ["model", "rule", "version", "accepted", "by", "reason"], output, page)


@app.command()
def accept(
    context: typer.Context,
    model: Annotated[str, typer.Argument(metavar="MODEL", help="The model's name.")],
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; it is kept in the audit log.")],
    rule: Annotated[
        str | None, typer.Option(metavar="PACK/RULE", help="One rule only; all of the model if left out.")
    ] = None,
    output: Output = "table",
) -> None:
    """Take the present for the new normal: the detectors forget the old one and learn afresh."""
    with told():
        daemon = shared(context).daemon()
        made = daemon.checked(daemon.post("/v1/references", {"model": model, "rule": rule, "reason": reason}))
    if output == "json":
        typer.echo(as_json(made))
    else:
        what = made["rule"] or "all rules"
        say(f"Version {made['version']} is the new normal of {made['model']} for {what}; the detectors learn it now.")
