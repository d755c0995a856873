"""Reading the values of a column in a test file."""

from __future__ import annotations

import re
from typing import Any

from monitor.core.events import MISSING
from monitor.core.rules.nodes import ListNode, MapNode, Node, TextNode
from monitor.core.rules.schema import Reader, read_scalar
from monitor.core.rules.scripted import Constant, Cycle, Line, Mix, Noise, Numbered, Steps, Values

FORMS = ("noise", "line", "mix", "steps", "each")
_NUMBERS = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?)([+-](?:\d+\.?\d*|\.\d+))?(?:x(\d{1,6}))?", re.ASCII)
_TEXTS = re.compile(r"(\S+?)()(?:x(\d{1,6}))?", re.ASCII)
_FIX = "Write a value, a list to go round in, or one of noise, line, mix, steps, each."


def read_values(reader: Reader, node: Node, path: str) -> Values | None:
    """What a column holds over the events of a script, or None after saying what is wrong."""
    if isinstance(node, TextNode):
        return Constant(value_of(node))
    if isinstance(node, ListNode):
        if not node.items or not all(isinstance(item, TextNode) for item in node.items):
            reader.report.error(node, f"The values of `{path}` must be plain values.", _FIX)
            return None
        return Cycle(tuple(value_of(item) for item in node.items if isinstance(item, TextNode)))
    if len(node.entries) != 1 or node.entries[0][0].text not in FORMS:
        reader.report.error(node, f"The values of `{path}` are none that a test can make.", _FIX)
        return None
    ((key, value),) = node.entries
    return _special(reader, key.text, value, path)


def value_of(node: TextNode) -> Any:
    """`_` and nothing at all are missing; numbers and true and false are what they look like unless quoted."""
    if not node.style and node.text in ("_", "", "~", "null"):
        return MISSING
    return read_scalar(node)


def _special(reader: Reader, form: str, node: Node, path: str) -> Values | None:
    if form == "mix":
        return _mix(reader, node, path)
    if form == "steps":
        return _steps(reader, node, path)
    if form == "each":
        pattern = reader.text(node, "`each`")
        return None if pattern is None else Numbered(pattern)
    pair = _pair(reader, node, form)
    if pair is None:
        return None
    return Noise(path, *pair) if form == "noise" else Line(*pair)


def _pair(reader: Reader, node: Node, form: str) -> tuple[float, float] | None:
    items = reader.items(node, f"`{form}`") or []
    numbers = [reader.number(item, f"`{form}`") for item in items]
    if len(numbers) == 2 and numbers[0] is not None and numbers[1] is not None:
        return numbers[0], numbers[1]
    if None not in numbers:
        due = "its mean and its spread" if form == "noise" else "the first and the last value"
        reader.report.error(node, f"`{form}` takes two numbers: {due}.", f"Write {{{form}: [40, 3]}}.")
    return None


def _mix(reader: Reader, node: Node, path: str) -> Mix | None:
    if not isinstance(node, MapNode) or not node.entries:
        reader.report.error(node, "`mix` must be a mapping of values to shares.", "Write {mix: {ok: 95%, bad: 5%}}.")
        return None
    shares = [(value_of(key), reader.share(value, f"The share of `{key.text}`")) for key, value in node.entries]
    known = [(value, share) for value, share in shares if share is not None]
    if len(known) < len(shares):
        return None
    if abs(sum(share for _, share in known) - 1.0) > 1e-9:
        reader.report.error(node, f"The shares of `{path}` do not add up to 100%.", "Correct one of them.")
        return None
    return Mix(tuple(known))


def _steps(reader: Reader, node: Node, path: str) -> Steps | None:
    text = reader.text(node, "`steps`", 2000)
    if text is None:
        return None
    runs: list[tuple[Any, float, int]] = []
    for word in text.split():
        match = _NUMBERS.fullmatch(word) or _TEXTS.fullmatch(word)
        assert match is not None  # any word is a text
        value = value_of(TextNode(match[1], node.position))
        runs.append((value, float(match[2] or 0.0), int(match[3] or 1)))
    return Steps(tuple(runs))
