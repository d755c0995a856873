"""`overloop routes`: who would be called about what, asked of the settings without anybody being called."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from monitor.cli.context import Exit, Output, fail, plain, say, shared, show

if TYPE_CHECKING:
    from monitor.core.incidents.model import Incident
    from monitor.core.notices.model import Policy, Route
    from monitor.core.notices.routes import Listener

app = typer.Typer(help="Who is called about what, and when.", no_args_is_help=True)

Config = Annotated[
    Path | None, typer.Option(metavar="FILE", help="The settings; overloop.toml in the home folder if left out.")
]
At = Annotated[str | None, typer.Option("--at", metavar="TIME", help="As of another time, such as 2026-12-24T20:00Z.")]
COLUMNS = ("route", "for", "receivers", "terms")


@app.command("show")
def show_(context: typer.Context, config: Config = None, at: At = None, output: Output = "table") -> None:
    """Show the routes from top to bottom, and who is on call."""
    policy, moment = _policy(context, config), _moment(at)
    if not policy.routes and output == "table":
        say("There are no receivers, so nobody is told: set OVERLOOP_NOTIFY, or [receivers] in overloop.toml.")
        return
    rows = [_row(number, route) for number, route in enumerate(policy.routes)]
    on_call = {name: schedule.on_call(moment) for name, schedule in policy.schedules.items()}
    changes = {name: schedule.next_change(moment) for name, schedule in policy.schedules.items()}
    show(rows, COLUMNS, output, {"routes": rows, "on_call": on_call})
    for name, person in on_call.items() if output == "table" else ():
        until = changes[name]
        say(f"On call in {name}: {person or 'nobody'}{'' if until is None else f', at least until {_clock(until)}'}.")


@app.command("test")
def test_(
    context: typer.Context,
    facts: Annotated[
        list[str],
        typer.Argument(
            metavar="NAME=TEXT", help="What the incident is: severity=high model=fraud-eu labels.team=risk."
        ),
    ],
    expect: Annotated[
        str | None, typer.Option("--expect", metavar="NAMES", help="Receivers, with commas; exit code 1 if others.")
    ] = None,
    at: At = None,
    config: Config = None,
    output: Output = "table",
) -> None:
    """Say whom an incident would call, and when. Nobody is called. Exit code 1 if it is not who was expected."""
    from monitor.core.notices.routes import listeners

    policy, moment = _policy(context, config), _moment(at)
    incident, labels = _incident(facts, moment)
    found = listeners(incident, policy, labels, moment)
    rows = [{"receiver": each.receiver.name, "when": _when(each, incident, policy, labels, moment)} for each in found]
    if not rows and output == "table":
        say("No route leads such an incident to a receiver, so nobody would be told.")
    else:
        show(rows, ["receiver", "when"], output)
    named = list(dict.fromkeys(row["receiver"] for row in rows))
    wanted = None if expect is None else [name.strip() for name in expect.split(",") if name.strip()]
    if wanted is not None and sorted(wanted) != sorted(named):
        fail(f"Expected were {', '.join(wanted) or 'none'}; it would be {', '.join(named) or 'none'}.")


def _policy(context: typer.Context, config: Path | None) -> Policy:
    from monitor.settings.telling import policy

    return policy(shared(context).settings(config))


def _moment(text: str | None) -> float:
    from monitor.core.times import parse_time

    if text is None:
        return time.time()
    try:
        return parse_time(text)
    except ValueError as problem:
        fail(f"--at: {problem}", Exit.USAGE)


def _row(number: int, route: Route) -> dict[str, Any]:
    from monitor.core.incidents.matching import written
    from monitor.core.incidents.words import duration_text

    wanted = [f"{name} like {glob}" for name, glob in route.matchers.items()] + [written(each) for each in route.where]
    wanted += [] if route.min_severity == "low" else [f"{route.min_severity} or worse"]
    called = [*route.receivers, *([f"policy {route.escalation}"] if route.escalation else [])]
    times = {"wait": route.group_wait, "group every": route.group_interval, "repeat every": route.repeat_interval}
    terms = [f"{name} {duration_text(seconds)}" for name, seconds in times.items() if seconds is not None]
    terms += [f"by {', '.join(route.group_by)}"] if route.group_by else []
    terms += [f"mute {name}" for name in route.mute] + [f"active {name}" for name in route.active]
    terms += ["continue"] if route.continue_ else []
    return {"route": number, "for": wanted or ["everything"], "receivers": called, "terms": terms}


def _incident(facts: list[str], at: float) -> tuple[Incident, dict[str, str]]:
    from dataclasses import replace

    from monitor.core.incidents.model import Incident
    from monitor.core.notices.routes import NAMES
    from monitor.core.rules.model import SEVERITIES

    given: dict[str, str] = {}
    labels: dict[str, str] = {}
    for text in facts:
        name, equals, value = text.partition("=")
        if not equals or (name not in NAMES and not name.startswith("labels.")):
            fail(f"{plain(text)} is no NAME=TEXT; names are {', '.join(NAMES)} and labels.NAME.", Exit.USAGE)
        if name.startswith("labels."):
            labels[name.removeprefix("labels.")] = value
        else:
            given[name] = value
    if given.get("severity", "medium") not in SEVERITIES:
        fail(f"{plain(given['severity'])} is no severity: there are {', '.join(SEVERITIES)}.", Exit.USAGE)
    blank = Incident("", "", "", "", None, "", "medium", "live", False, False, "open", at, at, "", "", "")
    return replace(blank, **given), labels  # type: ignore[arg-type]


def _when(listener: Listener, incident: Incident, policy: Policy, labels: dict[str, str], at: float) -> str:
    from monitor.core.incidents.words import duration_text
    from monitor.core.notices.holds import held_back, muted

    waits = listener.wait + listener.after
    when = f"after {duration_text(waits)}" if waits else "at once"
    if listener.stage:
        when += f", step {listener.stage + 1}, while nobody has acted"
    hold = held_back(incident, policy, labels, at) or muted(listener.route, policy, at)
    return when if hold is None else f"{when}; not yet: {hold.why}"


def _clock(at: float) -> str:
    from monitor.core.incidents.words import clock_text

    return clock_text(at)
