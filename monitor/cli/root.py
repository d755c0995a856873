"""`overloop`: the commands without a noun, and where the nouns hang."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer

import monitor
from monitor.cli import access, audit, db, events, incident, oversight, receivers, rules
from monitor.cli.context import Exit, Shared, fail, shared, told

app = typer.Typer(
    name="overloop",
    help="Watches AI models at work and calls a person only when something needs one.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for noun in (incident, rules, audit, db, events, receivers):
    app.add_typer(noun.app, name=noun.__name__.rpartition(".")[2])
for name, sub in (*oversight.APPS.items(), *access.APPS.items()):
    app.add_typer(sub, name=name)

Home = Annotated[
    Path | None,
    typer.Option(
        "--home", help="The daemon's home folder; $OVERLOOP_HOME, then the user's state folder.", envvar="OVERLOOP_HOME"
    ),
]


def _version(value: bool) -> None:
    if value:
        typer.echo(f"overloop {monitor.__version__}")
        raise typer.Exit


@app.callback()
def root(
    context: typer.Context,
    home: Home = None,
    url: Annotated[
        str | None, typer.Option("--url", help="The daemon's address; $OVERLOOP_URL.", envvar="OVERLOOP_URL")
    ] = None,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    context.obj = Shared(home, url)


@app.command()
def run(
    context: typer.Context,
    home: Home = None,
    listen: Annotated[str | None, typer.Option(help="HOST:PORT; 127.0.0.1:8420 by default.")] = None,
    rules: Annotated[
        list[Path] | None, typer.Option(help="A folder of packs; may be given again. The shipped ones by default.")
    ] = None,
    config: Annotated[Path | None, typer.Option(help="overloop.toml.")] = None,
    single: Annotated[bool, typer.Option("--single", help="Everything in one process.")] = False,
) -> None:
    """Run the daemon until it is told to stop."""
    from monitor.app.home import HomeError
    from monitor.app.start import StartError
    from monitor.app.start import run as start
    from monitor.clock import ClockError
    from monitor.settings import SettingsError
    from monitor.store.schema import SchemaMismatch
    from monitor.telemetry.logs import configure_logging

    flags: dict[str, Any] = {
        "home": home or shared(context).home,
        "listen": listen,
        "rules": tuple(rules) if rules else None,
        "config": config,
        "single": single or None,
    }
    try:
        settings = _settings(flags)
        configure_logging(settings.log.format, settings.log.level)
        code = start(settings)
    except (HomeError, StartError, SettingsError, SchemaMismatch, ClockError) as problem:
        fail(str(problem), Exit.USAGE if isinstance(problem, SettingsError) else Exit.UNREACHABLE)
    raise typer.Exit(code)


def _settings(flags: dict[str, Any]) -> Any:
    from monitor.settings import load

    return load(flags)


@app.command()
def demo(
    seed: Annotated[int | None, typer.Option(help="Draw the same row and sensor again.")] = None,
    keep: Annotated[Path | None, typer.Option(help="Keep the demo's home in this folder.")] = None,
    wait: Annotated[bool, typer.Option(help="Stay until somebody acknowledges.")] = True,
) -> None:
    """Watch a real model go wrong, get told, acknowledge. Stops with Ctrl-C."""
    from monitor.cli.demo import run as show

    with told():
        raise typer.Exit(show(seed, keep, wait))


@app.command()
def login(context: typer.Context, next: Annotated[str, typer.Option(help="The page to open.")] = "/") -> None:
    """Print a link that signs you in to the pages, once, within ten minutes."""
    with told():
        typer.echo(shared(context).daemon().login_link(next))


@app.command()
def check(
    context: typer.Context,
    config: Annotated[Path | None, typer.Option(help="overloop.toml.")] = None,
) -> None:
    """Check settings and rules without starting anything."""
    from monitor.cli.rules import report
    from monitor.settings import SettingsError
    from monitor.settings.parts import remarks, rule_folders

    try:
        settings = _settings({"home": shared(context).home, "config": config})
    except SettingsError as problem:
        fail(str(problem), Exit.FAILED)
    for sentence in remarks(settings):
        typer.echo(f"note: {sentence}")
    typer.echo(f"The settings are fine; home is {settings.home}.")
    report(rule_folders(settings), settings)


@app.command()
def backup(context: typer.Context, folder: Annotated[Path, typer.Argument(help="An empty or new folder.")]) -> None:
    """Copy the whole home, while the daemon runs, with a manifest of checksums."""
    from monitor.store.backup import BackupError
    from monitor.store.backup import backup as copy

    try:
        manifest = copy(shared(context).folder(), folder, time.time())
    except (BackupError, OSError) as problem:
        fail(str(problem), Exit.FAILED)
    typer.echo(f"Backed up {len(manifest.files)} files to {folder}; restore them with `overloop restore {folder}`.")


@app.command()
def restore(
    context: typer.Context, folder: Annotated[Path, typer.Argument(help="A folder made by `overloop backup`.")]
) -> None:
    """Put a backup into an empty home, after checking it."""
    from monitor.store.backup import BackupError
    from monitor.store.backup import restore as put

    home = shared(context).folder()
    try:
        put(folder, home, time.time())
    except (BackupError, OSError) as problem:
        fail(str(problem), Exit.FAILED)
    typer.echo(f"Restored {folder} to {home}; start the daemon with `overloop run --home {home}`.")
