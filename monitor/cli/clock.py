"""`overloop clock`: daemon time, and what to do when the wall clock jumped."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from monitor.cli.context import Exit, Output, as_json, fail, say, shared, there

if TYPE_CHECKING:
    from monitor.clock import Clock

app = typer.Typer(help="Compare daemon time with the wall clock.", no_args_is_help=True)

AGREES = 1.0  # seconds that nobody needs to be told of


@app.command("show")
def show_(context: typer.Context, output: Output = "table") -> None:
    """Show how far daemon time is from the wall clock. Exit code 1 if the wall clock has jumped."""
    clock = _clock(context)
    difference = time.time() - clock.now()
    jumped = clock.check() is not None
    if output == "json":
        typer.echo(as_json({"wall_minus_daemon_seconds": round(difference, 3), "jumped": jumped}))
    elif jumped:
        say(
            f"The wall clock is {_apart(difference)} daemon time, which did not follow it: set the wall clock right, "
            "or, if it is right, run `overloop clock accept`."
        )
    elif abs(difference) < AGREES:
        say("Daemon time and the wall clock agree.")
    else:
        say(f"The wall clock is {_apart(difference)} daemon time, which is approaching it.")
    raise typer.Exit(int(Exit.FAILED if jumped else Exit.OK))


@app.command()
def accept(context: typer.Context) -> None:
    """Say that the wall clock is right. Daemon time follows it from now on."""
    from monitor.clock import ClockError

    clock = _clock(context)
    jump = clock.check()
    try:
        ahead = clock.accept()
    except ClockError as problem:
        fail(str(problem), Exit.UNREACHABLE)
    if jump is not None:
        _record(shared(context).folder(), clock.now(), jump.seconds)
    if ahead > AGREES:
        say(
            f"Daemon time is {ahead:.0f} s ahead of the wall clock and cannot go back: it runs at half speed and meets "
            f"it in {2 * ahead:.0f} s."
        )
    else:
        say("Daemon time and the wall clock agree." if jump is None else "Daemon time has followed the wall clock.")


def _record(home: Path, at: float, seconds: float) -> None:
    """A person decided, so it goes into the audit log. Whoever may write the home folder may act as its admin."""
    from monitor.store.database import Database, LedgerUnavailable

    try:
        with Database.open(home / "ledger.db", home / "run") as database, database.write(at) as tx:
            tx.audit("clock_accepted", "admin", {"wall_minus_daemon_seconds": round(seconds)})
    except LedgerUnavailable as problem:
        say(f"This could not be written to the audit log: {problem}", err=True)


def _clock(context: typer.Context) -> Clock:
    """The clock that the daemon of this home reads; none is made where there is no home."""
    from monitor.clock import Clock, ClockError

    home = shared(context).folder()
    if not there(home / "clock.json"):
        fail(f"No daemon has ever run in {home}: name its home folder with --home.", Exit.UNREACHABLE)
    try:
        return Clock(home)
    except ClockError as problem:
        fail(str(problem), Exit.UNREACHABLE)


def _apart(difference: float) -> str:
    return f"{abs(difference):.0f} s {'ahead of' if difference > 0 else 'behind'}"
