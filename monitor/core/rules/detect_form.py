"""The body of `detect`: what is learned, of which columns, by which of River's detectors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from monitor.core.detectors.methods import CHECKS, METHODS, Parameter, problems
from monitor.core.rules.diagnose import nearest
from monitor.core.rules.model import Detect, Scalar
from monitor.core.rules.nodes import MapNode, Node, TextNode
from monitor.core.rules.schema import Reader
from monitor.core.rules.terms import read_columns, read_condition

Kind = Literal["shift", "harm", "estimated_errors", "anomaly", "outlier", "quality"]
KINDS: tuple[Kind, ...] = ("shift", "harm", "estimated_errors", "anomaly", "outlier", "quality")
_SETTINGS: Mapping[Kind, tuple[str, ...]] = {
    "shift": ("by", "with", "tolerance", "budget"),
    "harm": ("by", "with", "tolerance", "budget"),
    "estimated_errors": ("by", "wrong", "tolerance"),
    "anomaly": ("by", "with", "budget"),
    "outlier": ("by", "with", "budget"),
    "quality": ("checks",),
}
_EXAMPLE = 'Write it like this: detect: {shift: "inputs.*"}; or harm, estimated_errors, anomaly, outlier, quality.'


def read_detect(node: Node, reader: Reader) -> Detect | None:
    """The body of `detect`, or None after saying what is wrong with it."""
    kind = _kind(node, reader)
    if kind is None or not isinstance(node, MapNode):
        return None
    before = len(reader.report.found)
    values = {key.text: value for key, value in node.entries if not (isinstance(value, TextNode) and value.empty)}
    method, river = _method(values.get("with"), kind, reader)
    _check_keys(node, kind, method, river, reader)
    if kind not in values:
        return None
    columns: tuple[str, ...] = ()
    condition = {"harm": "harm", "estimated_errors": "wrong"}.get(kind, "")
    of = read_condition(reader, values[condition], f"`{condition}`") if condition in values else None
    if kind != "harm":
        single = kind == "estimated_errors"
        columns = read_columns(reader, values[kind], f"`{kind}`", not single, most=1 if single else 50)
    parameters = {name: _parameter(name, values[name], river[name], reader) for name in river if name in values}
    detect = Detect(
        kind,
        columns,
        of,
        read_columns(reader, values["by"], "`by`", most=3) if "by" in values else (),
        method,
        {name: value for name, value in parameters.items() if value is not None},
        reader.share(values["tolerance"], "`tolerance`") if "tolerance" in values else None,
        "budget" not in values or reader.choice(values["budget"], "value of `budget`", ("none", "model")) != "none",
        _checks(values, reader) if kind == "quality" else (),
    )
    if len(reader.report.found) == before:
        for problem in problems(detect):
            reader.report.error(node, problem)
    return detect


def _kind(node: Node, reader: Reader) -> Kind | None:
    """The one key that says what is detected."""
    if not isinstance(node, MapNode):
        reader.report.error(node, "`detect` must be a mapping.", _EXAMPLE)
        return None
    kinds = [(kind, key) for key, _ in node.entries for kind in KINDS if key.text == kind]
    if len(kinds) == 1:
        return kinds[0][0]
    if kinds:
        reader.report.error(kinds[1][1], "`detect` looks for one thing.", "Make a rule of its own for the second.")
        return None
    for key, _ in node.entries:
        close = nearest(key.text, KINDS)
        if close is not None:
            reader.report.error(key, f"`{key.text}` is nothing to detect.", f"Did you mean `{close}`?", close)
            return None
    reader.report.error(node, "`detect` does not say what to detect.", _EXAMPLE)
    return None


def _method(value: Node | None, kind: Kind, reader: Reader) -> tuple[str | None, Mapping[str, Parameter]]:
    """The detector named after `with`, and the parameters it or the kind's own has."""
    options = METHODS[kind]
    if value is None or "with" not in _SETTINGS[kind]:
        return None, next(iter(options.values()))
    name = reader.choice(value, f"detector for {kind}", tuple(options))
    return name, options[name] if name is not None else {}


def _check_keys(node: MapNode, kind: Kind, method: str | None, river: Mapping[str, Parameter], reader: Reader) -> None:
    """Refuse keys that neither this kind of `detect` nor the detector has, and keys without a value."""
    settings = (*_SETTINGS[kind], *river)
    unnamed = method is None and any(key.text == "with" for key, _ in node.entries)  # its keys cannot be judged
    anywhere = {name for known in _SETTINGS.values() for name in known}
    for key, value in node.entries:
        if isinstance(value, TextNode) and value.empty:
            reader.report.error(key, f"`{key.text}` has no value.", "Give it a value or delete it.")
        elif key.text not in (kind, *settings) and not (unnamed and key.text not in anywhere):
            whose = f"`{method}`" if method is not None else f"a rule that detects {kind}"
            reader.unknown(key, f"`{key.text}` is no setting of {whose}.", settings)


def _parameter(name: str, node: Node, parameter: Parameter, reader: Reader) -> Scalar | None:
    if isinstance(parameter.default, int):
        return reader.whole(node, f"`{name}`", int(parameter.low), int(parameter.high))
    return reader.number(node, f"`{name}`", parameter.low, parameter.high)


def _checks(values: dict[str, Node], reader: Reader) -> tuple[str, ...]:
    """The checks of a quality rule; all of them where none is named."""
    if "checks" not in values:
        return CHECKS
    checks: list[str] = []
    for item in reader.items(values["checks"], "`checks`") or []:
        check = reader.choice(item, "check", CHECKS)
        if check is not None and check not in checks:
            checks.append(check)
    return tuple(checks)
