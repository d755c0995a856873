"""Reading nodes by what is due: keys, texts, durations, shares. Every refusal is collected, none is raised."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from typing import Literal, TypeVar

from monitor.core.rules.diagnose import Report, meant, nearest
from monitor.core.rules.model import Scalar
from monitor.core.rules.nodes import ListNode, MapNode, Node, TextNode, kind_of
from monitor.core.rules.quantities import (
    QuantityError,
    parse_duration,
    parse_factor,
    parse_number,
    parse_ratio,
    parse_share,
)

T = TypeVar("T")
L = TypeVar("L", bound=str)

_PARAM = re.compile(r"\$([A-Za-z_]\w*)", re.ASCII)


class Reader:
    """Reads the nodes of one document with the `params` in force. Each method answers None where it refused."""

    def __init__(self, report: Report, params: Mapping[str, Scalar]) -> None:
        self.report = report
        self.params = params

    # -- mappings and lists -------------------------------------------------------------------------------------

    def fields(
        self, node: Node, what: str, known: Collection[str], required: Iterable[str] = (), example: str = ""
    ) -> dict[str, Node] | None:
        """The values of a mapping by key. Unknown, empty and absent keys are refused."""
        fix = f"Write it like this: {example}" if example else ""
        if not isinstance(node, MapNode):
            self.report.error(node, f"{what} must be a mapping of keys to values, but here is {kind_of(node)}.", fix)
            return None
        values: dict[str, Node] = {}
        given: set[str | None] = set()  # a misspelt key is not told a second time as absent
        for key, value in node.entries:
            given |= {key.text, nearest(key.text, known) if key.text not in known else None}
            if key.text not in known:
                self.unknown(key, f"`{key.text}` is no key of {what}.", known)
            elif isinstance(value, TextNode) and value.empty:
                self.report.error(key, f"`{key.text}` has no value.", fix or "Give it a value or delete the line.")
            else:
                values[key.text] = value
        for name in required:
            if name not in given:
                self.report.error(node, f"{what} needs the key `{name}`.", fix)
        return values

    def unknown(self, node: TextNode, message: str, known: Iterable[str]) -> None:
        """Refuse a word that is none of the known ones."""
        options = list(known)
        self.report.error(node, message, meant(node.text, options), nearest(node.text, options))

    def items(self, node: Node, what: str) -> list[TextNode] | None:
        """The texts of a list; a single text is a list of one."""
        if isinstance(node, TextNode):
            node = ListNode((node,), node.position, node.width)
        if not isinstance(node, ListNode) or not all(isinstance(item, TextNode) for item in node.items):
            self.report.error(node, f"{what} must be a list of texts.", "Write it like this: [one, two]")
            return None
        if not node.items:
            self.report.error(node, f"{what} is an empty list.", "Name at least one, or delete the key.")
            return None
        return [item for item in node.items if isinstance(item, TextNode)]

    # -- scalars ------------------------------------------------------------------------------------------------

    def resolved(self, node: TextNode) -> TextNode | None:
        """`$name` as the value of that parameter, at the place where the name stands."""
        match = _PARAM.fullmatch(node.text)
        if match is None:
            return node
        if match[1] not in self.params:
            self.unknown_param(node, match[1])
            return None
        return replace(node, text=plain(self.params[match[1]]), style="$")

    def unknown_param(self, node: TextNode, name: str) -> None:
        known = [f"${param}" for param in self.params]
        fix = meant(f"${name}", known) if known else f"Add `params: {{{name}: …}}` to the pack."
        self.report.error(node, f"The parameter `${name}` is not in `params`.", fix, nearest(f"${name}", known))

    def text(self, node: Node, what: str, limit: int = 200) -> str | None:
        """A text that is not blank."""
        if not isinstance(node, TextNode):
            self.report.error(node, f"{what} must be a text, but here is {kind_of(node)}.", "Put quotes around it.")
            return None
        resolved = self.resolved(node)
        if resolved is None:
            return None
        text = resolved.text.strip()
        if not text:
            self.report.error(node, f"{what} is empty.", "Write a text, or delete the key.")
            return None
        if len(text) > limit:
            self.report.error(node, f"{what} has {len(text)} characters; at most {limit} are allowed.", "Shorten it.")
            return None
        return text

    def duration(self, node: Node, what: str, low: float, high: float, span: str) -> float | None:
        """Seconds between `low` and `high`; `span` says the same for people: "1s to 90d"."""
        value = self._quantity(node, what, parse_duration)
        if value is not None and not low <= value <= high:
            self.report.error(node, f"{what} must be from {span}.", f"Write a duration from {span}.")
            return None
        return value

    def number(self, node: Node, what: str, low: float | None = None, high: float | None = None) -> float | None:
        value = self._quantity(node, what, parse_number)
        return self._within(node, what, value, low, high)

    def whole(self, node: Node, what: str, low: int, high: int) -> int | None:
        value = self.number(node, what, low, high)
        if value is not None and not value.is_integer():
            self.report.error(node, f"{what} must be a whole number.", f"Write {round(value)}.")
            return None
        return None if value is None else int(value)

    def share(self, node: Node, what: str) -> float | None:
        """A share: `5%` is 0.05."""
        return self._quantity(node, what, parse_share)

    def ratio(self, node: Node, what: str) -> float | None:
        """A relative amount of any size: `-80%` is -0.8."""
        return self._quantity(node, what, parse_ratio)

    def factor(self, node: Node, what: str) -> float | None:
        """A number or a percentage: `125%` is 1.25."""
        return self._quantity(node, what, parse_factor)

    def choice(self, node: Node, what: str, options: tuple[L, ...]) -> L | None:
        """One of some words."""
        text = self.text(node, what)
        if text is None:
            return None
        if text in options:
            return text
        assert isinstance(node, TextNode)
        self.report.error(node, f"`{text}` is no {what}.", meant(text, options), nearest(text, options))
        return None

    def flag(self, node: Node, what: str) -> bool | None:
        word: Literal["true", "false"] | None = self.choice(node, what, ("true", "false"))
        return None if word is None else word == "true"

    def _quantity(self, node: Node, what: str, parse: Callable[[str], float]) -> float | None:
        text = self.text(node, what)
        if text is None:
            return None
        try:
            return parse(text)
        except QuantityError as problem:
            self.report.error(node, f"{what}: {problem.message}", problem.fix)
            return None

    def _within(
        self, node: Node, what: str, value: float | None, low: float | None, high: float | None
    ) -> float | None:
        if value is None or ((low is None or value >= low) and (high is None or value <= high)):
            return value
        bounds = " and ".join(
            ([] if low is None else [f"at least {low:g}"]) + ([] if high is None else [f"at most {high:g}"])
        )
        self.report.error(node, f"{what} is {value:g}, but must be {bounds}.", f"Write a number of {bounds}.")
        return None


def plain(value: Scalar) -> str:
    """A parameter's value as it would be written in a rule file."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else repr(value)


def read_scalar(node: TextNode) -> Scalar:
    """A value whose type nothing but its own look decides: a number, true or false, else text."""
    if node.style:
        return node.text
    if node.text in ("true", "false"):
        return node.text == "true"
    try:
        value = parse_number(node.text)
    except QuantityError:
        return node.text
    return int(value) if value.is_integer() and abs(value) < 2**53 and node.text.lstrip("+-").isdigit() else value
