"""Rules that parse and yet cannot do what their writer wants; what rules cost; what they say."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from monitor.core.detectors import quality, stream_watcher, vector_watcher
from monitor.core.detectors.budget import watcher as budgeted
from monitor.core.rules.check import check_book
from monitor.core.rules.defaults import texts_of
from monitor.core.rules.diagnose import Diagnostic, render
from monitor.core.rules.evaluate import window_watcher
from monitor.core.rules.footprint import footprint, size
from monitor.core.rules.intervals import can_hold
from monitor.core.rules.model import Book, Rule
from monitor.core.rules.wording import sentence
from monitor.formats.yaml_nodes import load

HEAD = 'pack: p\nmodels: ["m-*"]\nhalt: {fallback: "a person decides"}\nrules:\n- alert: X\n'
WORDS = 'annotations: {meaning: "It means.", action: "Do.", runbook_url: "https://x.y"}'
MakeBook = Callable[..., tuple[Book | None, list[Diagnostic]]]
ReadRule = Callable[..., Rule]


def remarks(book: MakeBook, body: str, known: Any = None) -> list[tuple[str, str]]:
    text = HEAD + "".join(f"  {line}\n" for line in ["severity: low", *body.splitlines()] if line)
    made, found = book({"p/pack.yaml": text})
    assert made is not None, found
    document, _ = load(text, "p/pack.yaml")
    assert document is not None
    found = check_book(made, [document], known)
    for diagnostic in found:
        assert diagnostic.fix
        assert render(diagnostic).startswith(f"p/pack.yaml:{diagnostic.line}:")
    return [(d.severity, d.message) for d in found]


@pytest.mark.parametrize(
    ("body", "severity", "message"),
    [
        ("share: {of: output.c < 1, above: 100%, over: 1m, min_events: 9}", "error", "never above 100%"),
        ("share: {of: output.c < 1, below: 0%, over: 1m, min_events: 9}", "error", "never below 0%"),
        ("count: {of: output.c < 1, below: 0, over: 1m}", "error", "never below 0"),
        ("count: {of: len(output.c) < 0, above: 3, over: 1m}", "error", "`len(output.c) < 0` is never true"),
        ("share: {of: hour(at) > 23, above: 3%, over: 1m, min_events: 9}", "error", "is never true"),
        ("share: {of: not (1 < 2) or 5 == 6, above: 3%, over: 1m, min_events: 9}", "error", "is never true"),
        ("share: {of: abs(output.c) >= 0, below: 3%, over: 1m, min_events: 9}", "warning", "true of every event"),
        ("measure: {of: rate(), below: 0, over: 1m}", "error", "never below 0"),
        ("measure: {of: share(output.c < 1), above: 100%, over: 1m}", "error", "never above 100%"),
        ("measure: {of: p99(abs(output.c)), below: -1, over: 1m}", "error", "never below 0"),
        ("measure: {of: max(hour(at) - 1), above: 22, over: 1m}", "error", "never above 22"),
        ("measure: {of: sum(weekday(at)), below: 0, over: 1m}", "error", "never below 0"),
        ("parity: {of: output.c < 1, by: inputs.g, below: 0, over: 1d, min_events: 9}", "error", "never below 0"),
        ("compare: {of: rate(), with: previous_period, below: -100%, over: 1h, min_events: 9}", "error", "below -100%"),
        ("count: {of: output.c < 1, above: 3, over: 1m}\nfor: 5m", "warning", "longer than `over`"),
        ("share: {of: output.c < 1, above: 3%, over: 1m}", "warning", "a single event can trip it"),
        ("absent: {for: 5s}", "warning", "looked for every 15 seconds"),
        ("absent: {for: 5m, expect: [x]}", "error", "`expect` names x"),
        ("detect: {shift: inputs.*}\nfor: 5m", "warning", "`for` does nothing"),
        ("detect: {harm: len(output.c) < 0}", "error", "is never true"),
        ("detect: {shift: inputs.*}\nincident: per_segment", "warning", "has no segments"),
        ("absent: {for: 5m}\ngate: review\nannotations: {meaning: m, action: a}", "warning", "has no runbook"),
        (f"absent: {{for: 5m}}\ngate: review\nstage: shadow\n{WORDS}", "warning", "gates nothing"),
    ],
)
def test_what_cannot_work_is_told(body: str, severity: str, message: str, book: MakeBook) -> None:
    found = remarks(book, body)
    assert len(found) == 1, found
    assert found[0][0] == severity
    assert message in found[0][1]


@pytest.mark.parametrize(
    "body",
    [
        "share: {of: output.c < 1, above: 99%, over: 1m, min_events: 9}",
        "count: {of: output.c < 1 and hour(at) == 23, above: 0, over: 1m}\nfor: 1m",
        "measure: {of: mean(output.c), below: -5, over: 1m}",
        "measure: {of: max(hour(at) - 1), above: 21, over: 1m}",
        "compare: {of: mean(output.c), with: previous_period, below: -100%, over: 1h, min_events: 9}",
        "parity: {of: output.c < 1, by: inputs.g, above: 1.1, over: 1d, min_events: 9}",
        "absent: {for: 15s, expect: [m-1]}",
        "detect: {shift: inputs.*, by: [inputs.g]}\nincident: per_segment",
        f"absent: {{for: 5m}}\ngate: review\n{WORDS}",
    ],
)
def test_what_can_work_is_left_in_peace(body: str, book: MakeBook) -> None:
    assert not remarks(book, body)


@pytest.mark.parametrize(
    ("source", "yes", "no"),
    [
        ("output.c < 1", True, True),
        ("1 < output.c < 0", True, True),  # two comparisons, each possible
        ("weekday(at) in (5, 6)", True, True),
        ("hour(at) < 24", True, False),
        ("hour(at) != 24", True, False),
        ("len(output.c) == -1 and output.c > 1", False, True),
        ("len(output.c) == -1 or output.c > 1", True, True),
        ("-abs(output.c) > 0", False, True),
        ("true", True, False),
        ("output.c is missing", True, True),
    ],
)
def test_what_a_condition_can_be_follows_from_its_numbers(source: str, yes: bool, no: bool) -> None:
    assert (can_hold(source), can_hold(source, wanted=False)) == (yes, no)


def test_columns_and_models_that_nobody_has_seen_are_told(book: MakeBook) -> None:
    known = {"m-1": frozenset({"inputs.amount", "output.score"}), "x": frozenset({"inputs.age"})}
    body = "measure: {of: mean(inputs.amuont), above: 5, over: 1m, by: [output.score]}"
    ((_, message),) = remarks(book, body, known)
    assert "a column `inputs.amuont` so far" in message
    assert not remarks(book, "detect: {shift: inputs.*}", known)
    assert len(remarks(book, "detect: {shift: context.*}", known)) == 1
    assert len(remarks(book, "absent: {for: 5m, column: inputs.age}", known)) == 1
    assert not remarks(book, "detect: {harm: output.score != truth.label}", known)
    ((_, message),) = remarks(book, "detect: {shift: inputs.*}", {"x": frozenset()})
    assert "no such model has been seen" in message


def test_a_name_that_two_packs_use_is_told(book: MakeBook) -> None:
    rule = "models: [m]\nrules:\n- alert: Silent\n  severity: low\n  absent: {for: 5m}\n"
    made, _ = book({"a": "pack: a\n" + rule, "b": "pack: b\n" + rule})
    assert made is not None
    assert [d.file for d in check_book(made)] == ["b"]


WINDOWS = [
    "share: {of: output.c < 1, above: 3%, over: 60m}",
    "count: {of: output.c < 1, above: 3, over: 60m}",
    "measure: {of: p99(output.c), above: 3, over: 60m}",
    "measure: {of: distinct(output.c), above: 3, over: 60m}",
    "measure: {of: mean(output.c), above: 3, over: 60m}",
    "measure: {of: max(output.c), above: 3, over: 60m}",
    "measure: {of: rate(), above: 3, over: 60m}",
    "parity: {of: output.c < 1, by: inputs.g, below: 0.8, over: 60m}",
    "compare: {of: p99(output.c), with: previous_period, above: 3%, over: 60m}",
    "compare: {of: mean(output.c), with: previous_version, above: 3%, over: 60m}",
]


@pytest.mark.parametrize("body", WINDOWS)
def test_the_estimate_of_memory_is_near_what_a_full_window_takes(body: str, rule: ReadRule, batch: Any) -> None:
    found = rule(f"- alert: X\n  severity: low\n  {body}\n")
    watcher = window_watcher(found, "m-1")
    values = np.exp(np.linspace(-8.0, 8.0, 4_000)).tolist()
    for start in range(0, 7_200, 120):
        rows = batch([{"output.c": value, "inputs.g": "a"} for value in values[start % 4_000 :: 7]])
        rows.versions = [str(start // 3_600)] * rows.n
        watcher.observe(rows, np.full(rows.n, float(start)))
    estimate = footprint(found)
    assert 0.3 * estimate.each < watcher.memory() < 1.5 * estimate.each + 4_000
    windows = 2 if "compare" in body else 1
    assert estimate.each <= 24_000 * windows  # the bound of the plan, for each window


def test_the_estimate_says_how_much_and_how_much_at_most(rule: ReadRule) -> None:
    split = footprint(
        rule("- alert: X\n  severity: low\n  share: {of: output.c < 1, above: 3%, over: 1m, by: inputs.g}\n")
    )
    assert split.most == 1001
    assert str(split) == f"{size(split.each)} a segment, at most {size(split.total)} a model (1,001 of them)"
    trees = footprint(rule("- alert: X\n  severity: low\n  detect: {anomaly: inputs.*, with: half_space_trees}\n"))
    assert trees.each > 140_000
    assert str(footprint(rule("- alert: X\n  severity: low\n  absent: {for: 1m}\n"))) == "208 bytes a model"


def test_the_most_that_a_rule_takes_is_what_its_detector_has_room_for(rule: ReadRule) -> None:
    def most(detect: str) -> int:
        return footprint(rule(f"- alert: X\n  severity: low\n  detect: {detect}\n")).most

    assert most("{shift: [inputs.a, inputs.b]}") == 2 * 4
    assert most("{shift: inputs.*}") == most("{shift: inputs.a, by: inputs.g}") == budgeted.CAP
    assert (
        most("{shift: inputs.*, budget: none}")
        == most("{harm: truth.a > 1, by: inputs.g, budget: none}")
        == stream_watcher.CAP
    )
    assert most("{anomaly: inputs.*, by: inputs.g}") == vector_watcher.CAP
    assert most("{quality: inputs.*, checks: [missing, constant]}") == quality.CAP // 2


SPOKEN = [
    (WINDOWS[0], "Trips when the share of events with `output.c < 1` is above 3% over 1 hour."),
    ("absent: {for: 10m, expect: [m-1]}", "Trips when no event of a model has come for 10 minutes (also of m-1 if"),
    ("absent: {for: 1d, truth: true}", "Trips when no label of a model has come for 1 day."),
    (
        "count: {of: inputs.a < 0, below: 3, clear_above: 5, over: 90s, by: [inputs.g]}\n  for: 5m",
        "below 3 over 1 minute 30 seconds, clearing only at 5, for each value of inputs.g by itself, and this has held",
    ),
    (WINDOWS[7], "Trips when the smallest divided by the largest rate of `output.c < 1` is below 0.8"),
    (WINDOWS[8], "Trips when the change of `p99(output.c)` against the same span before is above 3%"),
    ("detect: {shift: [inputs.a, inputs.b]}", "Trips when the distribution of inputs.a and inputs.b moves away"),
    (
        "detect: {estimated_errors: output.c}",
        "more answers are expected to be wrong, by output.c, than in its reference.",
    ),
    ("detect: {harm: output.l != truth.l, with: ddm}", "becomes true more often than in its reference, found by ddm."),
    ("detect: {anomaly: inputs.*}", "events are unlike those of the reference in inputs.* more often"),
    ("detect: {outlier: inputs.*}", "a single event lies far outside the reference in inputs.*"),
    ("detect: {quality: inputs.*, checks: [missing, type_change]}", "have a defect (missing or type change)."),
]


@pytest.mark.parametrize(("body", "words"), SPOKEN)
def test_every_form_says_what_it_watches_and_brings_words_of_its_own(body: str, words: str, rule: ReadRule) -> None:
    found = rule(f"- alert: X\n  severity: high\n  {body}\n")
    assert words in sentence(found)
    texts = texts_of(found)
    assert texts.own == ()
    assert texts.action.endswith("Look at it within the hour.")
    for text in (texts.summary, texts.meaning, texts.action):
        assert text[0].isupper()
        assert text.endswith(".")


def test_reading_and_checking_rules_does_not_import_river() -> None:
    modules = "check, compile, defaults, footprint, mutants, parse_tests"
    code = f"import sys; from monitor.core.rules import {modules}; sys.exit('river' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_words_of_a_rule_stand_above_those_of_its_form(rule: ReadRule) -> None:
    texts = texts_of(rule("- alert: X\n  severity: low\n  absent: {for: 1m}\n  annotations: {action: Call Ada.}\n"))
    assert (texts.action, texts.own) == ("Call Ada.", ("action",))
    assert texts.meaning.startswith("While nothing comes")
