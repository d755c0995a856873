"""A rule file as plain nodes: texts with positions. What a text means is decided by whoever reads it.

So `off` stays text where text is due, and `5%` is a share only where a share is due.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from monitor.core.rules.model import Position


@dataclass(frozen=True, slots=True)
class TextNode:
    """A scalar as written. `style` is YAML's quote or block sign, "" for plain text."""

    text: str
    position: Position
    style: str = ""
    width: int = 1  # characters it takes on its first line

    @property
    def empty(self) -> bool:
        """Nothing was written: `key:` and then the next line."""
        return not self.style and self.text in ("", "~", "null")


@dataclass(frozen=True, slots=True)
class ListNode:
    items: tuple[Node, ...]
    position: Position
    width: int = 1


@dataclass(frozen=True, slots=True)
class MapNode:
    """Keys are distinct; they keep the order of the file."""

    entries: tuple[tuple[TextNode, Node], ...]
    position: Position
    width: int = 1


Node = TextNode | ListNode | MapNode


@dataclass(frozen=True, slots=True)
class Document:
    """One file: its name as people know it, its whole text, and its root node."""

    file: str
    text: str
    root: Node
    lines: tuple[str, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "lines", tuple(self.text.split("\n")))

    def line(self, number: int) -> str:
        """A line of the text, counted from 1; "" beyond its end."""
        return self.lines[number - 1] if 0 < number <= len(self.lines) else ""


def kind_of(node: Node) -> str:
    """What a node is, in words for people."""
    if isinstance(node, MapNode):
        return "a mapping"
    if isinstance(node, ListNode):
        return "a list"
    return "nothing" if node.empty else "text"
