"""`overloop demo`: a real model goes wrong, the daemon notices, a person acknowledges. Nothing in it is scripted."""

from __future__ import annotations

import contextlib
import random
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from monitor.cli.demo_model import MODEL, Plan, Service
from monitor.cli.http import Daemon, DaemonProblem
from monitor.client import Client

RATE = 1_500  # answers a second
ROWS = 49_097
LOOK = 0.4  # seconds between looks at the daemon for an incident


@dataclass(slots=True)
class Told:
    """What the demo has told its user so far."""

    incident: dict[str, Any] | None = None
    at_row: int = 0
    acknowledged: bool = False


def run(seed: int | None, home: Path | None, wait: bool) -> int:
    """Start a daemon of its own, stream, tell, clean up. Returns the exit code: 0 when the incident came."""
    console = Console()
    plan = Plan.draw(random.Random(seed if seed is not None else secrets.randbits(64)))
    temporary = home is None
    folder = Path(tempfile.mkdtemp(prefix="overloop-demo-")) if home is None else home
    folder.mkdir(parents=True, exist_ok=True)
    console.print(
        f"[bold]Overloop demo[/bold]: {ROWS:,} readings of a NASA space shuttle's radiator go through an online "
        "classifier, and what it is asked and answers goes to a daemon of its own. At some row one sensor will "
        "change its unit. Press Ctrl-C to stop."
    )
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # a closed terminal stops the daemon too
        signal.signal(number, _interrupt)
    try:
        with _daemon(folder) as daemon:
            return _story(console, daemon, plan, folder, wait)
    except KeyboardInterrupt:
        console.print("\nStopped.")
        return 0
    finally:
        if temporary:
            shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _daemon(home: Path) -> Iterator[Daemon]:
    """A daemon on a free port, with the demo's own rules, that ends with us."""
    port = _free_port()
    command = [sys.executable, "-m", "monitor.cli", "run", "--home", str(home), "--listen", f"127.0.0.1:{port}"]
    with (home / "daemon.log").open("ab") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)  # noqa: S603
    daemon = Daemon(f"http://127.0.0.1:{port}", home)
    try:
        daemon.wait_ready(60.0, process)
        yield daemon
    finally:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)  # a second Ctrl-C must not leave the daemon behind
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()


def _story(console: Console, daemon: Daemon, plan: Plan, home: Path, wait: bool) -> int:
    client = Client(url=daemon.url, token=daemon.token)
    service, told = Service(plan, secrets.token_hex(4)), Told()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=not console.is_terminal) as progress:
        task = progress.add_task("Answers watched", total=ROWS)
        began, looked = time.monotonic(), 0.0
        for answer in service.answers():
            client.log(
                MODEL,
                inputs=answer.inputs,
                output={"label": answer.label, "confidence": answer.confidence},
                id=answer.id,
                version="online-1",
                context={"latency_ms": answer.latency_ms},
            )
            if answer.known is not None:
                client.truth(MODEL, answer.known[0], {"label": answer.known[1]})
            if answer.row % 50 == 49:
                progress.update(task, completed=answer.row + 1)
                time.sleep(max(0.0, began + answer.row / RATE - time.monotonic()))
            if time.monotonic() - looked > LOOK:
                looked = time.monotonic()
                _look(console, daemon, home, told, answer.row)
                if told.incident is not None and (told.acknowledged or not wait):
                    break
    client.close()
    return _ending(console, daemon, home, plan, service, told, wait)


def _look(console: Console, daemon: Daemon, home: Path, told: Told, row: int) -> None:
    """Ask the daemon as any operator's tool would."""
    incidents = daemon.get(f"/v1/incidents?model={MODEL}")["incidents"]
    live = [i for i in incidents if i["stage"] == "live" and i["state"] in ("open", "acknowledged")]
    if live and told.incident is None:
        told.incident, told.at_row = live[-1], row
        _announce(console, daemon, home, live[-1], row)
    mine = next((i for i in live if told.incident and i["id"] == told.incident["id"]), None)
    if mine is not None and mine["state"] == "acknowledged" and not told.acknowledged:
        told.acknowledged = True
        console.print(f"[green]Acknowledged by {mine['acknowledged_by']} at {mine['acknowledged_at']}.[/green]")


def _announce(console: Console, daemon: Daemon, home: Path, incident: dict[str, Any], row: int) -> None:
    evidence = incident["evidence"][0] if incident["evidence"] else {}
    console.rule(f"[bold red]Incident[/bold red] {incident['severity']}, at about row {row:,}")
    console.print(f"[bold]{incident['summary']}[/bold]", markup=True)
    if evidence.get("detail"):
        console.print(evidence["detail"], markup=False)
    console.print(f"What it means: {incident['meaning']}", markup=False)
    console.print(f"What to do:    {incident['action']}", markup=False)
    link = daemon.login_link(f"/incidents/{incident['id']}")
    console.print(f"See it:        {link}", markup=False, soft_wrap=True)
    console.print("Acknowledge it, in another terminal:", markup=False)
    console.print(f"    {_command()} --home {home} incident ack {incident['id']}", markup=False, soft_wrap=True)
    console.rule()


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt


def _command() -> str:
    """How this program was called, as somebody in the same folder would type it."""
    called = Path(sys.argv[0])
    if called.name == "__main__.py":
        return f"{sys.executable} -m monitor.cli"
    if called.name == "overloop" and shutil.which("overloop") == str(called.absolute()):
        return "overloop"
    with contextlib.suppress(ValueError):
        return str(called.absolute().relative_to(Path.cwd()))
    return str(called)


def _ending(console: Console, daemon: Daemon, home: Path, plan: Plan, service: Service, told: Told, wait: bool) -> int:
    while wait and told.incident is not None and not told.acknowledged:
        time.sleep(1.0)
        with contextlib.suppress(DaemonProblem):
            _look(console, daemon, home, told, told.at_row)
    share = service.right / max(1, service.judged)
    console.print(
        f"In this run the sensor {plan.sensor} changed from degrees Celsius to Fahrenheit at row {plan.row:,}; "
        f"the classifier was right {share:.1%} of the time over the rows it answered."
    )
    if told.incident is None:
        console.print("[red]No incident was opened; the daemon's log below says what it did.[/red]")
        console.print((home / "daemon.log").read_text()[-2000:], markup=False)
        return 1
    late = told.at_row - plan.row
    console.print(
        f"The daemon called a person about {late:,} rows after the change."
        if late >= 0
        else "The daemon called before the change: a false alarm."
    )
    return 0 if late >= 0 else 2


def _free_port() -> int:
    with socket.socket() as probe:
        for port in (8420, 0):
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", port))
                return int(probe.getsockname()[1])
    raise OSError("no free port on 127.0.0.1")
