"""`overloop rules`: check, test, explain, replay, suggest, reload."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from monitor.cli.context import Exit, Output, as_json, fail, say, shared, told
from monitor.cli.http import DaemonProblem

if TYPE_CHECKING:
    from monitor.core.rules.model import Book, Rule
    from monitor.runtime.books import Shelf
    from monitor.settings import Settings

app = typer.Typer(help="See what is watched, and whether it watches well.", no_args_is_help=True)

Folders = Annotated[
    list[Path] | None,
    typer.Argument(metavar="DIR", help="Folders of packs, or packs; those of the settings if left out."),
]


@app.command()
def check(context: typer.Context, folders: Folders = None, output: Output = "table") -> None:
    """Parse every pack, and say what is wrong or odd. Also how much memory a rule may take; exit code 1 on errors."""
    from monitor.cli.rules_check import report

    settings = shared(context).settings()
    report(_folders(folders, settings), settings, output, chosen=bool(folders))


@app.command()
def test(
    context: typer.Context,
    folders: Folders = None,
    mutate: Annotated[
        bool, typer.Option("--mutate", help="Also change each rule in each way, and see that a test notices.")
    ] = False,
    output: Output = "table",
) -> None:
    """Run the tests of every pack. Exit code 1 when one fails, or with --mutate when a change goes unnoticed."""
    from monitor.cli.rules_test import run
    from monitor.runtime.books import BookRefused, tests_of

    settings = shared(context).settings()
    try:
        packs = tests_of(_shelf(_folders(folders, settings), settings))
    except BookRefused as refused:
        fail("\n".join(refused.lines), Exit.FAILED)
    raise typer.Exit(int(Exit.OK if run(packs, mutate, output) else Exit.FAILED))


@app.command()
def explain(
    context: typer.Context,
    rule: Annotated[
        str | None, typer.Argument(metavar="RULE", help="pack/Rule, or a part of it; all rules if left out.")
    ] = None,
    model: Annotated[
        str | None, typer.Option(metavar="MODEL", help="Also say how it stands on this model; reads the home folder.")
    ] = None,
    folders: Annotated[
        list[Path] | None,
        typer.Option(
            "--rules",
            metavar="DIR",
            help="A folder of packs, or a pack; may be given again. Without it the rules in force on this home.",
        ),
    ] = None,
    output: Output = "table",
) -> None:
    """Say in words what a rule watches. Of a model also since when, what it refuses, and how near it is to tripping.

    The rules are those in force on the home folder, or those of the files where no daemon has run yet, or of --rules.
    """
    from monitor.cli.rules_explain import explained, stands
    from monitor.runtime.books import BookRefused
    from monitor.runtime.look import LookError, look

    settings = shared(context).settings()
    try:
        book = _book(folders, settings, shared(context).folder())
        standing = None if model is None else look(shared(context).folder(), settings.partitions, model)
    except BookRefused as refused:
        fail("\n".join(refused.lines), Exit.FAILED)
    except LookError as problem:
        fail(str(problem), Exit.UNREACHABLE)
    everywhere = [found for pack in book.packs for found in pack.rules]
    chosen = everywhere if model is None else [found for _, found in book.rules_for(model)]
    if rule is not None:
        chosen = _named(rule, [r.key for r in everywhere], chosen, model)
    if output == "json":
        typer.echo(as_json([explained(found) | stands(found, standing) for found in chosen]))
        return
    from monitor.cli.rules_explain import lines

    for found in chosen:
        say("\n".join([*lines(found, model, standing), ""]))


@app.command()
def replay(
    context: typer.Context,
    since: Annotated[
        str | None, typer.Option(metavar="DURATION", help="Traffic that this home recorded, of this long, such as 30d.")
    ] = None,
    from_: Annotated[
        Path | None,
        typer.Option("--from", metavar="FILE", help="Or a file of events, NDJSON, CSV or Parquet (also .gz)."),
    ] = None,
    folders: Annotated[
        list[Path] | None,
        typer.Option("--rules", metavar="DIR", help="A folder of packs, or a pack; those of the settings if left out."),
    ] = None,
    model: Annotated[str | None, typer.Option(metavar="MODEL", help="Only events of this model.")] = None,
    picture: Annotated[Path | None, typer.Option(metavar="FILE.svg", help="Also draw it.")] = None,
    output: Annotated[
        Literal["text", "json"], typer.Option("-o", "--output", help="text for people, json for programs.")
    ] = "text",
) -> None:
    """Say what rules would have done with recorded traffic: when they fire, how near the others come, what is missed.

    Reads beside a running daemon and changes nothing. Exit code 1 if the rules or the traffic cannot be used, 2 if the
    command was typed wrong, 3 if the home cannot be reached; whatever would have fired, it is 0.
    """
    from monitor.cli.context import seconds
    from monitor.cli.rules_replay import Asked
    from monitor.cli.rules_replay import replay as run_again
    from monitor.runtime.backtest_picture import picture as drawn
    from monitor.runtime.backtest_report import as_plain, lines

    if (since is None) == (from_ is None):
        fail("Give one of --since DURATION and --from FILE.", Exit.USAGE)
    asked = Asked(from_, None if since is None else seconds(since, "--since"), folders, model)
    _, _, report = run_again(shared(context), asked)
    if picture is not None:
        try:
            picture.write_text(drawn(report), encoding="utf-8")
        except OSError as problem:
            fail(f"{picture} cannot be written: {problem.strerror or problem}.", Exit.FAILED)
    if output == "json":
        typer.echo(as_json(as_plain(report)))
    else:
        say("\n".join(lines(report)))


@app.command()
def suggest(
    context: typer.Context,
    since: Annotated[str, typer.Option(metavar="DURATION", help="Incidents and traffic of this long count.")] = "90d",
    folders: Annotated[
        list[Path] | None,
        typer.Option("--rules", metavar="DIR", help="A folder of packs, or a pack; those of the settings if left out."),
    ] = None,
    model: Annotated[str | None, typer.Option(metavar="MODEL", help="Only for this model.")] = None,
    output: Annotated[
        Literal["text", "json"], typer.Option("-o", "--output", help="text for people, json for programs.")
    ] = "text",
) -> None:
    """Propose tolerance and budget from the verdicts of people, with the reason, and try it on recorded traffic.

    Changes nothing: a person applies it. Exit code 1 if the rules cannot be used, 3 if the home cannot be reached.
    """
    from monitor.cli.context import seconds
    from monitor.cli.rules_suggest import suggest as propose

    propose(shared(context), seconds(since, "--since"), folders, model, output)


@app.command()
def reload(context: typer.Context, output: Output = "table") -> None:
    """Have the running daemon load its rules again. If anything is wrong it keeps the old ones: exit code 1."""
    with told():
        daemon = shared(context).daemon()
        try:
            found = daemon.checked(daemon.post("/-/reload"))
        except DaemonProblem as problem:
            if "problems" not in problem.body:
                raise
            fail("\n".join([*map(str, problem.body["problems"]), str(problem)]))
    if output == "json":
        typer.echo(as_json(found))
    else:
        from monitor.core.rules.wording import counted

        say(f"The daemon has loaded {counted(found['rules'], 'rule')} of {', '.join(found['packs'])}.")


def _named(name: str, known: Sequence[str], rules: Sequence[Rule], model: str | None) -> list[Rule]:
    """The rules whose key is, or else contains, this text. Ends the command where there is none."""
    from monitor.core.rules.diagnose import nearest

    found = [r for r in rules if r.key == name] or [r for r in rules if name.lower() in r.key.lower()]
    if found:
        return found
    if any(name.lower() in key.lower() for key in known):
        fail(f"The pack of {name!r} does not watch {model}: see `models` in its pack.yaml.")
    names = {key.partition("/")[2]: key for key in known}
    close = nearest(name.rpartition("/")[2], names)
    packs = ", ".join(sorted({key.partition("/")[0] for key in known}))
    elsewhere = f"Looked in the packs {packs}; name the folder of another with --rules."
    return fail(f"No rule is called {name!r}. " + (f"Did you mean {names[close]}?" if close else elsewhere))


def _book(folders: list[Path] | None, settings: Settings, home: Path) -> Book:
    """The rules of these folders, else those in force, else those of the settings. Raises BookRefused, LookError."""
    from monitor.runtime.books import BookRefused
    from monitor.runtime.look import in_force

    found = None if folders else in_force(home)
    shelf = _shelf(_folders(folders, settings), settings)
    if found is None:
        if not folders:
            say(f"No daemon has run on {home} yet; these are the rules of {_named_folders(shelf)}.", err=True)
        return shelf.load()[0]
    try:
        same = shelf.load()[0].digest == found.digest
    except BookRefused:
        same = False
    if not same:
        say(f"These are the rules in force on {home}; the files in {_named_folders(shelf)} hold others.", err=True)
    return found


def _named_folders(shelf: Shelf) -> str:
    return ", ".join(map(str, shelf.folders))


def _folders(given: list[Path] | None, settings: Settings) -> Sequence[Path]:
    from monitor.settings.parts import rule_folders

    return given or rule_folders(settings)


def _shelf(folders: Sequence[Path], settings: Settings) -> Shelf:
    from monitor.runtime.books import Shelf
    from monitor.settings.parts import model_options, parameters

    return Shelf(folders, parameters(settings), model_options(settings), settings.partitions)
