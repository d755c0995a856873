"""What documents show besides commands is what the program takes: rules, settings, expressions, code, links."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import NoReturn

import pytest
from documents import Block, blocks
from live_daemon import ROOT
from typer.core import TyperGroup
from typer.main import get_group

from monitor.cli.nouns import NOUNS
from monitor.cli.root import app
from monitor.core.rules.expressions import compile_condition
from monitor.core.rules.model import Pack
from monitor.core.rules.parse import parse_pack
from monitor.core.rules.parse_tests import parse_tests
from monitor.formats.yaml_nodes import load
from monitor.runtime.packtests import run_test
from monitor.settings.model import Settings
from monitor.settings.read import Reader
from monitor.settings.verify import contradictions

PROMETHEUS = "prometheus.yml"
RULE = 'pack: example\nmodels: ["*"]\nhalt: {fallback: "a person decides"}\nparams: {p99_ms: 800}\nrules:\n'


def pack_of(text: str, place: str) -> Pack:
    document, found = load(text, place)
    assert document is not None, found
    pack, problems = parse_pack(document)
    assert pack is not None, problems
    return pack


def test_every_rule_and_pack_is_taken_and_their_tests_pass(document: Path) -> None:
    pack: Pack | None = None
    tests = ""
    for block in blocks(document):
        if block.language != "yaml" or block.name == PROMETHEUS:
            continue
        if "tests:" in block.text.split("\n") or block.adds:
            tests = tests + "\n" + block.text if block.adds else block.text
            assert pack is not None, block
            _run(tests, pack, str(block))
        elif block.text.startswith("- alert:"):
            pack_of(RULE + block.text, str(block))
        else:
            pack = pack_of(block.text, str(block))


def _run(text: str, pack: Pack, place: str) -> None:
    document, found = load(text, place)
    assert document is not None, found
    tests, problems = parse_tests(document, pack)
    assert tests and not problems, problems
    for test in tests:
        assert run_test(pack, test) == [], f"{place}: {test.name}"


def test_prometheus_takes_what_it_is_to_be_given(document: Path, tmp_path: Path) -> None:
    for block in blocks(document):
        if block.name == PROMETHEUS:
            (tmp_path / PROMETHEUS).write_text(block.text)
            (tmp_path / "overloop.token").touch()
            promtool = shutil.which("promtool")
            if promtool is None:
                pytest.skip("promtool is not installed")
            command = [promtool, "check", "config", str(tmp_path / PROMETHEUS)]
            assert subprocess.run(command, capture_output=True, text=True).returncode == 0


def test_every_expression_compiles(document: Path) -> None:
    for block in blocks(document):
        for line in block.text.split("\n") if block.language == "expression" else ():
            compile_condition(line)


def test_every_setting_is_taken(document: Path) -> None:
    def refuse(key: object, sentence: str) -> NoReturn:
        raise AssertionError(f"{key}: {sentence}")

    for block in blocks(document):
        if block.language == "toml":
            settings = Reader(refuse).table(Settings, tomllib.loads(block.text))
            assert isinstance(settings, Settings)
            elsewhere = ("cannot be read", "is not a folder")  # files that only the reader of the document has
            wrong = [said for _, said in contradictions(settings, {}) if not any(e in said for e in elsewhere)]
            assert wrong == [], block


def test_every_piece_of_python_is_python(document: Path) -> None:
    for block in blocks(document):
        if block.language == "python":
            ast.parse(block.text, str(block))


def test_the_python_of_the_readme_runs(tmp_path: Path) -> None:
    """Without a daemon the client drops what it cannot deliver, and the model goes on."""
    for block in blocks(ROOT / "README.md"):
        if block.language == "python":
            environ = {"OVERLOOP_URL": "http://127.0.0.1:1", "OVERLOOP_TOKEN": "t", "PYTHONPATH": str(ROOT)}
            done = subprocess.run([sys.executable, "-c", block.text], env=environ, capture_output=True, text=True)
            assert done.returncode == 0, done.stderr


LANGUAGES = {"console", "sh", "yaml", "toml", "python", "expression", "message", "json", "http", "text", "ini"}


def test_every_block_says_what_it_is_so_that_it_is_checked(document: Path) -> None:
    unknown: list[Block] = [block for block in blocks(document) if block.language not in LANGUAGES]
    assert unknown == []


def test_every_link_leads_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", document.read_text()):
        if not target.startswith(("http://", "https://", "mailto:")):
            name, _, anchor = target.partition("#")
            file = document if not name else document.parent / name
            assert file.exists(), f"{document.name}: {target}"
            if anchor:
                assert anchor in anchors(file), f"{document.name}: {target}"


def anchors(file: Path) -> set[str]:
    """Of the headings of a document, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```", "", file.read_text(), flags=re.M | re.S), flags=re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.fixture(scope="module")
def commands() -> set[str]:
    """`run`, `incident`, `incident list`, …"""
    root = get_group(app)
    found = {name for name in root.commands if name not in NOUNS} | set(NOUNS)
    with root.make_context("overloop", ["demo"]) as context:
        for noun in NOUNS:
            group = root.get_command(context, noun)
            assert isinstance(group, TyperGroup)
            found |= {f"{noun} {verb}" for verb in group.commands}
    return found


def sources() -> list[Path]:
    return [*sorted((ROOT / "docs").glob("*.md")), ROOT / "README.md", *sorted((ROOT / "monitor").rglob("*.py"))]


def test_every_command_that_a_sentence_names_is_there(commands: set[str]) -> None:
    """In documents and in the program's own messages: a person will type it."""
    wrong = []
    for file in sources():
        for noun, verb in re.findall(r"`overloop ([a-z][\w-]*)(?:[ \n]([a-z][\w-]*))?", file.read_text()):
            named = f"{noun} {verb}" if noun in NOUNS and verb else noun
            if named not in commands:
                wrong.append(f"{file.relative_to(ROOT)}: overloop {named}")
    assert wrong == []
