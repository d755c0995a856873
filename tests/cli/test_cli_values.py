"""Values of options and arguments, converted without pydantic, and the same as Typer would."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Annotated, Literal

import pytest
import typer
from typer.core import TyperGroup
from typer.main import get_group
from typer.testing import CliRunner

from monitor.cli.nouns import NOUNS
from monitor.cli.root import app as overloop
from monitor.cli.values import plainly

app = typer.Typer(rich_markup_mode=None)


@app.command()
def one(
    word: str,
    number: Annotated[int, typer.Option(min=1, max=9)] = 3,
    share: float | None = None,
    path: Path | None = None,
    kind: Literal["a", "b"] = "a",
    many: Annotated[list[Path] | None, typer.Option()] = None,
    flag: bool = False,
) -> None:
    typer.echo(repr((word, number, share, path, kind, many, flag)))


@app.command()
def other() -> None:
    """So that this is a group."""


class _Plain(TyperGroup):
    def parse_args(self, ctx, args):
        plainly(self, ctx)
        return super().parse_args(ctx, args)


@pytest.mark.parametrize("plain", [False, True])
@pytest.mark.parametrize(
    "typed",
    [
        "w",
        "w --number 9 --share 0.5 --path /x --kind b --many a --many b --flag",
        "w --number 5 --share 1e-3 --no-flag",
        "w --number 10",
        "w --number x",
        "w --share x",
        "w --kind c",
        "",
    ],
)
def test_values_are_what_typer_makes_of_them(plain: bool, typed: str) -> None:
    app.info.cls = _Plain if plain else None
    done = CliRunner().invoke(app, ["one", *typed.split()])
    app.info.cls = None
    theirs = CliRunner().invoke(app, ["one", *typed.split()])
    assert (done.exit_code, done.stdout) == (theirs.exit_code, theirs.stdout)


def test_a_number_that_is_none_is_refused() -> None:
    app.info.cls = _Plain
    done = CliRunner().invoke(app, ["one", "w", "--share", "nan"])
    app.info.cls = None
    assert done.exit_code == 2 and "'nan' is not a number." in done.stderr


def test_every_parameter_of_every_command_is_converted_without_pydantic() -> None:
    """A new kind of value would make its command slower by the import of pydantic."""
    root = get_group(overloop)
    with root.make_context("overloop", ["demo"]) as context:
        plainly(root, context)
        for noun in NOUNS:
            root.get_command(context, noun)

        def slow(command) -> list[str]:
            below = command.commands.values() if isinstance(command, TyperGroup) else ()
            mine = [f"{command.name} {p.name}" for p in command.get_params(context) if p._runtime_param is None]
            return mine + [name for one in below for name in slow(one)]

        assert slow(root) == []


@pytest.mark.parametrize("words", [["--help"], ["incident", "--help"], ["--version"], ["incident", "show"]])
def test_help_does_not_wait_for_what_commands_need(words: list[str]) -> None:
    script = (
        f"import sys; sys.argv = ['overloop', *{words!r}]\n"
        "import atexit; from monitor.cli import main\n"
        "atexit.register(lambda: print(*{n.partition('.')[0] for n in sys.modules}, file=sys.stderr))\n"
        "main()"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    loaded = set(done.stderr.split())
    assert "typer" in loaded
    assert loaded & {"river", "sqlalchemy", "apprise", "numpy", "pydantic", "rich", "msgspec", "yaml"} == set()


def test_help_is_sentences_and_every_noun_has_one() -> None:
    done = CliRunner().invoke(overloop, ["--help"])
    assert done.exit_code == 0
    for noun in NOUNS:
        assert f"\n  {noun} " in done.stdout
        page = CliRunner().invoke(overloop, [noun, "--help"]).stdout
        assert max(map(len, page.splitlines())) <= 80
    root = get_group(overloop)
    with root.make_context("overloop", ["demo"]) as context:
        for noun in [*NOUNS, *(name for name in root.commands if name not in NOUNS)]:
            command = root.get_command(context, noun)
            for one in command.commands.values() if isinstance(command, TyperGroup) else [command]:
                assert one.help and one.help.strip()[0].isupper() and one.help.strip().endswith("."), one.name


@pytest.mark.parametrize("noun", ["", *NOUNS])
def test_no_line_of_a_list_of_commands_is_cut(noun: str) -> None:
    told = CliRunner().invoke(overloop, [*noun.split(), "-h"], env={"COLUMNS": "80"}).stdout
    commands = told.split("Commands:\n", 1)[1].splitlines()
    assert commands
    assert [line for line in commands if line.endswith("...")] == []


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("overloop inc", {"incident"}),
        ("overloop incident re", {"release", "reopen"}),
        ("overloop gate set m ", {"auto", "review", "halt"}),
        ("overloop incident list --sta", {"--state"}),
    ],
)
def test_the_shell_completes_nouns_verbs_options_and_values(words: str, found: set[str]) -> None:
    environ = {"_OVERLOOP_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(len(words.split(" ")) - 1)}
    done = CliRunner().invoke(overloop, [], env=environ, prog_name="overloop")
    assert set(done.stdout.split()) == found


def test_the_script_for_completion_can_be_printed() -> None:
    done = CliRunner().invoke(overloop, ["--show-completion"], prog_name="overloop", env={"SHELL": "/bin/bash"})
    assert done.exit_code in (0, 1)  # 1 where nobody can tell which shell this runs in
    assert "_OVERLOOP_COMPLETE=complete_" in done.stdout or "Shell" in done.output
