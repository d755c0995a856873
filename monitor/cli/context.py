"""What all commands share: where the home is, how to print, and how to end."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NoReturn

import typer

from monitor.cli.http import Daemon, DaemonProblem
from monitor.cli.table import plain, table, terminal_width, visible

if TYPE_CHECKING:
    from monitor.settings import Settings

__all__ = [
    "Exit",
    "Format",
    "Output",
    "Shared",
    "as_json",
    "fail",
    "plain",
    "say",
    "seconds",
    "sentence",
    "shared",
    "show",
    "there",
    "told",
]

Format = Literal["table", "json"]
Output = Annotated[Format, typer.Option("-o", "--output", help="table for people, json for programs.")]


class Exit(IntEnum):
    """Exit codes, the same for every command but `audit verify`."""

    OK = 0
    FAILED = 1  # the command did its work and the answer is no: a check failed, an incident is not there
    USAGE = 2  # the command was typed wrong, or the settings are wrong
    UNREACHABLE = 3  # the daemon, the ledger or the home cannot be reached
    REFUSED = 4  # the daemon refused: role, conflict, state


_EXITS = {
    0: Exit.UNREACHABLE,
    400: Exit.USAGE,
    404: Exit.FAILED,
    422: Exit.USAGE,
    502: Exit.UNREACHABLE,
    503: Exit.UNREACHABLE,
}


@dataclass(slots=True)
class Shared:
    """Options that stand before the noun. `typed`: the home was named on the command line, not by the environment."""

    home: Path | None
    url: str | None
    typed: bool = False

    def daemon(self) -> Daemon:
        """The daemon that is meant. What is typed goes before the environment, and that before the home folder."""
        token = None if self.typed else os.environ.get("OVERLOOP_TOKEN")
        url = self.url or (None if self.typed else os.environ.get("OVERLOOP_URL"))
        return Daemon(url or None, None if url and token else self.folder(), token or None)

    def folder(self) -> Path:
        """The home folder. A mistake in the settings of a home that is named keeps nobody from its incidents."""
        named = self.home or os.environ.get("OVERLOOP_HOME")
        try:
            return Path(named).expanduser().absolute() if named else self.settings().home
        except RuntimeError:
            fail(f"{named} begins with the home folder of a user that there is not.", Exit.USAGE)

    def settings(self, config: Path | None = None) -> Settings:
        """The settings; ends the command if they cannot be used."""
        from monitor.settings import SettingsError, load

        try:
            return load({"home": self.home, "config": config})
        except SettingsError as problem:
            fail(str(problem), Exit.USAGE)


def shared(context: typer.Context) -> Shared:
    found = context.find_root().obj
    assert isinstance(found, Shared)
    return found


def say(text: str, err: bool = False) -> None:
    """Print lines, without any control character but the ends of lines."""
    typer.echo("\n".join(map(visible, text.split("\n"))), err=err)


def fail(why: str, code: Exit | int = Exit.FAILED) -> NoReturn:
    """Say why on standard error and end."""
    say(why, err=True)
    raise typer.Exit(int(code))


def there(file: Path) -> bool:
    """Whether there is such a file; ends the command where nobody can tell."""
    try:
        file.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as problem:
        fail(sentence(problem), Exit.UNREACHABLE)
    return True


def sentence(problem: Exception) -> str:
    """What went wrong, as a sentence also where it is the system that says so."""
    if not isinstance(problem, OSError) or problem.strerror is None:
        return str(problem)
    return f"{problem.filename or 'The disk'} cannot be used: {problem.strerror}."


@contextmanager
def told() -> Iterator[None]:
    """Turn what the daemon says into a sentence and an exit code."""
    try:
        yield
    except DaemonProblem as problem:
        fail(str(problem), _EXITS.get(problem.status, Exit.REFUSED))


def show(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], output: str, whole: Any = None) -> None:
    """Print a table, or JSON with `-o json` (`whole` if given, else the rows)."""
    if output == "json":
        typer.echo(as_json(whole if whole is not None else list(rows)))
    elif output == "table":
        for line in table(rows, columns, terminal_width()):
            typer.echo(line)
    else:
        fail(f"{output!r} is no form of output: it is table or json.", Exit.USAGE)


def as_json(value: Any) -> str:
    """JSON for people and programs: no control character, as itself, can be in it."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    return text if text.isprintable() else "".join(c if c.isprintable() or c == "\n" else _escaped(c) for c in text)


def _escaped(character: str) -> str:
    return json.dumps(character)[1:-1] if ord(character) != 0x7F else "\\u007f"


def seconds(text: str, option: str) -> float:
    """The seconds of a duration as it is written everywhere: 90s, 30m, 8h, 7d. Ends the command if it is none."""
    from monitor.core.rules.quantities import QuantityError, parse_duration

    try:
        found = parse_duration(text)
    except QuantityError as problem:
        fail(f"{option}: {problem.message} {problem.fix}", Exit.USAGE)
    if found <= 0:
        fail(f"{option} must be longer than nothing.", Exit.USAGE)
    return found
