"""`tests.yaml` of a pack -> its tests. All that is wrong is collected in one pass; nothing is raised."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import TypeVar, get_args

from monitor.core.incidents.model import STATES
from monitor.core.notices.model import Reason
from monitor.core.rules.diagnose import Diagnostic, Report, meant, nearest
from monitor.core.rules.model import SEVERITIES, Pack, Stage
from monitor.core.rules.nodes import Document, ListNode, MapNode, Node
from monitor.core.rules.paths import ROOTS, path_problem
from monitor.core.rules.quantities import UNITS
from monitor.core.rules.schema import Reader
from monitor.core.rules.script_values import read_values
from monitor.core.rules.scripted import Values
from monitor.core.rules.testfile import Expectation, ExpectedIncident, ExpectedNotice, PackTest, ScriptedEvents

START = "2026-01-05T00:00:00Z"  # a Monday
MAX_EVENTS = 200_000
MAX_SPAN = 400 * UNITS["d"]
REASONS: tuple[Reason, ...] = get_args(Reason)
STAGES: tuple[Stage, ...] = get_args(Stage)
_SCRIPT_KEYS = ("model", "version", "from", "every", "count", "truth_after", "late", *ROOTS)
_SCRIPT = "{from: 0s, every: 10s, count: 120, output: {label: ok, confidence: 0.9}}"
T = TypeVar("T")


def parse_tests(document: Document, pack: Pack) -> tuple[tuple[PackTest, ...], list[Diagnostic]]:
    """The tests a document describes, for the rules of `pack`; empty where there is an error among the diagnostics."""
    report = Report(document)
    tests = _Parser(Reader(report, {}), pack).tests(document.root)
    return (() if report.failed else tests), report.sorted()


class _Parser:
    def __init__(self, reader: Reader, pack: Pack) -> None:
        self.reader = reader
        self.report = reader.report
        self.pack = pack
        self.model: str | None = None  # of the test being read: what a script or an expectation leaves out

    def tests(self, root: Node) -> tuple[PackTest, ...]:
        fields = self.reader.fields(root, "a test file", ("pack", "tests"), ("pack", "tests"), "pack: NAME, tests: […]")
        if fields is None or len(fields) < 2:
            return ()
        name = self.reader.text(fields["pack"], "`pack`")
        if name is not None and name != self.pack.name:
            self.report.error(fields["pack"], f"These tests are for `{name}`, not `{self.pack.name}`.", "Correct it.")
        return self._each(fields["tests"], "`tests`", self._test)

    def _each(self, node: Node, what: str, read: Callable[[Node], T | None]) -> tuple[T, ...]:
        if not isinstance(node, ListNode):
            self.report.error(node, f"{what} must be a list.", "Begin each item with a hyphen.")
            return ()
        return tuple(value for value in map(read, node.items) if value is not None)

    def _test(self, node: Node) -> PackTest | None:
        known = ("name", "start", "tick", "model", "events", "expect")
        fields = self.reader.fields(node, "a test", known, ("name", "expect"), "- name: …, events: […], expect: […]")
        if fields is None:
            return None
        name = self.reader.text(fields["name"], "`name`") if "name" in fields else None
        self.model = self.reader.text(fields["model"], "`model`") if "model" in fields else None
        start = self._start(fields.get("start"))
        tick = self._seconds(fields.get("tick"), "`tick`", 15.0, 1.0)
        scripts = self._each(fields["events"], "`events`", self._script) if "events" in fields else ()
        scripts = tuple(_numbered(script, number) for number, script in enumerate(scripts))
        expect = self._each(fields["expect"], "`expect`", self._expectation) if "expect" in fields else ()
        if sum(script.count for script in scripts) > MAX_EVENTS:
            self.report.error(node, f"A test has at most {MAX_EVENTS:,} events.", "Use fewer: lower `count`.")
        if name is None or start is None or not expect:
            if "expect" in fields and not expect:
                self.report.error(fields["expect"], "This test expects nothing.", "Add - at: 10m, incidents: [].")
            return None
        ordered = tuple(sorted(expect, key=lambda e: e.at))
        return PackTest(name, start, tick, scripts, ordered, node.position.line)

    def _start(self, node: Node | None) -> float | None:
        text = START if node is None else self.reader.text(node, "`start`")
        try:
            moment = datetime.fromisoformat(text or START)
            if moment.tzinfo is not None:
                return moment.timestamp()
        except (ValueError, OverflowError):
            pass
        assert node is not None
        self.report.error(node, f"`{text}` is no time with a zone.", f"Write it like this: {START}")
        return None

    def _seconds(self, node: Node | None, what: str, default: float, low: float) -> float:
        if node is None:
            return default
        value = self.reader.duration(node, what, low, MAX_SPAN, f"{low:g}s to 400d")
        return default if value is None else value

    # -- events -------------------------------------------------------------------------------------------------

    def _script(self, node: Node) -> ScriptedEvents | None:
        fields = self.reader.fields(node, "an item of `events`", _SCRIPT_KEYS, (), _SCRIPT)
        model = self._model(fields, node)
        if fields is None or model is None:
            return None
        values: dict[str, Values] = {}
        for root in ROOTS:
            values |= self._values(root, fields[root]) if root in fields else {}
        return ScriptedEvents(
            model,
            self._seconds(fields.get("from"), "`from`", 0.0, 0.0),
            self._seconds(fields.get("every"), "`every`", 1.0, 0.001),
            (self.reader.whole(fields["count"], "`count`", 1, MAX_EVENTS) or 1) if "count" in fields else 1,
            values,
            self.reader.text(fields["version"], "`version`") if "version" in fields else None,
            self._seconds(fields["truth_after"], "`truth_after`", 0.0, 0.0) if "truth_after" in fields else None,
            self._seconds(fields.get("late"), "`late`", 0.0, 0.0),
        )

    def _model(self, fields: dict[str, Node] | None, node: Node) -> str | None:
        if fields is not None and "model" in fields:
            return self.reader.text(fields["model"], "`model`")
        if fields is not None and self.model is None:
            self.report.error(node, "There is no model here.", "Add `model:` here or to the test as a whole.")
        return self.model

    def _values(self, root: str, node: Node) -> dict[str, Values]:
        if not isinstance(node, MapNode):
            self.report.error(node, f"`{root}` must be a mapping of columns to values.", f"{root}: {{amount: 5}}")
            return {}
        values: dict[str, Values] = {}
        for key, value in node.entries:
            path = f"{root}.{key.text}"
            problem = path_problem(path)
            if problem is not None:
                self.report.error(key, *problem)
                continue
            read = read_values(self.reader, value, path)
            if read is not None:
                values[path] = read
        return values

    # -- expectations -------------------------------------------------------------------------------------------

    def _expectation(self, node: Node) -> Expectation | None:
        example = "{at: 25m, incidents: [{rule: LowConfidence}]}"
        fields = self.reader.fields(node, "an item of `expect`", ("at", "incidents", "notices"), ("at",), example)
        if fields is None or "at" not in fields:
            return None
        if len(fields) == 1:
            self.report.error(node, "Nothing is expected here.", "Add `incidents: []` to assert silence.")
        incidents = notices = None
        if "incidents" in fields:
            incidents = self._each(fields["incidents"], "`incidents`", self._incident)
        if "notices" in fields:
            notices = self._each(fields["notices"], "`notices`", self._notice)
        at = self._seconds(fields["at"], "`at`", 0.0, 0.0)
        return Expectation(at, incidents, notices, node.position.line)

    def _incident(self, node: Node) -> ExpectedIncident | None:
        known = ("rule", "model", "state", "segment", "severity", "stage")
        fields = self.reader.fields(node, "an incident", known, ("rule",), "{rule: LowConfidence, state: open}")
        rule, model = self._rule(fields), self._model(fields, node)
        if fields is None or rule is None or model is None:
            return None
        state = self.reader.choice(fields["state"], "state", STATES) if "state" in fields else "open"
        return ExpectedIncident(
            rule,
            model,
            state or "open",
            self.reader.text(fields["segment"], "`segment`") if "segment" in fields else None,
            self.reader.choice(fields["severity"], "severity", SEVERITIES) if "severity" in fields else None,
            self.reader.choice(fields["stage"], "stage", STAGES) if "stage" in fields else None,
        )

    def _notice(self, node: Node) -> ExpectedNotice | None:
        known = ("rule", "model", "reason")
        fields = self.reader.fields(node, "a notice", known, ("rule",), "{rule: LowConfidence, reason: opened}")
        rule, model = self._rule(fields), self._model(fields, node)
        if fields is None or rule is None or model is None:
            return None
        reason = self.reader.choice(fields["reason"], "reason", REASONS) if "reason" in fields else "opened"
        return ExpectedNotice(rule, model, reason or "opened")

    def _rule(self, fields: dict[str, Node] | None) -> str | None:
        """The key of a rule of the pack."""
        name = self.reader.text(fields["rule"], "`rule`") if fields and "rule" in fields else None
        if fields is None or name is None:
            return None
        names = [rule.name for rule in self.pack.rules]
        short = name.removeprefix(f"{self.pack.name}/")
        if short not in names:
            message = f"The pack `{self.pack.name}` has no rule `{name}`."
            self.report.error(fields["rule"], message, meant(short, names), nearest(short, names))
            return None
        return f"{self.pack.name}/{short}"


def _numbered(script: ScriptedEvents, number: int) -> ScriptedEvents:
    return replace(script, number=number)
