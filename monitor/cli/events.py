"""`overloop events`: send what was recorded elsewhere, look at what came in."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from monitor.cli.context import Exit, fail, plain, shared, told

if TYPE_CHECKING:
    from monitor.cli.events_files import Reading
    from monitor.cli.events_send import Post, Summary

app = typer.Typer(help="Send what was recorded elsewhere; look at what came in.", no_args_is_help=True)

Files = Annotated[
    list[Path], typer.Argument(metavar="FILE", help="NDJSON, CSV or Parquet (also .gz); - is standard input.")
]


@app.command()
def send(
    context: typer.Context,
    files: Files,
    model: Annotated[
        str | None, typer.Option(metavar="MODEL", help="The model, for tables that have no column of it.")
    ] = None,
    columns: Annotated[
        list[str] | None,
        typer.Option("--map", metavar="COLUMN=PLACE", help="Where a column of a table goes, such as y=output.label."),
    ] = None,
    format: Annotated[
        str | None, typer.Option(metavar="NAME", help="ndjson, csv or parquet; by the file's name if left out.")
    ] = None,
    zone: Annotated[
        str | None, typer.Option(metavar="ZONE", help="The zone of times in tables that say none, such as UTC.")
    ] = None,
    truth: Annotated[bool, typer.Option("--truth", help="The files hold truths about events sent before.")] = False,
    live: Annotated[
        bool, typer.Option("--live", help="They are from now, whatever time they carry: they may page people.")
    ] = False,
    follow: Annotated[bool, typer.Option("--follow", help="Go on with what one NDJSON file gets from now on.")] = False,
    state: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Where --follow remembers how far it came.")
    ] = None,
    until_end: Annotated[bool, typer.Option("--until-end", help="With --follow: stop at the end of the file.")] = False,
) -> None:
    """Send events from files.

    They count as history: their own times are the clock, and what they show opens historical incidents, which page
    nobody unless --live. Typed again after an interruption, the same command sends nothing twice. Exit code 1 if
    lines were rejected, 3 if the daemon cannot be reached, 4 if it refused.
    """
    from monitor.cli.events_files import FORMATS, Reading
    from monitor.cli.events_send import Post, Stopped, Summary
    from monitor.formats.mapping import MappingError
    from monitor.formats.split import Unreadable
    from monitor.sources.follow import FollowError

    if format is not None and format not in FORMATS:
        fail(f"There is no format {format!r}: use one of {', '.join(FORMATS)}.", Exit.USAGE)
    reading = Reading(truth, model, _columns(columns or []), format, zone)
    summary = Summary("truths" if truth else "events")
    code = Exit.OK
    with told():
        post = Post(shared(context).daemon(), reading, live)
    try:
        if follow:
            _follow(post, files, state, summary, until_end)
        else:
            _send(post, files, reading, summary)
    except Stopped as stopped:
        typer.echo(str(stopped), err=True)
        code = stopped.code
    except (MappingError, Unreadable, FollowError) as problem:
        typer.echo(str(problem), err=True)
        code = Exit.FAILED
    except OSError as problem:
        typer.echo(f"{problem.filename or 'The file'} cannot be read: {problem.strerror or problem}.", err=True)
        code = Exit.FAILED
    except KeyboardInterrupt:
        typer.echo("Interrupted; run the same command again to go on.", err=True)
    finally:
        post.close()
    for sentence in summary.sentences():
        typer.echo(plain(sentence))
    raise typer.Exit(int(code or (Exit.FAILED if summary.counts.rejected else Exit.OK)))


def _columns(pairs: list[str]) -> dict[str, str]:
    columns = {}
    for pair in pairs:
        column, separator, place = pair.rpartition("=")
        if not separator or not column or not place:
            fail(f"--map {pair!r} is not of the form COLUMN=PLACE, such as y=output.label.", Exit.USAGE)
        columns[column] = place
    return columns


def _send(post: Post, files: list[Path], reading: Reading, summary: Summary) -> None:
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    from monitor.cli.events_send import producer_of, send_file, source

    console = Console(stderr=True)
    bars = (TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*bars, console=console, transient=True, disable=not console.is_terminal) as progress:
        for path in files:
            from_ = source(path, reading)
            task = progress.add_task(from_.name, total=None)
            send_file(
                post,
                from_,
                producer_of(path, reading),
                summary,
                lambda from_=from_, task=task: progress.update(task, total=from_.size, completed=from_.done),  # type: ignore[misc]
            )
            progress.update(task, total=from_.size or 1, completed=from_.size or 1)
            if from_.note:
                console.print(f"{from_.name}: {from_.note}.", markup=False, highlight=False, soft_wrap=True)


def _follow(post: Post, files: list[Path], state: Path | None, summary: Summary, once: bool) -> None:
    import os

    from monitor.cli.events_send import follow
    from monitor.sources.follow import Follower

    if len(files) != 1 or str(files[0]) == "-":
        fail("--follow takes exactly one file.", Exit.USAGE)
    path = files[0].absolute()
    remembered = state or path.with_name(f".{path.name}.overloop")
    follower = Follower(path, remembered, f"follow-{os.urandom(12).hex()}")
    try:
        follow(post, follower, summary, path.name, lambda note: typer.echo(plain(note), err=True), once)
    finally:
        follower.close()


@app.command()
def tail(
    context: typer.Context,
    number: Annotated[
        int, typer.Option("-n", metavar="N", min=0, max=100_000, help="How many of the last events.")
    ] = 10,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on with what comes in.")] = False,
    model: Annotated[str | None, typer.Option(metavar="MODEL", help="One model only.")] = None,
) -> None:
    """Print the last events as they were kept, one a line. Reads the home folder, not the daemon."""
    from monitor.cli.events_tail import tail as lines
    from monitor.spool import SpoolError

    try:
        for line in lines(shared(context).folder() / "spool", number, follow, model):
            typer.echo(plain(line))
    except SpoolError as problem:
        fail(str(problem), Exit.UNREACHABLE)
    except KeyboardInterrupt:
        raise typer.Exit from None


@app.command("set-aside")
def set_aside(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The damaged file, as the daemon named it.")],
) -> None:
    """Replace a damaged file of the spool by what is left of it. The daemon must not run."""
    import time

    from monitor.spool import SpoolError, set_aside

    try:
        loss = set_aside(file, time.time())
    except (SpoolError, OSError) as problem:
        fail(str(problem), Exit.FAILED)
    typer.echo(
        f"{loss.records:,} records with {loss.lines:,} lines were kept; the damaged file is {loss.moved_to} now."
    )
    for start, end in loss.holes:
        typer.echo(f"Lost: what had the offsets {start:,} to {end - 1:,}, as far as there was anything.")
