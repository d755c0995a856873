"""Test files of packs: scripted events, the same on every run, and what is expected of the rules."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import pytest

from monitor.core.rules.diagnose import Diagnostic
from monitor.core.rules.model import Pack, Rule, Windowed
from monitor.core.rules.mutants import mutants
from monitor.core.rules.parse import parse_pack
from monitor.core.rules.parse_tests import parse_tests
from monitor.core.rules.testfile import Expectation, ExpectedIncident, ExpectedNotice, PackTest, expand
from monitor.formats.yaml_nodes import load

ReadRule = Callable[..., Rule]
PACK = """\
pack: p
models: ["m-*"]
rules:
- alert: Low
  severity: low
  absent: {for: 10m}
"""
WHOLE = """\
pack: p
tests:
- name: one
  start: 2026-01-05T10:00:00+02:00
  tick: 30s
  model: m-1
  events:
  - {from: 10s, every: 500ms, count: 3, version: "7", late: 5s, inputs: {a: 1, b.c: x}, output: {l: ok}}
  - {model: m-2, count: 2, truth_after: 1m, output: {l: [a, b]}, truth: {l: b}, context: {ms: "5"}}
  expect:
  - {at: 20m, incidents: [{rule: Low}, {rule: p/Low, model: m-2, state: recovered, segment: s, severity: low,
    stage: live}]}
  - {at: 5m, incidents: [], notices: [{rule: Low, reason: opened}]}
"""


@pytest.fixture(scope="module")
def pack() -> Pack:
    document, _ = load(PACK, "p/pack.yaml")
    assert document is not None
    found, _ = parse_pack(document)
    assert found is not None
    return found


def read(text: str, pack: Pack) -> tuple[tuple[PackTest, ...], list[Diagnostic]]:
    document, found = load(text, "p/tests.yaml")
    assert document is not None, found
    return parse_tests(document, pack)


def values(pack: Pack, written: str, count: int) -> list[object]:
    """What a column holds over some events; None where it is missing."""
    text = f"pack: p\ntests:\n- name: t\n  model: m\n  events:\n  - {{count: {count}, inputs: {{x: {written}}}}}\n"
    tests, found = read(text + "  expect: [{at: 1s, incidents: []}]\n", pack)
    assert not found
    return [record.body["inputs"].get("x") for record in expand(tests[0])]


def test_a_test_says_what_its_text_says(pack: Pack) -> None:
    (test,), found = read(WHOLE, pack)
    assert not found
    assert (test.name, test.start, test.tick, test.end) == ("one", 1767600000.0, 30.0, 1767600000.0 + 1200)
    assert test.expect == (
        Expectation(300.0, (), (ExpectedNotice("p/Low", "m-1", "opened"),), 13),
        Expectation(
            1200.0,
            (
                ExpectedIncident("p/Low", "m-1"),
                ExpectedIncident("p/Low", "m-2", "recovered", "s", "low", "live"),
            ),
            None,
            11,
        ),
    )


def test_events_are_posted_as_a_producer_would(pack: Pack) -> None:
    (test,), _ = read(WHOLE, pack)
    records = expand(test)
    assert [(r.at - test.start, r.kind) for r in records] == [
        (0.0, "events"),
        (1.0, "events"),
        (10.0, "events"),
        (10.5, "events"),
        (11.0, "events"),
        (60.0, "truth"),
        (61.0, "truth"),
    ]
    assert records[3].body == {
        "id": "0-1",
        "model": "m-1",
        "version": "7",
        "at": "2026-01-05T08:00:05.500000Z",
        "inputs": {"a": 1, "b.c": "x"},
        "output": {"l": "ok"},
    }
    assert records[1].body["output"] == {"l": "b"}
    assert records[1].body["context"] == {"ms": "5"}
    assert "truth" not in records[1].body
    assert records[6].body == {"id": "1-1", "model": "m-2", "truth": {"l": "b"}}


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("5", [5, 5, 5, 5]),
        ("'5'", ["5", "5", "5", "5"]),
        ("_", [None, None, None, None]),
        ("[1, _, true]", [1, None, True, 1]),
        ("{line: [0, 3]}", [0, 1, 2, 3]),
        ("{steps: 1x2 0.5}", [1, 1, 0.5, 0.5]),
        ("{steps: 10-2x3 _}", [10, 8, 6, None]),
        ("{steps: _ maxx2 -1}", [None, "max", "max", -1]),
        ("{each: 'u{n}'}", ["u0", "u1", "u2", "u3"]),
    ],
)
def test_values_are_written_compactly(written: str, expected: list[object], pack: Pack) -> None:
    assert values(pack, written, 4) == expected


def test_a_mix_has_its_shares_and_noise_its_spread(pack: Pack) -> None:
    counts = Counter(values(pack, "{mix: {a: 90%, b: 10%}}", 1_000))
    assert counts["a"] == pytest.approx(900, abs=3)
    noise = [float(str(value)) for value in values(pack, "{noise: [50, 10]}", 2_000)]
    mean = sum(noise) / len(noise)
    assert mean == pytest.approx(50, abs=0.8)
    assert (sum((x - mean) ** 2 for x in noise) / len(noise)) ** 0.5 == pytest.approx(10, abs=0.6)
    assert noise == values(pack, "{noise: [50, 10]}", 2_000)


@pytest.mark.parametrize(
    ("old", "new", "message", "fix"),
    [
        ("pack: p", "pack: q", "for `q`, not `p`", "Correct"),
        ("rule: Low}", "rule: Lwo}", "no rule `Lwo`", "`Low`"),
        ("state: recovered", "state: recoverd", "no state", "`recovered`"),
        ("reason: opened", "reason: opend", "no reason", "`opened`"),
        ("+02:00", "", "no time with a zone", "Z"),
        ("2026-01-05T10", "someday", "no time with a zone", "Z"),
        ("tick: 30s", "tick: 30", "has no unit", "30s"),
        ("count: 3", "count: 0", "at least 1", "at least 1"),
        ("count: 3", "count: 200000", "at most 200,000 events", "lower"),
        ("every: 500ms", "evry: 500ms", "no key of an item of `events`", "`every`"),
        ("model: m-1", "# none", "There is no model here", "Add `model:`"),
        ("a: 1", "a: {nois: [1, 2]}", "none that a test can make", "noise"),
        ("a: 1", "a: {noise: [1]}", "takes two numbers", "[40, 3]"),
        ("a: 1", "a: {mix: {x: 50%, y: 60%}}", "do not add up", "Correct"),
        ("a: 1", "a: []", "must be plain values", "noise"),
        ("inputs: {a: 1, b.c: x}", "inputs: [a]", "must be a mapping", "inputs:"),
        ("incidents: [], notices: [{rule: Low, reason: opened}]", "", "Nothing is expected", "incidents: []"),
    ],
)
def test_mistakes_in_a_test_file_are_told(old: str, new: str, message: str, fix: str, pack: Pack) -> None:
    assert old in WHOLE
    tests, found = read(WHOLE.replace(old, new, 1), pack)
    assert tests == ()
    assert message in found[0].message
    assert fix in found[0].fix


def test_mutants_are_wrong_in_one_respect_each(rule: ReadRule) -> None:
    head = "- alert: X\n  severity: low\n  "
    share = rule(head + "share: {of: output.c < 0.6 and output.l == 'a', above: 5%, clear_below: 3%, over: 10m}\n")
    forms = dict(mutants(share))
    assert list(forms) == [
        "above doubled",
        "above halved",
        "above reversed",
        "over doubled",
        "over halved",
        "`output.c < 0.6` reversed",
        "`output.l == 'a'` reversed",
    ]
    form = share.form
    assert isinstance(form, Windowed)
    assert forms["above doubled"].form == replace(form, above=0.1, clear=0.06)
    assert forms["above reversed"].form == replace(form, above=None, below=0.05, clear=0.05)
    assert forms["over halved"].form == replace(form, over=300.0)
    assert forms["`output.l == 'a'` reversed"].form.of == "output.c < 0.6 and output.l != 'a'"  # type: ignore[union-attr]
    silent = mutants(rule(head + "absent: {for: 10m}\n"))
    assert [m.form.seconds for _, m in silent] == [1200.0, 300.0]  # type: ignore[union-attr]
    harm = mutants(rule(head + "detect: {harm: (output.l) != truth.l}\n"))
    assert [m.form.of for _, m in harm] == ["(output.l) == truth.l"]  # type: ignore[union-attr]
    assert mutants(rule(head + "detect: {estimated_errors: output.c, wrong: output.l != truth.l}\n")) == []
    assert not mutants(rule(head + "detect: {shift: inputs.*}\n"))
