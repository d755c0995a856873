"""`overloop gate`: what the services of a model may do."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from urllib.parse import quote, urlencode

import typer

from monitor.cli.context import Exit, Output, as_json, say, shared, show, told
from monitor.cli.http import Daemon

app = typer.Typer(help="Say what the services of a model may do.", no_args_is_help=True)

Model = Annotated[str, typer.Argument(metavar="MODEL", help="The model's name.")]
Version = Annotated[str | None, typer.Option(metavar="VERSION", help="Of this version only.")]
Segment = Annotated[str | None, typer.Option(metavar="COLUMN=VALUE", help="Of this segment only.")]
Operation = Annotated[str | None, typer.Option(metavar="NAME", help="Of this operation of the service only.")]
State = Literal["auto", "review", "halt"]
_COLUMNS = ["scope", "state", "generation", "since", "by", "reason"]


@app.command("show")
def show_(
    context: typer.Context,
    model: Model,
    version: Version = None,
    segment: Segment = None,
    operation: Operation = None,
    output: Output = "table",
) -> None:
    """Show what the services of a model may do now."""
    named = {"version": version, "segment": segment, "operation": operation}
    asked = urlencode({name: value for name, value in named.items() if value})
    with told():
        found = shared(context).daemon().json(f"/v1/gates/{quote(model, safe='')}" + (f"?{asked}" if asked else ""))
    show([_row(found)], _COLUMNS, output, found)
    if output == "table":
        _more(found)


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
    version: Version = None,
    segment: Segment = None,
    operation: Operation = None,
    generation: Annotated[
        int | None, typer.Option(min=0, metavar="N", help="Refuse if the gate has moved on from this generation.")
    ] = None,
    break_glass: Annotated[
        bool, typer.Option("--break-glass", help="End a halt without what the pack asks for; it calls people.")
    ] = False,
    output: Output = "table",
) -> None:
    """Tighten or loosen the gate of a model, or of a part of it."""
    headers = {} if generation is None else {"If-Match": f'"{generation}"'}
    body = {"state": state, "reason": reason, "version": version, "segment": segment, "operation": operation}
    with told():
        daemon = shared(context).daemon()
        path = f"/v1/gates/{quote(model, safe='')}"
        found = daemon.checked(daemon.call("PUT", path, {**body, "break_glass": break_glass}, headers))
        nobody = _nobody(daemon, model)
    if output == "json":
        typer.echo(as_json(found))
    elif found["asked"] and found["state"] != state:
        say(f"The gate of {found['scope']} is still {found['state']}: it takes another person to ask for {state}, too.")
    else:
        say(f"The gate of {found['scope']} is {found['state']} (generation {found['generation']}).")
        if nobody:
            say(f"No event of {model} has come, and no service follows its gate: is the name right?", err=True)


def _nobody(daemon: Daemon, model: str) -> bool:
    """Whether neither events nor services know of a model: its name may have been typed wrong."""
    if daemon.json("/v1/gate-clients?" + urlencode({"model": model}))["clients"]:
        return False
    return model not in {one["model"] for one in daemon.json("/v1/models")["models"]}


@app.command()
def clients(context: typer.Context, model: Model, output: Output = "table") -> None:
    """List the processes of services that follow the gate of a model, and the generation each applied."""
    with told():
        page = shared(context).daemon().json("/v1/gate-clients?" + urlencode({"model": model}))
    if not page["clients"] and output == "table":
        say(f"No service has said that it follows the gate of {model}.")
        return
    rows = [{**one, "live": "yes" if one["live"] else "no", "seen": _short(one["seen_at"])} for one in page["clients"]]
    show(rows, ["client", "user", "state", "generation", "seen", "live"], output, page)


@app.command()
def drill(
    context: typer.Context,
    model: Model,
    timeout: Annotated[
        float, typer.Option(min=0.1, max=60, metavar="SECONDS", help="How long to wait for everybody.")
    ] = 30.0,
    output: Output = "table",
) -> None:
    """Rehearse the stop button end to end, and keep the evidence in the audit log. No answer is stopped by it."""
    with told():
        known = shared(context).daemon()
        daemon = Daemon(known.url, token=known.token, patience=timeout + 30.0)
        found = daemon.checked(daemon.post("/v1/gate-drills", {"model": model, "timeout_seconds": timeout}))
    if output == "json":
        typer.echo(as_json(found))
    else:
        _tell(found)
    if not found["passed"]:
        raise typer.Exit(Exit.FAILED)


def _tell(found: dict[str, Any]) -> None:
    if not found["clients"]:
        say(f"No service follows the gate of {found['model']} now, so nothing was rehearsed.")
        return
    say(f"{found['acknowledged']} of {found['clients']} followed a halt of {found['model']}.")
    if found["acknowledged"]:
        took = [f"{name} {found[f'{name}_seconds']:.2f} s" for name in ("p50", "p95", "max")]
        say(f"That took them: {', '.join(took)}.")
    for name in found["silent"]:
        say(f"It was not heard of: {name}")


def _more(found: dict[str, Any]) -> None:
    """What else holds: parts that are stricter, who wants a halt ended, what is safe meanwhile."""
    for one in found["scopes"]:
        say(f"{one['part']} {one['value']}: {one['state']} ({one['reason']})")
    if found["asked"]:
        asked = found["asked"]
        say(f"{asked['by']} asked for {asked['to']} at {_short(asked['at'])}: {asked['reason']}")
    if found["state"] == "halt":
        for pack, safe in found["safe_states"].items():
            say(f"While it is halted ({pack}): {safe}")


def _row(found: dict[str, Any]) -> dict[str, Any]:
    return {**found, "since": found["since"] and _short(found["since"])}


def _short(time: str) -> str:
    return time[:16].replace("T", " ")
