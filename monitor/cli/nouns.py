"""The nouns of the command line. The module of a noun is imported when it is named, and no sooner."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from typer._click import Command, Context
from typer._click.exceptions import NoSuchOption
from typer.core import TyperCommand, TyperGroup
from typer.main import get_group

from monitor.cli.values import plainly

NOUNS = (
    "incident",
    "override",
    "gate",
    "decision",
    "silence",
    "reference",
    "model",
    "rules",
    "events",
    "receivers",
    "routes",
    "audit",
    "report",
    "user",
    "token",
    "db",
    "clock",
)


class Nouns(TyperGroup):
    """The root of the command line: the verbs that stand alone, and every noun as the module of its name."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        for command in self.commands.values():
            command.short_help = _first_sentence(command)
        self.commands.update({noun: _Unread(noun) for noun in NOUNS})

    def parse_args(self, ctx: Context, args: list[str]) -> list[str]:
        plainly(self, ctx)  # not before: Typer adds the options for completion to what it has made
        return super().parse_args(ctx, args)

    def get_command(self, ctx: Context, cmd_name: str) -> Command | None:
        if isinstance(self.commands.get(cmd_name), _Unread):
            self.commands[cmd_name] = plainly(_load(cmd_name), ctx)
        return super().get_command(ctx, cmd_name)

    def invoke(self, ctx: Context) -> Any:
        try:
            return super().invoke(ctx)
        except NoSuchOption as problem:
            if problem.option_name in ("--home", "--url"):
                problem.message = (
                    f"{problem.option_name} stands before the noun: {ctx.command_path} {problem.option_name} …"
                )
                problem.possibilities = []
            raise


class _Unread(TyperCommand):
    """Stands for a noun that has not been named yet."""


def _load(noun: str) -> Command:
    app = import_module(f"monitor.cli.{noun}").app
    app.rich_markup_mode = None  # plain help: made in a tenth of the time, and the same in a pipe
    command = get_group(app)
    command.name = noun
    for below in command.commands.values():
        below.short_help = _first_sentence(below)
    return command


def _first_sentence(command: Command) -> str:
    """What a list of commands says of it: all of it, where Typer would cut it off in the middle."""
    paragraph = " ".join((command.help or "").strip().split("\n\n")[0].split())
    return paragraph.partition(". ")[0].removesuffix(".") + "."
