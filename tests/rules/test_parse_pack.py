"""Packs: every form of the rule language, and every way to get it wrong, with its place and its fix."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from monitor.core.detectors.methods import CHECKS
from monitor.core.rules.diagnose import Diagnostic
from monitor.core.rules.model import Absent, ColumnSetting, Detect, Rule, Windowed
from monitor.core.rules.parse import parse_pack
from monitor.formats.yaml_nodes import load

Told = Callable[[str], list[Diagnostic]]
ReadRule = Callable[..., Rule]

WHOLE = """\
pack: card-fraud
models: ["fraud-*", scoring]
owner: risk-oncall
halt: {fallback: "rule baseline and step-up authentication"}
params: {p99_ms: 800, low: 60%, word: approve, strict: true}
columns:
  output.score: {kind: number, min: 0, max: 1}
  inputs.card: {kind: secret}
  inputs.country: {values: [de, fr, "no"]}
rules:
- alert: Everything
  share: {of: output.confidence < $low and output.label == $word, above: 5%, clear_below: 3%, over: 15m,
    by: [context.channel, inputs.country], min_events: 200}
  severity: critical
  for: 5m
  keep_firing_for: 10m
  labels: {team: risk, page: "yes"}
  annotations: {summary: "Beyond $p99_ms, for $5.", meaning: "It means something.", action: "Do something.",
    runbook_url: "https://wiki.example.org/x"}
  stage: shadow
  no_data: alert
  gate: review
  resolve: person
  on_version: refit
  incident: per_segment
"""


def test_a_pack_says_what_its_text_says() -> None:
    document, found = load(WHOLE, "card-fraud/pack.yaml")
    assert document is not None
    pack, found = parse_pack(document)
    assert not found
    assert pack is not None
    assert (pack.name, pack.models, pack.owner) == ("card-fraud", ("fraud-*", "scoring"), "risk-oncall")
    assert pack.fallback == "rule baseline and step-up authentication"
    assert pack.params == {"p99_ms": 800, "low": "60%", "word": "approve", "strict": True}
    assert pack.columns == {
        "output.score": ColumnSetting("number", 0.0, 1.0),
        "inputs.card": ColumnSetting("secret"),
        "inputs.country": ColumnSetting(values=("de", "fr", "no")),
    }
    (rule,) = pack.rules
    assert rule.form == Windowed(
        "share",
        "output.confidence < 0.6 and output.label == 'approve'",
        900.0,
        above=0.05,
        clear=0.03,
        by=("context.channel", "inputs.country"),
        min_events=200,
    )
    assert (rule.severity, rule.for_, rule.keep_firing_for) == ("critical", 300.0, 600.0)
    assert rule.labels == {"team": "risk", "page": "yes"}
    assert rule.annotations["summary"] == "Beyond 800, for $5."
    assert (rule.stage, rule.no_data, rule.gate, rule.resolve) == ("shadow", "alert", "review", "person")
    assert (rule.on_version, rule.per_segment, rule.key) == ("refit", True, "card-fraud/Everything")
    assert (rule.position.file, rule.position.line, rule.position.column) == ("card-fraud/pack.yaml", 11, 3)


def test_overrides_replace_params_and_unknown_ones_are_left_alone() -> None:
    document, _ = load(WHOLE, "f")
    assert document is not None
    pack, _ = parse_pack(document, {"low": 0.3, "nothing": 1})
    assert pack is not None
    assert isinstance(pack.rules[0].form, Windowed)
    assert pack.rules[0].form.of.startswith("output.confidence < 0.3 and")
    assert pack.params["low"] == 0.3
    assert "nothing" not in pack.params


HALF_SPACE = Detect("anomaly", ("inputs.*",), None, (), "half_space_trees", {"n_trees": 5, "height": 4})
FORMS = [
    ('detect: {shift: "inputs.*"}', Detect("shift", ("inputs.*",))),
    (
        "detect: {shift: [output.score, inputs.a], by: [context.channel], tolerance: 5%}",
        Detect("shift", ("output.score", "inputs.a"), None, ("context.channel",), tolerance=0.05),
    ),
    (
        "detect: {shift: output.score, with: adwin, delta: 0.0001, clock: 1, budget: none}",
        Detect("shift", ("output.score",), method="adwin", parameters={"delta": 0.0001, "clock": 1}, budget=False),
    ),
    ("detect: {shift: output.score, budget: model}", Detect("shift", ("output.score",))),
    ("detect: {anomaly: inputs.*, with: half_space_trees, n_trees: 5, height: 4}", HALF_SPACE),
    ("detect: {outlier: inputs.amount}", Detect("outlier", ("inputs.amount",))),
    ("detect: {harm: output.label != truth.label}", Detect("harm", (), "output.label != truth.label")),
    ("detect: {estimated_errors: output.confidence}", Detect("estimated_errors", ("output.confidence",))),
    (
        "detect: {estimated_errors: output.confidence, wrong: output.l != truth.l, by: inputs.g, tolerance: 2%}",
        Detect("estimated_errors", ("output.confidence",), "output.l != truth.l", by=("inputs.g",), tolerance=0.02),
    ),
    (
        "detect: {harm: output.label != truth.label, with: ddm, warm_start: 50}",
        Detect("harm", (), "output.label != truth.label", method="ddm", parameters={"warm_start": 50}),
    ),
    (
        "detect: {quality: inputs.*, checks: [missing, late]}",
        Detect("quality", ("inputs.*",), checks=("missing", "late")),
    ),
    ("detect: {quality: inputs.*}", Detect("quality", ("inputs.*",), checks=CHECKS)),
    (
        "count: {of: inputs.amount < 0, above: 3, over: 10m}",
        Windowed("count", "inputs.amount < 0", 600.0, 3.0, clear=3.0),
    ),
    (
        "count: {of: inputs.ok == true, below: 3, clear_above: 5, over: 1d}",
        Windowed("count", "inputs.ok == true", 86400.0, below=3.0, clear=5.0),
    ),
    (
        "measure: {of: p99(context.latency_ms), above: 800, over: 10m, min_events: 100}",
        Windowed("measure", "p99(context.latency_ms)", 600.0, 800.0, clear=800.0, min_events=100),
    ),
    (
        "measure: {of: share(output.score > 0.5), below: 5%, over: 10m}",
        Windowed("measure", "share(output.score > 0.5)", 600.0, below=0.05, clear=0.05),
    ),
    (
        "measure: {of: mean(inputs.t), below: -5.5, over: 10m}",
        Windowed("measure", "mean(inputs.t)", 600.0, below=-5.5, clear=-5.5),
    ),
    (
        "parity: {of: output.label == 'yes', by: [inputs.gender], below: 0.8, over: 7d, min_events: 30}",
        Windowed(
            "parity", "output.label == 'yes'", 604800.0, below=0.8, clear=0.8, by=("inputs.gender",), min_events=30
        ),
    ),
    (
        "parity: {of: output.label == 'yes', by: inputs.gender, above: 125%, over: 7d}",
        Windowed("parity", "output.label == 'yes'", 604800.0, above=1.25, clear=1.25, by=("inputs.gender",)),
    ),
    (
        "compare: {of: mean(output.score), with: previous_version, above: 10%, over: 1h, min_events: 500}",
        Windowed("compare", "mean(output.score)", 3600.0, 0.1, clear=0.1, min_events=500, against="previous_version"),
    ),
    (
        "compare: {of: rate(), with: previous_period, above: 250%, over: 1h}",
        Windowed("compare", "rate()", 3600.0, 2.5, clear=2.5, against="previous_period"),
    ),
    ("absent: {for: 10m}", Absent(600.0)),
    ("absent: {for: 10m, expect: [m-1, m-2]}", Absent(600.0, ("m-1", "m-2"))),
    ("absent: {for: 1d, truth: true}", Absent(86400.0, truth=True)),
    (
        "absent: {for: 1h, column: output.score, by: context.site}",
        Absent(3600.0, (), "output.score", ("context.site",)),
    ),
]


@pytest.mark.parametrize(("body", "form"), FORMS)
def test_each_form_is_read(body: str, form: object, rule: ReadRule) -> None:
    found = rule(f"- alert: X\n  severity: low\n  {body}\n")
    assert found.form == form
    learned = isinstance(form, Detect) and form.kind != "quality"
    assert found.resolve == ("person" if learned else "auto")
    assert found.latches == learned


@pytest.mark.parametrize("limit", ["10%", "-10%"])
def test_a_comparison_below_is_a_fall_with_or_without_the_minus(limit: str, rule: ReadRule) -> None:
    body = f"compare: {{of: rate(), with: previous_period, below: {limit}, clear_above: 3%, over: 1h}}"
    form = rule(f"- alert: X\n  severity: low\n  {body}\n").form
    assert isinstance(form, Windowed)
    assert (form.below, form.clear) == (-0.1, -0.03)


@pytest.mark.parametrize(
    ("text", "seconds"), [("frozen", None), ("rolling 28d", 28 * 86400.0), ("rolling  7d", 7 * 86400.0)]
)
def test_a_reference_is_frozen_or_rolls(text: str, seconds: float | None, rule: ReadRule) -> None:
    body = f"- alert: X\n  severity: low\n  detect: {{shift: inputs.*}}\n  reference: {text}\n"
    assert rule(body).reference == seconds


SHARE = "share: {of: output.c < 0.6, above: 5%, over: 15m}"
WRONG: list[tuple[str, str, str, str]] = [
    # body of a rule (without its name and severity), the word under the caret, message, fix
    ("share: {of: output.c < 0.6, above: 5%, over: 15m, clear: 3%}", "clear", "`clear` is no key of `share`", "clear_"),
    ("share: {of: output.c < 0.6, above: 5%}", "{of", "`share` needs the key `over`", "over: 15m"),
    ("share: {of: output.c < 0.6, over: 15m}", "{of", "`share` needs a limit", "above: 5%"),
    ("share: {of: output.c < 0.6, above: 5%, below: 1%, over: 15m}", "1%", "either `above` or `below`", "two rules"),
    ("share: {of: output.c < 0.6, above: '> 5%', over: 15m}", "'> 5%'", "comparison sign", "alone: 5%"),
    ("share: {of: output.c < 0.6, above: 5, over: 15m}", "5,", "no percent sign", "5%"),
    ("share: {of: output.c < 0.6, above: 500%, over: 15m}", "500%", "not a share", "5%"),
    ("share: {of: output.c < 0.6, above: , over: 15m}", "above", "`above` has no value", "above: 5%"),
    ("share: {of: output.c < 0.6, above: 5%, over: 15}", "15}", "has no unit", "15m"),
    ("share: {of: output.c < 0.6, above: 5%, over: 91d}", "91d", "must be from 1s to 90d", "90d"),
    (
        "share: {of: output.c < 0.6, above: 5%, over: 15m, clear_below: 6%}",
        "6%",
        "trip and clear at once",
        "quiet side",
    ),
    ("share: {of: output.c < 0.6, above: 5%, over: 15m, clear_above: 3%}", "3%", "does not go with", "clear_below"),
    ("share: {of: output.c < 0.6, above: 5%, over: 15m, min_events: 1.5}", "1.5", "whole number", "2"),
    ("share: {of: output.c < 0.6, above: 5%, over: 15m, min_events: 0}", "0}", "at least 1", "at least 1"),
    ("share: {of: output.c < 0.6, above: 5%, over: 15m, by: [a, inputs.b]}", "a,", "columns start with", "inputs.a"),
    ("share: {of: output.c < 0.6, above: 5%, over: 15m, by: [inputs.a, inputs.a]}", "inputs.a]", "twice", "Delete"),
    ("share: {of: output.c < 0.6, above: 5%, over: 15m, by: [inputs.*]}", "inputs.*", "is a pattern", "whole name"),
    (
        "share: {of: output.c < 0.6, above: 5%, over: 15m, by: [inputs.a, inputs.b, inputs.c, inputs.d]}",
        "[inputs.a",
        "at most 3",
        "fewer",
    ),
    ("share: {of: output.c <, above: 5%, over: 15m}", ", above", "not an expression", "up to here"),
    ("share: {of: output.c < 5%, above: 5%, over: 15m}", "5%,", "not an expression", "0.05 for 5%"),
    ("share: {of: [output.c], above: 5%, over: 15m}", "[output.c]", "must be an expression", "quotes"),
    ("share: > 5% of something", "> 5%", "", ""),
    ("share: 'of everything'", "'of", "`share` must be a mapping", "share: {of:"),
    ("count: {of: inputs.a < 0, above: -1, over: 10m}", "-1", "never negative", "0 or more"),
    ("measure: {of: p99(context.ms), above: 800ms, over: 10m}", "800ms", "is not a number", "800."),
    ("measure: {of: median(context.ms), above: 8, over: 10m}", "median", "no aggregate", "mean"),
    ("measure: {of: p99(latency), above: 8, over: 10m}", "latency", "columns start with", "inputs.latency"),
    ("parity: {of: output.l == 'a', below: 0.8, over: 7d}", "{of", "`parity` needs the key `by`", "by: ["),
    ("parity: {of: output.l == 'a', by: inputs.g, above: 0.8, over: 7d}", "0.8", "never below 1", "1.25"),
    ("compare: {of: rate(), above: 10%, over: 1h}", "{of", "`compare` needs the key `with`", "previous_version"),
    ("compare: {of: rate(), with: last_week, above: 10%, over: 1h}", "last_week", "no value of `with`", "previous_"),
    ("absent: {}", "{}", "needs the key `for`", "for: 10m"),
    ("absent: {for: 10m, expect: [m-*]}", "m-*", "not patterns", "whole name"),
    ("absent: {for: 10m, truth: yes}", "yes", "no value of `truth`", "true, false"),
    ("absent: {for: 10m, truth: true, column: output.a}", "output.a", "whole label feed", "Delete"),
    ("detect: {shft: inputs.*}", "shft", "nothing to detect", "`shift`"),
    ("detect: {with: adwin}", "{with", "does not say what", "shift:"),
    ("detect: {shift: inputs.*, anomaly: inputs.*}", "anomaly", "looks for one thing", "own"),
    ("detect: {shift: inputs.*, with: adwni}", "adwni", "no detector for shift", "`adwin`"),
    ("detect: {shift: inputs.*, with: ddm}", "ddm", "no detector for shift", "adwin"),
    ("detect: {shift: inputs.*, with: adwin, dleta: 1}", "dleta", "no setting of `adwin`", "`delta`"),
    ("detect: {shift: inputs.*, with: adwin, delta: 3}", "3}", "at most", "at most"),
    ("detect: {anomaly: inputs.*, with: half_space_trees, height: 15}", "15", "at most 10", "at most 10"),
    ("detect: {shift: inputs.*, checks: [missing]}", "checks", "no setting", "by"),
    ("detect: {quality: inputs.*, checks: [mising]}", "mising", "is no check", "`missing`"),
    ("detect: {quality: inputs.*, tolerance: 1%}", "tolerance", "no setting", "checks"),
    ("detect: {harm: output.l = truth.l}", "= truth", "not an expression", "=="),
    ("detect: {estimated_errors: output.*}", "output.*", "", "column"),
    ("detect: {estimated_errors: output.c, with: adwin}", "with", "is no setting of", "wrong"),
    ("detect: {shift: inputs.*, tolerance: 50%}", "{shift", "below 0.5", ""),
    ("detect: {shift: input.*}", "input.*", "columns start with", "inputs.*"),
    ("detect: [shift]", "[shift]", "must be a mapping", "shift:"),
    (f"{SHARE}\n  for: off", "off", "is not a duration", "15m"),
    (f"{SHARE}\n  stage: shadwo", "shadwo", "no value of `stage`", "`shadow`"),
    (f"{SHARE}\n  no_data: ok", "ok", "no value of `no_data`", "keep, alert"),
    (f"{SHARE}\n  labels: [a]", "[a]", "must be a mapping", "team"),
    (f"{SHARE}\n  labels: {{a-b: x}}", "a-b", "name of a label", "underscores"),
    (f"{SHARE}\n  annotations: {{acton: x}}", "acton", "no key of `annotations`", "`action`"),
    (f"{SHARE}\n  annotations: {{runbook_url: wiki/x}}", "wiki/x", "no address", "https://"),
    (f"{SHARE}\n  reference: rolling 28d", "rolling", "learn what is normal", "Delete"),
    ("detect: {shift: inputs.*}\n  reference: rolling", "rolling", "no reference", "rolling 28d"),
    ("detect: {shift: inputs.*}\n  reference: rolling 1h", "1h", "rolls over must be from 7d to 90d", "7d"),
    ("detect: {shift: inputs.*}\n  reference: 'rolling 1h'", "'rolling", "must be from 7d to 90d", "7d"),
    ("detect: {shift: inputs.*}\n  reference: rolling soon", "soon", "is not a duration", "15m"),
    (
        "detect: {harm: output.a == 1}\n  reference: rolling 28d",
        "rolling",
        "Only a `shift` on the page budget",
        "frozen",
    ),
    ("detect: {anomaly: inputs.*}\n  reference: rolling 28d", "rolling", "Only a `shift`", "frozen"),
    ("detect: {outlier: inputs.*}\n  reference: rolling 28d", "rolling", "Only a `shift`", "frozen"),
    ("detect: {shift: inputs.*, with: adwin}\n  reference: rolling 28d", "rolling", "names no detector", "frozen"),
    ("detect: {shift: inputs.*, budget: none}\n  reference: rolling 28d", "rolling", "page budget", "frozen"),
    (f"{SHARE}\n  gate: review\n  annotations: {{meaning: m, action: a}}", "review", "safe while", "fallback"),
    (f"{SHARE}\n  severity: critical", "critical", "own words its meaning and action", "annotations"),
    (f"{SHARE}\n  incident: per_column", "per_column", "no value of `incident`", "per_segment"),
    (f"{SHARE}\n  colour: red", "colour", "no key of a rule", "severity"),
    (f"{SHARE}\n  count: {{of: inputs.a < 0, above: 1, over: 1m}}", "{of: inputs.a", "watches one thing", "own"),
    ("for: 5m", "alert", "does not say what it watches", "share: {of:"),
    ("share: {of: output.c < $low, above: 5%, over: 15m}", "output.c", "`$low` is not in `params`", "params: {low"),
    ("share: {of: output.c < 1, above: $limit, over: 15m}", "$limit", "`$limit` is not in `params`", "params: {limit"),
]


@pytest.mark.parametrize(("body", "word", "message", "fix"), [case for case in WRONG if case[2]])
def test_each_mistake_is_told_once_with_its_place_and_its_fix(
    body: str, word: str, message: str, fix: str, told: Told
) -> None:
    severity = "" if "severity" in body else "severity: low\n  "
    text = f'pack: p\nmodels: ["m-*"]\nrules:\n- alert: X\n  {severity}{body}\n'
    found = told(text)
    assert [d.severity for d in found] == ["error"], found
    (problem,) = found
    assert message in problem.message
    assert fix in problem.fix
    assert problem.source[problem.column - 1 :].startswith(word)
    assert problem.message.endswith(".")


def test_an_unquoted_sign_of_comparison_is_explained(told: Told) -> None:
    (problem,) = told("pack: p\nmodels: [m]\nrules:\n- alert: X\n  severity: low\n  share: > 5%\n")
    assert (problem.line, problem.column) == (6, 10)
    assert "`above: 5%`" in problem.fix


def test_all_mistakes_of_a_file_are_told_in_one_pass_in_its_order(told: Told) -> None:
    found = told(
        "pack: Card Fraud\nmodels: []\nowner: [x]\nparams: {a-b: 1, c: [1]}\n"
        "columns: {score: {}, output.s: {kind: nmber}}\n"
        "rules:\n- alert: A b\n  severity: hihg\n  for: x\n  absent: {for: 1}\n- alert: Y\n  severity: low\n"
        "  absent: {for: 1m}\n- alert: y\n  severity: low\n  absent: {for: 1m}\n- nothing\n"
    )
    assert [d.line for d in found] == [1, 2, 3, 4, 4, 5, 5, 7, 8, 9, 10, 14, 17]
    assert "taken by the rule in line 11" in found[-2].message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- a\n", "A rule file must be a mapping"),
        ("pack: p\n", "needs the key `models`"),
        ("pack: p\nmodels: [m]\nrules: {}\n", "`rules` must be a list"),
        ("pack: p\nmodels: [m]\nrules: []\n", "between 1 and 500 rules"),
        ("pack: p\nmodles: [m]\nrules: []\n", "`modles` is no key"),
        ("pack: p\nmodels: [m]\nhalt: {}\nrules: []\n", "needs the key `fallback`"),
        ("pack: p\nmodels: [m]\ncolumns: {output.a: {min: 2, max: 1}}\nrules: []\n", "`min` is above `max`"),
    ],
)
def test_a_pack_without_its_parts_is_refused(text: str, message: str, told: Told) -> None:
    assert message in told(text)[0].message


def test_a_misspelt_key_is_not_told_as_absent_too(told: Told) -> None:
    found = told("pack: p\nmodels: [m]\nrules:\n- alert: X\n  severty: low\n  absent: {for: 1m}\n")
    assert [d.nearest for d in found] == ["severity"]


def test_a_critical_rule_with_its_own_words_and_a_fallback_may_gate(rule: ReadRule) -> None:
    head = 'pack: p\nmodels: [m]\nhalt: {fallback: "a person decides"}\nrules:\n'
    found = rule(
        "- alert: X\n  severity: critical\n  gate: halt\n  absent: {for: 1m}\n  annotations: {meaning: m, action: a}\n",
        head,
    )
    assert (found.gate, found.severity) == ("halt", "critical")


def test_a_parameter_goes_into_an_expression_as_what_it_is(rule: ReadRule) -> None:
    head = "pack: p\nmodels: [m]\nparams: {n: -5, share: 60%, word: it's, yes: true, nan: nan}\nrules:\n- alert: X\n"
    of = "inputs.a-$n > $share and inputs.b == $word and inputs.c == $yes and inputs.d in ('$n', $nan)"
    form = rule(f'  severity: low\n  count: {{of: "{of}", above: 1, over: 1m}}\n', head).form
    assert isinstance(form, Windowed)
    assert form.of == (
        """inputs.a--5 > 0.6 and inputs.b == "it's" and inputs.c == true and inputs.d in ('$n', 'nan')"""
    )


def test_carets_point_into_expressions_behind_parameters(told: Told) -> None:
    head = "pack: p\nmodels: [m]\nparams: {limit: 0.123456789}\nrules:\n- alert: X\n  severity: low\n"
    for body in (
        "count: {of: output.c > $limit and foo > 1, above: 1, over: 1m}",
        "count: {of: 'output.c > $limit and foo > 1', above: 1, over: 1m}",
    ):
        (problem,) = told(f"{head}  {body}\n")
        assert problem.source[problem.column - 1 :].startswith("foo > 1")


def test_a_message_that_would_quote_a_whole_file_is_cut(told: Told) -> None:
    found = told(f"{'x' * 900_000}: 1\n")
    assert all(len(d.message) < 600 for d in found)
