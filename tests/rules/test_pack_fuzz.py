"""Rule files from nowhere: diagnostics, never a traceback; and what parses compiles."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.core.rules.aggregates import parse_aggregate
from monitor.core.rules.check import check_book
from monitor.core.rules.compile import Source, make_book
from monitor.core.rules.defaults import texts_of
from monitor.core.rules.diagnose import render
from monitor.core.rules.expressions import compile_condition
from monitor.core.rules.footprint import footprint
from monitor.core.rules.model import Pack, Windowed
from monitor.core.rules.mutants import mutants
from monitor.core.rules.parse import parse_pack
from monitor.core.rules.parse_tests import parse_tests
from monitor.core.rules.testfile import expand
from monitor.formats.yaml_nodes import load

WORDS = (
    "pack models owner halt fallback params columns rules alert severity for keep_firing_for labels "
    "annotations summary meaning action runbook_url stage no_data gate resolve reference on_version incident "
    "detect share count measure parity compare absent of above below clear_above clear_below over by "
    "min_events with budget tolerance checks shift anomaly outlier harm quality expect column truth high low "
    "critical live shadow review halt none adwin delta 5% 0.05 10m 1h 90d $x x p99(context.ms) rate() "
    "mean(output.s) inputs.* inputs.a output.s output.s<0.5 truth.l previous_version missing true false off 1 "
    "-1 1e400 > | * & ! https://x.y rolling 28d ~ _ 'a' "
)
words = st.sampled_from(WORDS.split())
nodes = st.recursive(
    st.one_of(words, st.text(max_size=8)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(words, inner, max_size=5)),
    max_leaves=25,
)

GOOD = """\
pack: p
models: ["m-*"]
halt: {fallback: "a person decides"}
params: {x: 5%, y: 800}
rules:
- alert: A
  severity: critical
  gate: review
  annotations: {meaning: "It means.", action: "Do."}
  share: {of: output.c < 0.6, above: $x, clear_below: 3%, over: 15m, by: [inputs.g], min_events: 20}
- alert: B
  severity: low
  detect: {shift: "inputs.*", with: adwin, delta: 0.01}
- alert: C
  severity: high
  measure: {of: p99(context.ms), above: $y, over: 10m}
  for: 5m
- alert: D
  severity: high
  compare: {of: mean(output.s), with: previous_period, below: 10%, over: 1h}
- alert: E
  severity: medium
  absent: {for: 10m, expect: [m-1]}
- alert: F
  severity: medium
  detect: {harm: output.l != truth.l}
"""
TESTS = """\
pack: p
tests:
- name: one
  model: m-1
  tick: 30s
  events:
  - {from: 1s, every: 10s, count: 5, inputs: {a: {noise: [1, 2]}, b: [1, _]}, output: {c: {mix: {x: 50%, y: 50%}}}}
  - {count: 3, output: {s: {line: [0, 1]}, t: {steps: "1x2 0+1x3 _"}}, truth: {l: {each: "n{n}"}}, truth_after: 5s}
  expect:
  - {at: 5m, incidents: [{rule: A, state: open}], notices: []}
"""


def judge(text: str) -> None:
    """Everything that can be done with a rule file, to the end."""
    document, found = load(text, "p/pack.yaml")
    if document is not None:
        pack, found = parse_pack(document)
        assert (pack is None) == any(d.severity == "error" for d in found)
        book, found = make_book(Source({"p/pack.yaml": text}), [document])
        if book is not None:
            found = [*found, *check_book(book, [document], {"m-1": frozenset({"inputs.a"})})]
            use(book.packs[0])
    for diagnostic in found:
        assert 1 <= diagnostic.column <= len(diagnostic.source) + 1 or not diagnostic.source
        assert diagnostic.message[0].isupper() or not diagnostic.message[0].isalpha()
        assert render(diagnostic)


def use(pack: Pack) -> None:
    for rule in pack.rules:
        assert texts_of(rule).action
        assert str(footprint(rule))
        mutants(rule)
        if isinstance(rule.form, Windowed):
            (parse_aggregate if rule.form.kind in ("measure", "compare") else compile_condition)(rule.form.of)


def test_the_good_pack_is_good() -> None:
    document, _ = load(GOOD, "p/pack.yaml")
    assert document is not None
    pack, found = parse_pack(document)
    assert not found
    assert pack is not None
    judge(GOOD)
    tests, problems = parse_tests(load(TESTS, "p/tests.yaml")[0], pack)  # type: ignore[arg-type]
    assert not problems
    assert len(expand(tests[0])) == 5 + 3 + 3


def flow(node: object) -> str:
    if isinstance(node, list):
        return "[" + ", ".join(map(flow, node)) + "]"
    if isinstance(node, dict):
        return "{" + ", ".join(f"{key}: {flow(value)}" for key, value in node.items()) + "}"
    return str(node)


@settings(max_examples=250, deadline=None)
@given(nodes)
def test_a_file_of_the_right_words_in_the_wrong_places_is_only_told_about(node: object) -> None:
    judge(flow(node))


@settings(max_examples=250, deadline=None)
@given(nodes, words)
def test_a_rule_with_anything_in_it_is_only_told_about(node: object, key: str) -> None:
    judge(f"pack: p\nmodels: [m-1]\nrules:\n- alert: X\n  severity: low\n  {key}: {flow(node)}\n")


def spoiled(text: str, seed: int) -> str:
    """A text with a few letters, words or lines lost, doubled or exchanged."""
    draw = random.Random(seed)
    for _ in range(draw.randint(1, 3)):
        at = draw.randrange(len(text))
        end = min(len(text), at + draw.randint(1, 12))
        text = (
            text[:at] + draw.choice(["", text[at:end] * 2, *WORDS.split(), "\t", "{", "]", ":", "\n", "'"]) + text[end:]
        )
    return text


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 10**9))
def test_a_good_pack_spoiled_is_only_told_about(seed: int) -> None:
    judge(spoiled(GOOD, seed))


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 10**9))
def test_a_good_test_file_spoiled_is_only_told_about(seed: int) -> None:
    pack = parse_pack(load(GOOD, "p/pack.yaml")[0])[0]  # type: ignore[arg-type]
    assert pack is not None
    document, found = load(spoiled(TESTS, seed), "p/tests.yaml")
    if document is None:
        return
    tests, found = parse_tests(document, pack)
    assert bool(tests) != any(d.severity == "error" for d in found) or not found
    for test in tests:
        if sum(script.count for script in test.scripts) < 2_000:
            expand(test)
    for diagnostic in found:
        assert render(diagnostic)
