"""`overloop reference`: what detectors take for normal."""

from __future__ import annotations

import base64
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer

from monitor.cli.context import Exit, Output, as_json, fail, say, seconds, shared, show, told
from monitor.cli.http import Daemon
from monitor.core.rules.wording import false_pages

app = typer.Typer(help="Say what detectors take for normal.", no_args_is_help=True)

Model = Annotated[str, typer.Argument(metavar="MODEL", help="The model's name.")]
Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; it is kept in the audit log.")]
Rule = Annotated[str | None, typer.Option(metavar="PACK/RULE", help="One rule only; all of the model if left out.")]
Expires = Annotated[
    str | None,
    typer.Option(metavar="DURATION", help="For this long only, such as 30d; then the one before is put back."),
]


@app.command("list")
def list_(
    context: typer.Context,
    model: Annotated[str | None, typer.Option(metavar="MODEL", help="Only those of one model.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Also every refit of a reference that rolls.")] = False,
    output: Output = "table",
) -> None:
    """List the versions of what was taken for normal, by whom, why, and until when.

    Of a reference that rolls, only the last refit is listed: the others with --all, and in JSON.
    """
    with told():
        page = _listed(shared(context).daemon(), model)
    listed = page["references"] if every else _without_old_refits(page["references"])
    rows = [
        {
            **r,
            "rule": r["rule"] or "all rules",
            "accepted": _short(r["created_at"]),
            "by": r["author"],
            "armed": "yes" if r["rules"] else "learning",
            "until": _short(r["ended_at"] or r["expires_at"]),
        }
        for r in listed
    ]
    if not rows and output == "table":
        say("Nobody has accepted a new normal, and no detector under the page budget has learned one yet.")
        return
    show(rows, ["model", "version", "rule", "accepted", "by", "armed", "until", "reason"], output, page)


@app.command("show")
def show_(
    context: typer.Context,
    model: Model,
    version: Annotated[
        int | None, typer.Option(metavar="N", help="Which one; the newest that is armed if left out.")
    ] = None,
    output: Output = "table",
) -> None:
    """Say in words what was chosen for each series and why, what it can find, what it cannot, what is refused."""
    with told():
        daemon = shared(context).daemon()
        listed = _of(daemon, model, version)
        found = daemon.json(f"/v1/references/{listed['id']}")
    if output == "json":
        typer.echo(as_json(found))
        return
    say("\n".join(_told(found)))


@app.command()
def fit(
    context: typer.Context,
    model: Annotated[str, typer.Option("--model", metavar="MODEL", help="The model it is for.")],
    reason: Reason,
    from_: Annotated[
        Path | None, typer.Option("--from", metavar="FILE", help="NDJSON, CSV or Parquet (also .gz) of events.")
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(metavar="DURATION", help="Instead of a file: recorded traffic of this long, such as 14d."),
    ] = None,
    rule: Rule = None,
    version: Annotated[
        str | None, typer.Option(metavar="VERSION", help="Only events of this version of the model, and for it only.")
    ] = None,
    expires: Expires = None,
    columns: Annotated[
        list[str] | None,
        typer.Option("--map", metavar="COLUMN=PLACE", help="Where a column of a table goes, such as y=output.label."),
    ] = None,
    per_day: Annotated[
        float | None,
        typer.Option("--per-day", help="For data that says no times: how many events a day the model answers."),
    ] = None,
    folders: Annotated[
        list[Path] | None, typer.Option("--rules", metavar="DIR", help="These rules instead of those in force.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would come of it.")] = False,
    output: Output = "table",
) -> None:
    """Fit what is normal to data you have: the detectors are armed by it at once.

    Exit code 1 if every series is refused or the data cannot be used, 3 if the daemon or the home cannot be reached,
    4 if the daemon refuses.
    """
    from monitor.cli.events import _columns
    from monitor.cli.reference_fit import Asked, fitted
    from monitor.runtime.references import described

    if (from_ is None) == (since is None):
        fail("Give one of --from FILE and --since DURATION.", Exit.USAGE)
    if per_day is not None and not 0 < per_day < 1e9:
        fail("--per-day is a number of events, more than nothing.", Exit.USAGE)
    window = None if since is None else seconds(since, "--since")
    until = _until(expires)
    asked = Asked(model, rule, version, from_, window, _columns(columns or []), per_day)
    book, outcome, source = fitted(shared(context), asked, folders)
    packed = {key: one.pack() for key, one in outcome.fitted.items() if one.series}
    words = described(packed, book, model)
    if not outcome.watched or dry_run:
        _say_words(words, output, {"source": source, "fitted": words})
        fail_if_nothing(outcome.watched)
        return
    body = {"model": model, "reason": reason, "source": source, "expires_at": until}
    body["fitted"] = {key: base64.b64encode(data).decode() for key, data in packed.items()}
    with told():
        daemon = shared(context).daemon()
        made = daemon.checked(daemon.post("/v1/references/fit", body))
    _say_words(words, output, {**made, "fitted": words})
    if output == "table":
        count = f"{outcome.watched} series, fitted to {outcome.events:,} events"
        say(f"Version {made['version']} is the new normal of {model}: {count}. It is watched by it from now on.")


@app.command()
def accept(
    context: typer.Context,
    reason: Reason,
    model: Annotated[
        str | None, typer.Argument(metavar="[MODEL]", help="The model's name; left out with --incident.")
    ] = None,
    rule: Rule = None,
    incident: Annotated[
        str | None, typer.Option(metavar="ID", help="What this incident reports is the new normal; it is closed.")
    ] = None,
    expires: Expires = None,
    output: Output = "table",
) -> None:
    """Take the present for the new normal: the detectors forget the old one and learn afresh."""
    if (model is None) == (incident is None) or (incident is not None and rule is not None):
        fail("Name a model (and perhaps --rule), or give --incident.", Exit.USAGE)
    body: dict[str, Any] = {"reason": reason, "expires_at": _until(expires)}
    with told():
        daemon = shared(context).daemon()
        if incident is not None:
            made = daemon.checked(daemon.post(f"/v1/incidents/{quote(incident, safe='')}/accept", body))
        else:
            made = daemon.checked(daemon.post("/v1/references", {**body, "model": model, "rule": rule}))
    if output == "json":
        typer.echo(as_json(made))
    else:
        what = made["rule"] or "all rules"
        say(f"Version {made['version']} is the new normal of {made['model']} for {what}; the detectors learn it now.")


@app.command()
def rollback(
    context: typer.Context,
    model: Model,
    to: Annotated[int, typer.Option("--to", metavar="N", help="The version to put back.")],
    reason: Reason,
    expires: Expires = None,
    output: Output = "table",
) -> None:
    """Put an earlier version back, as a new one: the detectors watch by it at once."""
    with told():
        daemon = shared(context).daemon()
        earlier = _of(daemon, model, to)
        body = {"reason": reason, "expires_at": _until(expires)}
        made = daemon.checked(daemon.post(f"/v1/references/{earlier['id']}/rollback", body))
    if output == "json":
        typer.echo(as_json(made))
    else:
        say(f"Version {made['version']} of {model} is version {to} again; it is watched by it from now on.")


def fail_if_nothing(watched: int) -> None:
    """End the command where no series could be watched."""
    if not watched:
        fail("Nothing of it can be watched by, so nothing was changed.", Exit.FAILED)


def _listed(daemon: Daemon, model: str | None) -> dict[str, Any]:
    return daemon.json("/v1/references" + (f"?model={quote(model, safe='')}" if model else ""))


def _without_old_refits(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Versions, the newest first, without refits that a later one of the same rule has replaced."""
    seen: set[tuple[str, str | None]] = set()
    kept = []
    for row in found:
        rule = (row["model"], row["rule"])
        if "rolled" not in row["source"] or rule not in seen:
            kept.append(row)
        if "rolled" in row["source"]:
            seen.add(rule)
    return kept


def _of(daemon: Daemon, model: str, version: int | None) -> dict[str, Any]:
    """One version of a model; of none named, the newest that is armed. Ends the command where there is none."""
    found: list[dict[str, Any]] = _listed(daemon, model)["references"]
    if version is not None:
        chosen = [r for r in found if r["version"] == version]
    else:
        chosen = [r for r in found if r["rules"]] or found
    if not chosen:
        what = "no reference" if version is None else f"no version {version} of its references"
        fail(f"{model} has {what}: `overloop reference list` shows what there is.")
    return chosen[0]


def _told(found: Mapping[str, Any]) -> list[str]:
    """A version for people."""
    head = f"Version {found['version']} of {found['model']}, for {found['rule'] or 'all rules'}"
    lines = [f"{head}: {found['author']}, {_short(found['created_at'])}: {found['reason']}"]
    if found["ended_at"] or found["expires_at"]:
        lines.append(
            f"It {'ran' if found['ended_at'] else 'runs'} out: {_short(found['ended_at'] or found['expires_at'])}."
        )
    if not found["fitted"]:
        lines.append("Nothing is armed by it yet: the detectors are still learning.")
    return [*lines, *_lines(found["fitted"])]


def _lines(fitted: list[dict[str, Any]]) -> list[str]:
    lines = []
    for rule in fitted:
        budget = "" if rule["budget"] is None else f", {false_pages(rule['budget'])} over all its series"
        lines += ["", f"{rule['rule']}: tolerance {rule['tolerance']:g}{budget}"]
        lines += ["  " + " ".join(series["sentences"]) for series in rule["series"]]
        if not rule["series"]:
            lines.append("  It has no series: the data holds no number column that this rule looks at.")
    return lines


def _say_words(words: list[dict[str, Any]], output: str, whole: dict[str, Any]) -> None:
    if output == "json":
        typer.echo(as_json(whole))
    else:
        say("\n".join([*_lines(words), ""]).lstrip("\n"))


def _short(at: str | None) -> str | None:
    return at and at[:16].replace("T", " ") + " UTC"


def _until(expires: str | None) -> str | None:
    if expires is None:
        return None
    from monitor.core.times import rfc3339

    return rfc3339(time.time() + seconds(expires, "--expires"))
