"""`overloop`: the commands without a noun. The nouns are modules of their own, see `nouns`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

import monitor
from monitor.cli.context import Exit, Output, Shared, as_json, fail, say, seconds, sentence, shared, told
from monitor.cli.nouns import Nouns

app = typer.Typer(
    name="overloop",
    cls=Nouns,
    help="Watch AI models at work, and call a person only when something needs one.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Home = Annotated[
    Path | None,
    typer.Option(
        "--home",
        envvar="OVERLOOP_HOME",
        metavar="DIR",
        help="The daemon's home folder; the state folder of this user if left out.",
    ),
]
Config = Annotated[
    Path | None, typer.Option(metavar="FILE", help="The settings; overloop.toml in the home folder if left out.")
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
        str | None,
        typer.Option(
            "--url", envvar="OVERLOOP_URL", metavar="URL", help="The daemon's address; read in its home if left out."
        ),
    ] = None,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    source = context.get_parameter_source("home")
    typed = source is not None and source.name == "COMMANDLINE"
    by_environment = (found := context.get_parameter_source("url")) is not None and found.name == "ENVIRONMENT"
    context.obj = Shared(home, None if by_environment else url, typed)


@app.command()
def run(
    context: typer.Context,
    home: Home = None,
    listen: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="Where to listen; 127.0.0.1:8420 if left out.")
    ] = None,
    rules: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="DIR", help="A folder of packs, or a pack; may be given again. The shipped ones if left out."
        ),
    ] = None,
    config: Config = None,
    single: Annotated[bool, typer.Option("--single", help="Run everything in one process.")] = False,
) -> None:
    """Run the daemon until it is told to stop (SIGTERM, or Ctrl-C)."""
    from monitor.cli.run import run as start

    flags = {"home": home or shared(context).home, "listen": listen, "rules": tuple(rules) if rules else None}
    start({**flags, "config": config, "single": single or None})


@app.command()
def demo(
    seed: Annotated[int | None, typer.Option(metavar="N", help="Draw the same row and sensor again.")] = None,
    keep: Annotated[Path | None, typer.Option(metavar="DIR", help="Keep the demo's home in this folder.")] = None,
    wait: Annotated[bool, typer.Option(help="Stay until somebody acknowledges.")] = True,
) -> None:
    """Watch a real model go wrong, get told, acknowledge. Ctrl-C stops it."""
    from monitor.cli.demo import run as show

    with told():
        raise typer.Exit(show(seed, keep, wait))


@app.command()
def login(
    context: typer.Context,
    next: Annotated[str, typer.Option(metavar="PATH", help="The page to open.")] = "/",
) -> None:
    """Print a link that signs a browser in. It works once, within ten minutes."""
    with told():
        say(shared(context).daemon().login_link(next))


@app.command()
def check(
    context: typer.Context,
    config: Config = None,
) -> None:
    """Check settings and rules without starting anything. Exit code 1 if either cannot be used."""
    from monitor.cli.run import check as look

    look(shared(context).home, config)


@app.command()
def doctor(context: typer.Context, config: Config = None, output: Output = "table") -> None:
    """Say how everything is, and what to do about it. Exit code 1 if something needs doing now."""
    from monitor.cli.doctor import examine

    examine(shared(context).home, config, output)


@app.command()
def watch(
    url: Annotated[str, typer.Argument(metavar="URL", help="The daemon's address; its token is in OVERLOOP_TOKEN.")],
    tell: Annotated[list[str], typer.Option("--tell", metavar="APPRISE_URL", help="Who is told; may be given again.")],
    every: Annotated[str, typer.Option(metavar="DURATION", help="How often to look.")] = "60s",
) -> None:
    """Watch a daemon from another machine, and tell people when it goes quiet and when it is back."""
    from monitor.cli.watch import watch as keep

    raise typer.Exit(keep(url, seconds(every, "--every"), tell))


@app.command()
def backup(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A new folder, or an empty one.")],
    output: Output = "table",
) -> None:
    """Copy the whole home into a folder while the daemon runs. It holds secrets: keep it safe."""
    from monitor.store.backup import BackupError
    from monitor.store.backup import backup as copy

    home = shared(context).folder()
    try:
        empty = home.is_dir() and not (home / "ledger.db").exists()
    except OSError:
        empty = False  # what is wrong with it is told below
    if empty:
        fail(
            f"There is no ledger in {home}, so nothing to back up: name the daemon's home with --home.",
            Exit.UNREACHABLE,
        )
    try:
        manifest = copy(home, folder, time.time())
    except (BackupError, OSError) as problem:
        fail(sentence(problem), Exit.FAILED)
    size, root = manifest.audit or (0, "")
    if output == "json":
        typer.echo(as_json({"folder": str(folder), "files": len(manifest.files), "audit": f"{size}:{root}"}))
        return
    say(f"Backed up {len(manifest.files)} files to {folder}; restore them with `overloop restore {folder}`.")
    say(f"The audit log in it has the head {size}:{root}.")


@app.command()
def restore(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder made by `overloop backup`.")],
) -> None:
    """Put a backup into a new or empty home. Every file of it is checked first."""
    from monitor.store.backup import BackupError
    from monitor.store.backup import restore as put

    home = shared(context).folder()
    try:
        put(folder, home, time.time())
    except (BackupError, OSError) as problem:
        fail(sentence(problem), Exit.FAILED)
    say(f"Restored {folder} to {home}; start the daemon with `overloop run --home {home}`.")
