"""YAML text -> plain nodes with positions, and nothing else: no types, no references, no surprises.

The parser's events are read one by one, so depth, size and odd features are refused before anything is built.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from monitor.core.rules.diagnose import Diagnostic, Report
from monitor.core.rules.model import Position
from monitor.core.rules.nodes import Document, ListNode, MapNode, Node, TextNode

LIMIT = 1_000_000  # bytes of one file
DEPTH = 20
NODES = 50_000

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\x85\u2028\u2029\ud800-\udfff\ufffe\uffff]")
_TAB = re.compile(r"^ *\t", re.MULTILINE)
_NEEDS_QUOTES = "*&!%@`"


class _RefusedError(Exception):
    """Reading stopped here."""

    def __init__(self, mark: Any, message: str, fix: str) -> None:
        super().__init__(message)
        self.mark, self.message, self.fix = mark, message, fix


def load(text: str | bytes, file: str) -> tuple[Document | None, list[Diagnostic]]:
    """One YAML document as nodes. The document is None exactly when there is an error among the diagnostics."""
    if len(text) > LIMIT:
        return None, [_bare(file, f"The file has {len(text):,} bytes; a rule file may have {LIMIT:,}.")]
    try:
        decoded = text.decode("utf-8-sig") if isinstance(text, bytes) else text.removeprefix("\ufeff")
    except UnicodeDecodeError as problem:
        line = problem.object.count(b"\n", 0, problem.start) + 1
        return None, [_bare(file, f"Byte {problem.start} is not UTF-8.", "Save the file as UTF-8.", line)]
    decoded = decoded.replace("\r\n", "\n").replace("\r", "\n")
    report = Report(Document(file, decoded, TextNode("", Position(file, 1, 1))))
    root = None if _odd_characters(decoded, file, report) else _Builder(decoded, file, report).build()
    return (None if root is None or report.failed else Document(file, decoded, root)), report.found


def _bare(file: str, message: str, fix: str = "", line: int = 1) -> Diagnostic:
    return Diagnostic("error", file, line, 1, message, fix)


def _odd_characters(text: str, file: str, report: Report) -> bool:
    for pattern, message, fix in (
        (_TAB, "This line is indented with a tab.", "YAML wants spaces; put two spaces for the tab."),
        (_FORBIDDEN, "There is a control character here that no rule file may hold.", "Delete the character."),
    ):
        for match in list(pattern.finditer(text))[:20]:
            report.error(_position(text, match.end() - 1, file), message, fix)
    return report.failed


def _position(text: str, index: int, file: str) -> Position:
    start = text.rfind("\n", 0, index) + 1
    return Position(file, text.count("\n", 0, index) + 1, index - start + 1)


@dataclass(slots=True)
class _Open:
    """A list or mapping whose end has not come yet; a mapping's items alternate between key and value."""

    mapping: bool
    position: Position
    items: list[Node] = field(default_factory=list)


class _Builder:
    """Nodes of one document from the parser's events."""

    def __init__(self, text: str, file: str, report: Report) -> None:
        self.text, self.file, self.report = text, file, report
        self.lines = report.document.lines

    def build(self) -> Node | None:
        try:
            return self._root(yaml.parse(self.text, Loader=_Loader))
        except _RefusedError as refused:
            self._error(refused.mark, refused.message, refused.fix)
        except yaml.MarkedYAMLError as problem:
            self._error(*self._explain(problem))
        except yaml.YAMLError as problem:
            self._error(None, f"The file is not YAML: {problem}.".replace("\n", " "), "")
        return None

    def _root(self, events: Iterator[Any]) -> Node | None:
        open_: list[_Open] = []
        root: Node | None = None
        for count, event in enumerate(events):
            self._check(event, len(open_), count, root)
            if isinstance(event, yaml.ScalarEvent):
                node: Node = self._text(event)
            elif isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
                open_.append(_Open(isinstance(event, yaml.MappingStartEvent), self._at(event.start_mark)))
                continue
            elif isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
                node = self._closed(open_.pop(), event)
            else:
                continue
            if open_:
                open_[-1].items.append(node)
            else:
                root = node
        if root is None:
            self._error(None, "The file is empty.", "A rule file starts with `pack: NAME`.")
        return root

    def _check(self, event: Any, depth: int, count: int, root: Node | None) -> None:
        mark = event.start_mark
        if isinstance(event, yaml.AliasEvent):
            raise _RefusedError(mark, "Aliases (`*name`) are not used here.", self._quote_hint(mark))
        if getattr(event, "anchor", None):
            raise _RefusedError(mark, "Anchors (`&name`) are not used here.", "Use `params` for a value needed twice.")
        if getattr(event, "tag", None) not in (None, "!"):
            raise _RefusedError(mark, "YAML tags (`!name`) are not used here.", "Delete the tag or quote the text.")
        if isinstance(event, yaml.DocumentStartEvent) and root is not None:
            raise _RefusedError(mark, "A second document starts here.", "Delete the `---`; one file is one pack.")
        if depth > DEPTH:
            raise _RefusedError(mark, f"This is nested more than {DEPTH} deep.", "Rule files need about five levels.")
        if count > NODES:
            raise _RefusedError(mark, f"The file has more than {NODES:,} values.", "Split the pack.")

    def _text(self, event: Any) -> TextNode:
        start, end = event.start_mark, event.end_mark
        width = end.column - start.column if end.line == start.line else len(self._line(start)) - start.column
        return TextNode(event.value, self._at(start), event.style or "", max(1, width))

    def _closed(self, open_: _Open, event: Any) -> Node:
        same = event.end_mark.line + 1 == open_.position.line
        width = event.end_mark.column + 1 - open_.position.column if same else 1
        if not open_.mapping:
            return ListNode(tuple(open_.items), open_.position, max(1, width))
        entries: dict[str, tuple[TextNode, Node]] = {}
        for key, value in zip(open_.items[::2], open_.items[1::2], strict=True):
            if not isinstance(key, TextNode):
                self.report.error(key, "A key must be text, not a list or a mapping.", "Put quotes around the key.")
            elif key.text in entries:
                line = entries[key.text][0].position.line
                self.report.error(key, f"`{key.text}` is here twice; it was given in line {line}.", "Keep one of them.")
            else:
                entries[key.text] = (key, value)
        return MapNode(tuple(entries.values()), open_.position, max(1, width))

    def _at(self, mark: Any) -> Position:
        return Position(self.file, mark.line + 1, mark.column + 1)

    def _line(self, mark: Any) -> str:
        return self.lines[mark.line] if mark.line < len(self.lines) else ""

    def _error(self, mark: Any, message: str, fix: str) -> None:
        self.report.error(Position(self.file, 1, 1) if mark is None else self._at(mark), message, fix)

    # -- what the parser's complaints mean ----------------------------------------------------------------------

    def _explain(self, problem: Any) -> tuple[Any, str, str]:
        """Where, the parser's words, and the usual reason for them."""
        context = problem.context or ""
        mark = problem.problem_mark or problem.context_mark
        if "block scalar" in context or "alias" in context:
            mark = problem.context_mark
        message = f"This is not YAML: {problem.problem or context}."
        sign = self._line(mark)[mark.column : mark.column + 1] if mark is not None else ""
        if sign and sign in ">|":
            message = "An unquoted `>` or `|` here begins a block of text in YAML."
            return mark, message, self._limit_hint(self._line(mark)[mark.column :])
        if sign and sign in _NEEDS_QUOTES:
            return mark, message, self._quote_hint(mark)
        if "flow mapping" in context:
            fix = "Inside {…} put quotes around an expression that has a comma or a bracket, and close the }."
        elif "mapping values are not allowed" in message:
            fix = "Put quotes around a text that has `: ` in it, and check the indentation."
        else:
            fix = "Check quotes, brackets and indentation up to this line."
        return mark, message, fix

    def _limit_hint(self, rest: str) -> str:
        amount = rest.lstrip(">|< =").split(",")[0].split("}")[0].strip()
        if amount[:1].isdigit():
            return f"A limit is written without a sign, by direction: `above: {amount}`."
        return "Put quotes around a text that begins with `>` or `|`."

    def _quote_hint(self, mark: Any) -> str:
        word = re.split(r"[\s,}\]]", self._line(mark)[mark.column :])[0] if mark is not None else ""
        return f'Put quotes around a text that begins with a special sign: "{word or "inputs.*"}".'
