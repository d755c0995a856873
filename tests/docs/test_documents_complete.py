"""Nothing is missing in the reference tables, and nothing in them is made up."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from live_daemon import ROOT
from reference_tables import settings_rows, table_rows
from typer.core import TyperGroup
from typer.main import get_group

from monitor.cli.context import Exit
from monitor.cli.nouns import NOUNS
from monitor.cli.root import app
from monitor.core.detectors.methods import CHECKS, METHODS, Parameter
from monitor.core.notices.model import Reason
from monitor.core.rules.aggregates import FUNCTIONS as AGGREGATES
from monitor.core.rules.detect_form import _SETTINGS as DETECT
from monitor.core.rules.forms import _WINDOW_KEYS, FORMS
from monitor.core.rules.kinds import FUNCTIONS
from monitor.core.rules.options import ANNOTATIONS
from monitor.core.rules.parse import KEYS
from monitor.core.rules.parse_rule import COMMON
from monitor.core.rules.parse_tests import _SCRIPT_KEYS
from monitor.core.rules.script_values import FORMS as VALUES
from monitor.runtime.desk_roles import NEEDED
from monitor.telemetry.engine import EngineMetrics
from monitor.telemetry.front import FrontMetrics

RULES = (ROOT / "docs" / "rules.md").read_text()
OPERATIONS = (ROOT / "docs" / "operations.md").read_text()
CONCEPTS = (ROOT / "docs" / "concepts.md").read_text()


def section(text: str, heading: str) -> str:
    """From a heading to the next of its level."""
    return re.split(r"^## ", text.split(f"\n## {heading}\n", 1)[1], maxsplit=1, flags=re.MULTILINE)[0]


def named(text: str) -> set[str]:
    """The words in code spans."""
    return {word for span in re.findall(r"`([^`\n]+)`", text) for word in re.findall(r"[\w.$-]+", span)}


def test_every_setting_is_in_the_table_with_its_default() -> None:
    rows = table_rows(section(OPERATIONS, "Settings"))
    assert [(row[0], row[1]) for row in rows if row[0].startswith("`")] == [(f"`{k}`", d) for k, d in settings_rows()]


@pytest.mark.parametrize(
    "keys",
    [KEYS, COMMON, FORMS, _WINDOW_KEYS, ANNOTATIONS, AGGREGATES, _SCRIPT_KEYS, VALUES, CHECKS, tuple(FUNCTIONS)],
    ids=["pack", "rule", "forms", "windows", "annotations", "aggregates", "scripts", "values", "checks", "functions"],
)
def test_every_key_and_word_of_the_rule_language_is_in_the_reference(keys: tuple[str, ...]) -> None:
    assert set(keys) - named(RULES) == set()


def test_every_key_of_detect_absent_tests_and_columns_is_in_the_reference() -> None:
    keys = {key for known in DETECT.values() for key in known} | set(DETECT)
    keys |= {"for", "expect", "column", "truth", "with", "kind", "min", "max", "values", "fallback"}
    keys |= {"name", "start", "tick", "model", "events", "at", "incidents", "notices", "state", "segment", "reason"}
    assert keys - named(RULES) == set()


def test_every_detector_is_there_with_its_parameters_defaults_and_ranges() -> None:
    told = {row[0]: row[1] for row in table_rows(RULES) if len(row) == 2}
    for kind, methods in METHODS.items():
        for method, table in methods.items() if "own" not in methods else ():
            general = told["all of `shift` and `harm`"] if kind in ("shift", "harm") else told[f"all of `{kind}`"]
            for name, parameter in table.items():
                assert cell(name, parameter) in told[f"`{method}`"] + general, (kind, method, name)


def cell(name: str, p: Parameter) -> str:
    return f"`{name}` {p.default:g} ({p.low:g} to {p.high:g})"


def test_every_detector_has_its_cost_and_caution() -> None:
    costs = {row[0]: row for row in table_rows(RULES) if len(row) == 4}
    for kind, methods in METHODS.items():
        for method in methods if "own" not in methods else ():
            assert kind in costs[f"`{method}`"][1], (kind, method)


def test_every_action_of_the_log_is_explained() -> None:
    told = {row[0].strip("`") for row in table_rows(section(OPERATIONS, "The log")) if len(row) == 3}
    files = [path for path in (ROOT / "monitor").rglob("*.py") if path.parent.name != "client"]
    written = {name for path in files for name in re.findall(r'\baction="(\w+)"', path.read_text())}
    assert written - told == set()
    assert told - written - {"incident_open", "action", "---"} == set()


def test_every_metric_is_in_the_table_with_its_meaning() -> None:
    told = {row[0].strip("`"): row[1] for row in table_rows(section(OPERATIONS, "Health and metrics")) if len(row) == 2}
    totals = {"audit_records": 1, "refused": 0, "received": 1}
    front = FrontMetrics(lambda: totals).exposition("")[0].decode()
    found = dict(re.findall(r"# HELP (\S+) (.*)", front + EngineMetrics(["x"]).exposition().decode()))
    ours = {name: meaning for name, meaning in found.items() if "process_" not in name}
    assert {name: told.get(name) for name in ours} == ours


def test_every_command_is_in_the_table_with_its_help() -> None:
    told = [row for row in table_rows(section(OPERATIONS, "The command line")) if row[0].startswith("`overloop ")]
    assert told == [[f"`overloop {name}`", help_] for name, help_ in commands()]


def commands() -> list[tuple[str, str]]:
    root = get_group(app)
    found = []
    with root.make_context("overloop", ["demo"]) as context:
        for name in [*(n for n in root.commands if n not in NOUNS), *NOUNS]:
            command = root.get_command(context, name)
            assert command is not None
            below = list(command.commands.values()) if isinstance(command, TyperGroup) else [command]
            for one in below:
                full = name if one is command else f"{name} {one.name}"
                found.append((full, " ".join((one.help or "").strip().split("\n\n")[0].split())))
    return found


def test_every_exit_code_is_in_the_table() -> None:
    rows = table_rows(section(OPERATIONS, "The command line"))
    assert [int(row[0]) for row in rows if row[0].isdigit()] == [int(code) for code in Exit]


def test_what_each_role_may_do_is_what_the_desk_allows() -> None:
    told = {row[0]: row[1] for row in table_rows(section(CONCEPTS, "People and roles"))}
    for action, role in NEEDED.items():
        assert action in told[role], action


def test_every_reason_of_a_message_is_explained() -> None:
    told = named(section(CONCEPTS, "Notices")) | {
        word for row in table_rows(section(CONCEPTS, "Notices")) for word in re.split(r"[,\s]+", row[0])
    }
    assert set(Reason.__args__) - told - {"test", "escalated"} == set()  # nobody escalates yet


def test_documents_name_no_place_or_tool_of_their_writers() -> None:
    for file in [*Path(ROOT / "docs").glob("*.md"), ROOT / "README.md"]:
        assert not re.search(r"/work/|/tmp/|/root/", file.read_text()), file.name
