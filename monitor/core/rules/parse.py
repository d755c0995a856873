"""Plain nodes of a rule file -> a `Pack`. All that is wrong is collected in one pass; nothing is raised."""

from __future__ import annotations

import re
from collections.abc import Mapping

from monitor.core.columns import KINDS
from monitor.core.rules.diagnose import Diagnostic, Report
from monitor.core.rules.gating import read_gating
from monitor.core.rules.model import ColumnSetting, Pack, Rule, Scalar
from monitor.core.rules.nodes import Document, ListNode, MapNode, Node, TextNode
from monitor.core.rules.parse_rule import read_rule
from monitor.core.rules.paths import path_problem
from monitor.core.rules.schema import Reader, read_scalar
from monitor.core.rules.terms import read_models
from monitor.core.selfrules import SELF

KEYS = ("pack", "models", "owner", "halt", "gate", "params", "columns", "rules")
MAX_RULES = 500
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_PARAM_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")


def parse_pack(
    document: Document, overrides: Mapping[str, Scalar] | None = None, under: str = ""
) -> tuple[Pack | None, list[Diagnostic]]:
    """The pack a document describes; None exactly when there is an error among the diagnostics.

    `overrides` replace values of `params`; names that the pack does not have are ignored here. `under` is added to
    each message: it says for whom the overrides are.
    """
    report = Report(document, note=under)
    pack = _Parser(document, report, overrides or {}).pack()
    return pack, report.sorted()


class _Parser:
    def __init__(self, document: Document, report: Report, overrides: Mapping[str, Scalar]) -> None:
        self.document = document
        self.report = report
        self.overrides = overrides
        self.reader = Reader(report, {})

    def pack(self) -> Pack | None:
        example = "pack: card-fraud, models: [fraud-*], rules: [...], each on a line of its own"
        fields = self.reader.fields(self.document.root, "a rule file", KEYS, ("pack", "models", "rules"), example)
        if fields is None:
            return None
        own = self._params(fields.get("params"))
        params = {name: self.overrides.get(name, value) for name, value in own.items()}
        self.reader = Reader(self.report, params)
        name = self._name(fields["pack"]) if "pack" in fields else None
        models = read_models(self.reader, fields["models"], "`models`", patterns=True) if "models" in fields else ()
        owner = self.reader.text(fields["owner"], "`owner`") if "owner" in fields else None
        fallback, terms = read_gating(self.reader, fields.get("halt"), fields.get("gate"))
        columns = self._columns(fields["columns"]) if "columns" in fields else {}
        rules = self._rules(fields["rules"], name or "", fallback, "halt" in fields) if "rules" in fields else ()
        if self.report.failed or name is None:
            return None
        return Pack(name, models, rules, owner, fallback, params, columns, self.document.file, terms)

    def _name(self, node: Node) -> str | None:
        name = self.reader.text(node, "`pack`")
        if name is not None and not _NAME.fullmatch(name):
            fix = "Use small letters, digits and hyphens: card-fraud."
            self.report.error(node, f"`{name}` cannot be the name of a pack.", fix)
            return None
        if name == SELF:
            fix = "Give it another name."
            self.report.error(node, f"`{name}` is the pack by which the daemon watches itself.", fix)
            return None
        return name

    def _params(self, node: Node | None) -> dict[str, Scalar]:
        if node is None:
            return {}
        if not isinstance(node, MapNode):
            self.report.error(node, "`params` must be a mapping of names to values.", "params: {p99_ms: 800}")
            return {}
        params: dict[str, Scalar] = {}
        for key, value in node.entries:
            if not _PARAM_NAME.fullmatch(key.text):
                fix = "Use letters, digits and underscores: p99_ms."
                self.report.error(key, f"`{key.text}` cannot be the name of a parameter.", fix)
            elif not isinstance(value, TextNode) or value.empty:
                self.report.error(key, f"The parameter `{key.text}` must have one value.", "Write p99_ms: 800.")
            else:
                params[key.text] = read_scalar(value)
        return params

    # -- columns ------------------------------------------------------------------------------------------------

    def _columns(self, node: Node) -> dict[str, ColumnSetting]:
        if not isinstance(node, MapNode):
            fix = "columns: {output.score: {kind: number}}"
            self.report.error(node, "`columns` must be a mapping of columns to settings.", fix)
            return {}
        settings: dict[str, ColumnSetting] = {}
        for key, value in node.entries:
            problem = path_problem(key.text)
            if problem is not None:
                self.report.error(key, *problem)
                continue
            setting = self._column(value)
            if setting is not None:
                settings[key.text] = setting
        return settings

    def _column(self, node: Node) -> ColumnSetting | None:
        known = ("kind", "min", "max", "values")
        fields = self.reader.fields(node, "a column", known, (), "output.score: {kind: number, min: 0, max: 1}")
        if fields is None:
            return None
        kind = self.reader.choice(fields["kind"], "kind of column", KINDS) if "kind" in fields else None
        low = self.reader.number(fields["min"], "`min`") if "min" in fields else None
        high = self.reader.number(fields["max"], "`max`") if "max" in fields else None
        if low is not None and high is not None and low > high:
            self.report.error(fields["min"], "`min` is above `max`.", "Exchange the two.")
        values = None
        if "values" in fields:
            items = self.reader.items(fields["values"], "`values`") or []
            values = tuple(filter(None, (self.reader.text(item, "a value") for item in items)))
        return ColumnSetting(kind, low, high, values)

    # -- rules --------------------------------------------------------------------------------------------------

    def _rules(self, node: Node, pack: str, fallback: str | None, halts: bool) -> tuple[Rule, ...]:
        if not isinstance(node, ListNode):
            self.report.error(node, "`rules` must be a list.", "Begin each rule with `- alert: Name`.")
            return ()
        if not 0 < len(node.items) <= MAX_RULES:
            self.report.error(node, f"A pack has between 1 and {MAX_RULES} rules.", "Split it into two packs.")
            return ()
        rules: dict[str, Rule] = {}
        for item in node.items:
            rule = read_rule(item, pack, self.reader)
            if rule is None:
                continue
            self._check_alone(item, rule, rules)
            rules.setdefault(rule.name, rule)
            if rule.gate is not None and fallback is None and not halts:
                message = f"`{rule.name}` gates, but the pack does not say what is safe while the model is stopped."
                self.report.error(
                    _value_of(item, "gate"), message, 'Add `halt: {fallback: "…"}` at the top of the pack.'
                )
        return tuple(rules.values())

    def _check_alone(self, item: Node, rule: Rule, rules: Mapping[str, Rule]) -> None:
        twin = next((name for name in rules if name.lower() == rule.name.lower()), None)
        if twin is not None:
            message = f"The name `{rule.name}` is taken by the rule in line {rules[twin].position.line}."
            self.report.error(_value_of(item, "alert"), message, "Give each rule of a pack its own name.")


def _value_of(node: Node, key: str) -> Node:
    """The value of a key of a mapping, or the node itself."""
    entries = node.entries if isinstance(node, MapNode) else ()
    return next((value for name, value in entries if name.text == key), node)
