"""An expression inside a rule file: parameters put in, and every offset traced back to its place in the file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from monitor.core.rules.model import Position, Scalar
from monitor.core.rules.nodes import TextNode
from monitor.core.rules.quantities import QuantityError, parse_ratio
from monitor.core.rules.schema import Reader, plain

_PART = re.compile(r"'[^']*'|\"[^\"]*\"|\$([A-Za-z_]\w*)", re.ASCII)
_NAMED = re.compile(r"\$([A-Za-z_]\w*)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Snippet:
    """`text` with parameters put in. `shifts` are (where a parameter's value ends in `text`, characters it added)."""

    text: str
    node: TextNode
    shifts: tuple[tuple[int, int], ...]
    line: str  # the line of the file where the text begins

    def place(self, offset: int) -> Position:
        """Where a character of `text` stands in the file; the start of the text where that cannot be told."""
        start = self.node.position
        offset -= sum(added for end, added in self.shifts if end <= offset)
        first_line = self.node.text.split("\n")[0]
        begins = self.line.find(first_line, start.column - 1)
        if begins < 0 or not 0 <= offset <= len(first_line):
            return start
        return Position(start.file, start.line, begins + offset + 1)


def read_snippet(reader: Reader, node: TextNode) -> Snippet | None:
    """The expression at `node`. None if it names a parameter that there is not."""
    pieces: list[str] = []
    shifts: list[tuple[int, int]] = []
    at = length = 0
    for match in _PART.finditer(node.text):
        if match[1] is None:
            continue
        if match[1] not in reader.params:
            reader.unknown_param(node, match[1])
            return None
        value = _literal(reader.params[match[1]])
        pieces += [node.text[at : match.start()], value]
        length += match.start() - at + len(value)
        shifts.append((length, len(value) - len(match[0])))
        at = match.end()
    text = "".join([*pieces, node.text[at:]])
    return Snippet(text, node, tuple(shifts), reader.report.document.line(node.position.line))


def _literal(value: Scalar) -> str:
    """A parameter's value as the expression language writes it: numbers and shares bare, any other text quoted."""
    if not isinstance(value, str):
        return plain(value)
    if value.endswith("%"):
        try:
            return repr(parse_ratio(value))
        except QuantityError:
            pass
    quote = '"' if "'" in value else "'"
    return f"{quote}{value}{quote}"


def fill_text(text: str, params: Mapping[str, Scalar]) -> str:
    """A text for people with the parameters it names put in; any other `$` stays, it may be money."""
    return _NAMED.sub(lambda match: plain(params[match[1]]) if match[1] in params else match[0], text)
