"""`overloop override | gate | silence | reference | model`: the last word of people."""

from __future__ import annotations

import json
from typing import Annotated, Any
from urllib.parse import quote

import typer

from monitor.cli.context import Exit, fail, shared, show, told

override = typer.Typer(help="Answers of models that people set aside.", no_args_is_help=True)
gate = typer.Typer(help="What the services of a model may do: auto, review, halt.", no_args_is_help=True)
silence = typer.Typer(help="Times when nothing is sent.", no_args_is_help=True)
reference = typer.Typer(help="What detectors take for normal.", no_args_is_help=True)
model = typer.Typer(help="The models that are watched.", no_args_is_help=True)
APPS = {"override": override, "gate": gate, "silence": silence, "reference": reference, "model": model}

Model = Annotated[str, typer.Argument(help="The model's name.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; it is kept in the audit log.")]
Output = Annotated[str, typer.Option("-o", "--output", help="table or json.")]


@override.command("add")
def override_add(
    context: typer.Context,
    model: Model,
    decision_id: Annotated[str, typer.Argument(help="The id of the answer.")],
    verb: Annotated[str, typer.Argument(help="not_use, disregard, override or reverse.")],
    reason: Reason,
    answer: Annotated[str | None, typer.Option(help="What holds instead, as JSON; text if it is none.")] = None,
    reverses: Annotated[str | None, typer.Option(help="The override taken back, for reverse.")] = None,
    note: Annotated[str | None, typer.Option(help="A note.")] = None,
) -> None:
    """Set one answer of a model aside."""
    body = {"model": model, "decision_id": decision_id, "verb": verb, "reason": reason, "note": note}
    body |= {"answer": _json(answer), "reverses": reverses}
    with told():
        made = shared(context).daemon().post("/v1/overrides", body)
    typer.echo(f"Recorded {made['verb']} of {made['decision_id']} on {made['model']} as {made['id']}.")


@override.command("list")
def override_list(context: typer.Context, output: Output = "table") -> None:
    """Overrides, the newest first."""
    with told():
        page = shared(context).daemon().get("/v1/overrides")
    show(page["overrides"], ["id", "at", "by", "model", "decision_id", "verb", "reason"], output, page)


@gate.command("show")
def gate_show(context: typer.Context, model: Model, output: Output = "table") -> None:
    """What the services of a model may do now."""
    with told():
        found = shared(context).daemon().get(f"/v1/gates/{quote(model, safe='')}")
    show([found], ["scope", "state", "generation", "since", "by", "reason"], output, found)


@gate.command("set")
def gate_set(
    context: typer.Context,
    model: Model,
    state: Annotated[str, typer.Argument(help="auto, review or halt.")],
    reason: Reason,
    generation: Annotated[int | None, typer.Option(help="Refuse if the gate has moved on from this.")] = None,
) -> None:
    """Tighten or loosen a gate."""
    headers = {} if generation is None else {"If-Match": f'"{generation}"'}
    path = f"/v1/gates/{quote(model, safe='')}"
    with told():
        found = shared(context).daemon().call("PUT", path, {"state": state, "reason": reason}, headers)
    typer.echo(f"The gate of {found['scope']} is {found['state']} (generation {found['generation']}).")


@silence.command("add")
def silence_add(
    context: typer.Context,
    matchers: Annotated[list[str], typer.Argument(help="model=fraud-eu, rule=~Score.*, severity!=critical …")],
    hours: Annotated[float, typer.Option("--for", help="Hours it lasts.")],
    reason: Reason,
) -> None:
    """Send nothing for what matches, for a while."""
    body = {"matchers": [_matcher(text) for text in matchers], "for_seconds": hours * 3600, "reason": reason}
    with told():
        made = shared(context).daemon().post("/v1/silences", body)
    typer.echo(f"Silence {made['id']} ends at {made['ends_at']}; it matches {len(made['matches_now'])} incidents now.")


@silence.command("list")
def silence_list(context: typer.Context, output: Output = "table") -> None:
    """Silences that have not ended."""
    with told():
        page = shared(context).daemon().get("/v1/silences")
    rows = [
        {**s, "matchers": [f"{m['name']}{m['operator']}{m['value']}" for m in s["matchers"]]} for s in page["silences"]
    ]
    show(rows, ["id", "state", "matchers", "ends_at", "created_by", "reason"], output, page)


@silence.command("expire")
def silence_expire(context: typer.Context, id_: Annotated[str, typer.Argument()]) -> None:
    """End a silence now."""
    with told():
        shared(context).daemon().call("DELETE", f"/v1/silences/{quote(id_, safe='')}")
    typer.echo(f"Silence {id_} has ended.")


@reference.command("list")
def reference_list(context: typer.Context, output: Output = "table") -> None:
    """What was taken for normal, by whom and why."""
    with told():
        page = shared(context).daemon().get("/v1/references")
    show(page["references"], ["id", "model", "rule", "version", "author", "reason", "created_at"], output, page)


@reference.command("accept")
def reference_accept(
    context: typer.Context,
    model: Model,
    reason: Reason,
    rule: Annotated[str | None, typer.Option(help="pack/Rule; all rules of the model by default.")] = None,
) -> None:
    """Take the present for the new normal."""
    with told():
        made = shared(context).daemon().post("/v1/references", {"model": model, "rule": rule, "reason": reason})
    typer.echo(f"Version {made['version']} is the new normal of {made['model']}; its detectors learn it now.")


@model.command("list")
def model_list(context: typer.Context, output: Output = "table") -> None:
    """Every model ever seen or expected."""
    with told():
        page = shared(context).daemon().get("/v1/models")
    show(page["models"], ["model", "events", "first_seen", "last_seen", "versions"], output, page)


@model.command("retire")
def model_retire(context: typer.Context, model: Model, reason: Reason) -> None:
    """Stop watching a model."""
    with told():
        shared(context).daemon().post(f"/v1/models/{quote(model, safe='')}/retire", {"reason": reason})
    typer.echo(f"{model} is no longer watched.")


def _json(text: str | None) -> Any:
    if text is None:
        return None
    try:
        return json.loads(text)
    except ValueError:
        return text


def _matcher(text: str) -> dict[str, str]:
    for operator in ("!=", "=~", "!~", "="):
        name, found, value = text.partition(operator)
        if found and name:
            return {"name": name, "operator": operator, "value": value}
    return fail(f"{text!r} is no matcher; write name=value, name!=value, name=~pattern or name!~pattern.", Exit.USAGE)
