"""Every command in a console block is run, and what it prints is compared with what the document says."""

from __future__ import annotations

import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from documents import PORT, Terminal, Typed, blocks, differences, matches, typed
from live_daemon import ROOT, Target, wait_until
from typer.core import TyperGroup
from typer.main import get_group

from monitor.cli.root import app

NOT_RUN = Path(__file__).with_name("not-run.toml")
NTFY = "ntfys://ntfy.sh/overloop-8c1f"  # in the documents; where nobody listens in a test
PROGRAMS = r"(?:[A-Z_]+=\S+ )*(?:overloop|systemctl|journalctl|python3?|pip|git|make|cd|export|curl|ln|mkdir|mv|rm|install|/\S+)\b"


@pytest.fixture
def target() -> Iterator[Target]:
    server = Target()
    yield server
    server.stop()


@pytest.fixture
def terminal(tmp_path: Path, target: Target) -> Iterator[Terminal]:
    made = Terminal(tmp_path, {NTFY: target.url})
    yield made
    made.close()


@pytest.mark.slow
def test_what_a_document_says_to_type_prints_what_it_says(document: Path, terminal: Terminal, target: Target) -> None:
    """In order, in one terminal; the files it says to save are made on the way."""
    message = next((block for block in blocks(document) if block.language == "message"), None)
    for block in blocks(document):
        if block.name is not None:
            terminal.save(block)
        for one in typed(block) if block.language == "console" else ():
            printed = terminal.type(one)
            if one.command.startswith("overloop run"):
                _logged(one, printed)
            else:
                assert matches(one.expected, printed), differences(one, printed)
            if message is not None and "events send --live" in one.command:
                _delivered(message.text, target, terminal)


def _logged(one: Typed, printed: list[str]) -> None:
    """The lines of a log that a document shows are among those that came."""
    for line in one.expected:
        assert any(matches((line,), [said]) for said in printed), differences(one, printed)


def _delivered(expected: str, target: Target, terminal: Terminal) -> None:
    """The message that the document shows is the one that was sent."""
    title = expected.split("\n", 1)[0]
    wait_until(lambda: any(sent["title"] == title for sent in target.log), f"a message {title!r} is delivered")
    sent = next(sent for sent in target.log if sent["title"] == title)
    printed = [title, *sent["message"].replace(f":{terminal.port}/", f":{PORT}/").splitlines()]
    assert matches(tuple(expected.splitlines()), printed), "\n".join(printed)


def test_every_command_shown_is_run_or_listed_with_a_reason(document: Path) -> None:
    listed = tomllib.loads(NOT_RUN.read_text()).get(document.name, {})
    assert set(shown(document)) == set(listed), "shown but not listed, or listed but no longer shown"
    assert all(reason.strip() for reason in listed.values())


def shown(document: Path) -> Iterator[str]:
    """Commands outside of console blocks: in shell blocks, and in what is indented as code."""
    for block in blocks(document):
        if block.language in ("sh", "bash", "shell"):
            yield from filter(None, (re.sub(r"\s+#\s.*", "", line).strip() for line in block.text.split("\n")))
    text = re.sub(r"^```.*?^```", "", document.read_text(), flags=re.MULTILINE | re.DOTALL)
    yield from re.findall(rf"^    ({PROGRAMS}.*)$", text, flags=re.MULTILINE)


def test_what_is_not_run_is_at_least_typed_right(document: Path) -> None:
    """No argument is missing and no option made up: as far as can be told without running it."""
    for line in shown(document):
        words = [word for word in shlex.split(line) if not re.match(r"[A-Z_]+=", word)]
        if words and words[0] == "overloop":
            command, context, rest = get_group(app), None, words[1:]
            while True:
                context = command.make_context("overloop", rest, parent=context)  # raises UsageError
                if not isinstance(command, TyperGroup):
                    break
                _, command, rest = command.resolve_command(context, [*context._protected_args, *context.args])


def test_every_list_of_commands_not_run_is_of_a_document() -> None:
    names = {path.name for path in (ROOT / "docs").glob("*.md")} | {"README.md"}
    assert set(tomllib.loads(NOT_RUN.read_text())) <= names


@pytest.mark.parametrize(
    ("expected", "printed", "same"),
    [
        (("a … c",), ["a b c"], True),
        (("a … c",), ["a b d"], False),
        (("a", "…", "z"), ["a", "b", "c", "z"], True),
        (("a", "…", "z"), ["a", "z"], True),
        (("a", "…", "z"), ["b", "z"], False),
        (("a",), ["a", "b"], False),
        ((), [], True),
        ((), ["a"], False),
    ],
)
def test_dots_stand_for_what_differs_from_run_to_run(expected: tuple[str, ...], printed: list[str], same: bool) -> None:
    assert matches(expected, printed) is same
