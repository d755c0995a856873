"""`overloop receivers`: who is told, and whether telling them works."""

from __future__ import annotations

import getpass
import os
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer

from monitor.cli.context import Exit, Output, fail, plain, say, shared, show

if TYPE_CHECKING:
    from monitor.delivery.address import Address
    from monitor.delivery.apprise_sender import Senders
    from monitor.delivery.protocol import Outgoing, Result

app = typer.Typer(help="Who is told, and whether telling them works.", no_args_is_help=True)

LOOK = 0.2  # seconds between looks at what became of a test

Config = Annotated[
    Path | None, typer.Option(metavar="FILE", help="The settings; overloop.toml in the home folder if left out.")
]


@app.command("list")
def list_(context: typer.Context, config: Config = None, output: Output = "table") -> None:
    """List the receivers, their addresses masked. Exit code 1 if one of them cannot be used."""
    urls = _addresses(context, config)
    if not urls and output == "table":
        typer.echo("There are no receivers: set OVERLOOP_NOTIFY to an Apprise URL, or [receivers] in overloop.toml.")
        return
    with _senders(urls) as senders:
        labels = {name: sender.label for name, sender in senders.usable.items()}
    rows = [{"receiver": n, "address": labels.get(n), "problem": senders.problems.get(n)} for n in urls]
    show(rows, ["receiver", "address", "problem"] if senders.problems else ["receiver", "address"], output)
    if senders.problems:
        raise typer.Exit(int(Exit.FAILED))


@app.command("test")
def test_(
    context: typer.Context,
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="The receiver's name; the one of $OVERLOOP_NOTIFY is called notify.")
    ],
    config: Config = None,
    seconds: Annotated[
        float, typer.Option(metavar="SECONDS", min=1.0, max=300.0, help="How long to wait for an answer.")
    ] = 30.0,
    output: Output = "table",
) -> None:
    """Send a receiver a message that says it is a test. Exit code 1 unless it was accepted.

    It takes the way of every message, through the ledger and the daemon's courier. Where no daemon runs, or does
    not know the receiver yet, it is sent from here.
    """
    if config is None and (fate := _through_daemon(context, name, seconds)) is not None:
        _tell(name, fate, output)
        return
    urls = _addresses(context, config)
    if name not in urls:
        known = f"There are: {', '.join(urls)}." if urls else "There are none."
        fail(f'There is no receiver "{plain(name)}". {known}', Exit.USAGE)
    with _senders({name: urls[name]}) as senders:
        if name in senders.problems:
            fail(senders.problems[name])
        sender = senders.usable[name]
        result = sender.send(_message(name), seconds)
    if output == "json":
        told: dict[str, Any] = {
            "receiver": name,
            "address": sender.label,
            "outcome": result.outcome,
            "reason": result.reason,
        }
        show([], [], "json", {**told, "problem": result.problem or None, "through": "this command"})
    else:
        typer.echo(_sentence(name, sender.label, result), err=result.outcome != "delivered")
    if result.outcome != "delivered":
        raise typer.Exit(int(Exit.FAILED))


def _through_daemon(context: typer.Context, name: str, seconds: float) -> dict[str, Any] | None:
    """What became of a test that the daemon's courier sent; None where no daemon runs, or does not know it (yet)."""
    from monitor.cli.http import DaemonProblem

    daemon, until = shared(context).daemon(), time.monotonic() + seconds
    path = f"/v1/receivers/{quote(name, safe='')}"
    try:
        test = daemon.checked(daemon.post(f"{path}/test"))
        while test["state"] in ("pending", "sending") and time.monotonic() < until:
            time.sleep(LOOK)
            test = daemon.json(f"{path}/tests/{test['test']}")
        return test
    except DaemonProblem as problem:
        if problem.status not in (0, 404):
            fail(str(problem), Exit.REFUSED)
        return None


def _tell(name: str, fate: dict[str, Any], output: str) -> None:
    delivered = fate["state"] == "delivered"
    if output == "json":
        show([], [], "json", {"receiver": name, **fate, "through": "courier"})
    elif delivered:
        typer.echo(f'The receiver "{name}" accepted the test message from the courier; look whether it arrived.')
    else:
        why = fate["problem"] or "The courier has not sent it yet; look again with `overloop incident show`."
        say(f'The receiver "{name}" did not accept the test message ({fate["state"]}). {why}', err=True)
    if not delivered:
        raise typer.Exit(int(Exit.FAILED))


def _addresses(context: typer.Context, config: Path | None) -> dict[str, Address]:
    """Receivers' addresses by name. They are secrets: nothing here prints one."""
    from monitor.settings import SettingsError, load
    from monitor.settings.secrets import addresses

    try:
        return addresses(load({"home": shared(context).home, "config": config}), os.environ)
    except SettingsError as problem:
        fail(str(problem), Exit.USAGE)


@contextmanager
def _senders(found: Mapping[str, Address]) -> Iterator[Senders]:
    from monitor.delivery.apprise_pool import HelperPool
    from monitor.delivery.senders import make_senders

    pool = HelperPool(size=1)
    try:
        yield make_senders(found, pool)
    finally:
        pool.close()


def _message(name: str) -> Outgoing:
    from monitor.delivery.protocol import Outgoing

    at = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    body = (
        f"This is a test message from Overloop on {socket.gethostname()} to its receiver {name}. {_who()} asked for "
        f"it at {at}. Nothing is wrong, and nothing needs to be done."
    )
    return Outgoing("Test message from Overloop", body, "low", "", "test")


def _who() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user without a name, as in containers
        return f"The user {os.getuid()}"


def _sentence(name: str, label: str, result: Result) -> str:
    if result.outcome == "delivered":
        return f'The receiver "{name}" at {label} accepted the test message; look whether it arrived.'
    next_ = {
        "retry": "A real message would be tried again until it is delivered or no longer owed.",
        "unknown": "A real page would be sent again, because a duplicate is better than silence.",
        "dead": (
            "The receiver refuses such a message, and sending the same one again cannot help: mend its address, or "
            "what it allows, and run this test again. Until then a page to it is tried again at longer and longer "
            "intervals until somebody has the incident in hand, and any other message to it is given up."
        ),
    }[result.outcome]
    return (
        f'The receiver "{name}" at {label} did not accept the test message ({result.reason}). {result.problem} {next_}'
    )
