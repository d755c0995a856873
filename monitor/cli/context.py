"""What all commands share: where the home is, how to print, and how to end."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any, NoReturn

import typer

from monitor.cli.http import Daemon, DaemonProblem


class Exit(IntEnum):
    """Exit codes, the same for every command."""

    OK = 0
    FAILED = 1  # the command did its work and the answer is no: a check failed, an incident is not there
    USAGE = 2  # the command was typed wrong
    UNREACHABLE = 3  # the daemon, the ledger or the home cannot be reached
    REFUSED = 4  # the daemon refused: role, conflict, state


@dataclass(slots=True)
class Shared:
    """Options that stand before the noun."""

    home: Path | None
    url: str | None

    def daemon(self) -> Daemon:
        return Daemon(self.url or os.environ.get("OVERLOOP_URL"), self.folder(), os.environ.get("OVERLOOP_TOKEN"))

    def folder(self) -> Path:
        from monitor.settings import load

        return load({"home": self.home}).home


def shared(context: typer.Context) -> Shared:
    found = context.find_root().obj
    assert isinstance(found, Shared)
    return found


def fail(sentence: str, code: Exit = Exit.FAILED) -> NoReturn:
    """Say why on standard error and end."""
    typer.echo(sentence, err=True)
    raise typer.Exit(int(code))


@contextmanager
def told() -> Iterator[None]:
    """Turn what the daemon says into a sentence and an exit code."""
    try:
        yield
    except DaemonProblem as problem:
        code = Exit.UNREACHABLE if problem.status in (0, 502, 503) else Exit.REFUSED
        fail(str(problem), Exit.FAILED if problem.status == 404 else code)


def show(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], output: str, whole: Any = None) -> None:
    """Print a table, or JSON with `-o json` (`whole` if given, else the rows)."""
    if output == "json":
        import json

        typer.echo(json.dumps(whole if whole is not None else list(rows), indent=2, ensure_ascii=False))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column.replace("_", " "), overflow="fold")
    for row in rows:
        table.add_row(*(plain(row.get(column)) for column in columns))
    Console(soft_wrap=False, markup=False, emoji=False).print(table)


def plain(value: Any) -> str:
    """A value in a cell; control characters from outside never reach the terminal."""
    if value is None:
        return "-"
    text = ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    return "".join(c if c.isprintable() else " " for c in text)
