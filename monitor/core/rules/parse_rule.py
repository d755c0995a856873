"""One rule of a pack: its name, its body, and what every rule may say."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

from monitor.core.rules.forms import EXAMPLES, FORMS, read_form
from monitor.core.rules.model import (
    SEVERITIES,
    Absent,
    Detect,
    Form,
    Gate,
    GateOn,
    NoData,
    OnVersion,
    Resolve,
    Rule,
    Stage,
)
from monitor.core.rules.nodes import MapNode, Node
from monitor.core.rules.options import Options
from monitor.core.rules.schema import Reader

COMMON = (
    "severity",
    "for",
    "keep_firing_for",
    "labels",
    "annotations",
    "stage",
    "no_data",
    "gate",
    "gate_on",
    "resolve",
    "reference",
    "on_version",
    "incident",
)
_GATES: tuple[Gate, ...] = ("review", "halt")
_GATE_ON: tuple[GateOn, ...] = ("model", "version", "segment")
_STAGES: tuple[Stage, ...] = ("shadow", "live")
_NO_DATA: tuple[NoData, ...] = ("keep", "alert")
_RESOLVES: tuple[Resolve, ...] = ("auto", "person")
_VERSIONS: tuple[OnVersion, ...] = ("keep", "compare", "refit")
_INCIDENTS: tuple[Literal["per_segment"], ...] = ("per_segment",)
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")


def read_rule(node: Node, pack: str, reader: Reader) -> Rule | None:
    """One item of `rules`, or None after saying what is wrong with it."""
    example = "- alert: LowConfidence, and below it severity: high and share: {…}"
    fields = reader.fields(node, "a rule", ("alert", *FORMS, *COMMON), ("alert", "severity"), example)
    if fields is None:
        return None
    name = _name(fields["alert"], reader) if "alert" in fields else None
    form = _form(node, fields, reader)
    severity = reader.choice(fields["severity"], "severity", SEVERITIES) if "severity" in fields else None
    options = Options(fields, reader)
    annotations, gate = options.annotations(), options.choice("gate", _GATES, None)
    if severity == "critical" or gate is not None:
        _own_words(node, fields, annotations, "gates" if gate is not None else "is critical", reader)
    rule = Rule(  # made even of what was refused, so that the rest is read and its errors are told too
        pack,
        name or "",
        form or Absent(0.0),
        severity or "low",
        node.position,
        options.duration("for"),
        options.duration("keep_firing_for"),
        options.labels(),
        annotations,
        options.choice("stage", _STAGES, _stage(form)),
        options.choice("no_data", _NO_DATA, "keep"),
        gate,
        options.choice("resolve", _RESOLVES, _resolve(form)),
        options.reference(form),
        options.choice("on_version", _VERSIONS, "compare"),
        options.choice("incident", _INCIDENTS, None) is not None,
        options.choice("gate_on", _GATE_ON, "model"),
    )
    _check_gate_on(rule, fields, reader)
    return None if name is None or form is None or severity is None else rule


def _check_gate_on(rule: Rule, fields: Mapping[str, Node], reader: Reader) -> None:
    """`gate_on` goes with `gate`, and a segment can be gated only where incidents are split by it."""
    if "gate_on" not in fields:
        return
    if rule.gate is None:
        reader.report.error(fields["gate_on"], "`gate_on` is of no use without `gate`.", "Add `gate`, or delete it.")
    elif rule.gate_on == "segment" and not rule.per_segment:
        message = "A rule gates segments only where each has an incident of its own."
        reader.report.error(fields["gate_on"], message, "Add `incident: per_segment`.")


def _name(node: Node, reader: Reader) -> str | None:
    name = reader.text(node, "`alert`")
    if name is not None and not _NAME.fullmatch(name):
        fix = "Use letters, digits, - and _, and begin with a letter: LowConfidence."
        reader.report.error(node, f"`{name}` cannot be the name of a rule.", fix)
        return None
    return name


def _form(node: Node, fields: Mapping[str, Node], reader: Reader) -> Form | None:
    """The one body the rule has."""
    given = [kind for kind in FORMS if kind in fields]
    if len(given) == 1:
        return read_form(given[0], fields[given[0]], reader)
    if given:
        message = f"A rule watches one thing, but here are {' and '.join(f'`{kind}`' for kind in given)}."
        reader.report.error(fields[given[1]], message, "Make a rule of its own for each.")
    elif isinstance(node, MapNode) and not any(key.text in FORMS for key, _ in node.entries):
        fix = f"Add one of {', '.join(FORMS)}; for example share: {EXAMPLES['share']}"
        reader.report.error(node, "This rule does not say what it watches.", fix)
    return None


def _stage(form: Form | None) -> Stage:
    """What is estimated without truth calls nobody unless the rule says so."""
    return "shadow" if isinstance(form, Detect) and form.kind == "estimated_errors" else "live"


def _resolve(form: Form | None) -> Resolve:
    """What was learned latches; limits and quality clear by themselves."""
    return "person" if isinstance(form, Detect) and form.kind != "quality" else "auto"


def _own_words(
    node: Node, fields: Mapping[str, Node], annotations: Mapping[str, str], why: str, reader: Reader
) -> None:
    missing = [name for name in ("meaning", "action") if name not in annotations]
    if missing:
        place = fields.get("annotations") or fields.get("gate") or fields.get("severity") or node
        message = f"A rule that {why} must say in its own words its {' and '.join(missing)}."
        fix = 'Add annotations: {meaning: "what it does and does not mean", action: "what to do first"}.'
        reader.report.error(place, message, fix)
