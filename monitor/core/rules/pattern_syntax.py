"""The text of a regular expression -> its parts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

MAX_LENGTH = 256
MAX_DEPTH = 20
MAX_REPEAT = 100
BEGIN, END = "^^", "$$"  # the ends of a text; no character is two long

Test = Callable[[str], bool]
_CLASSES: dict[str, Test] = {
    "d": str.isdecimal,
    "w": lambda c: c.isalnum() or c == "_",
    "s": str.isspace,
}
_CONTROLS = {"t": "\t", "n": "\n", "r": "\r"}


class PatternError(ValueError):
    """This text is no pattern the language has. `message` is a sentence, `fix` says what would be right."""

    def __init__(self, message: str, fix: str) -> None:
        super().__init__(message)
        self.message, self.fix = message, fix


@dataclass(frozen=True, slots=True)
class Node:
    """A part of a pattern: a letter (what it accepts), a sequence or alternatives of parts, or a repetition of one."""

    kind: Literal["letter", "sequence", "either", "repeat"]
    parts: tuple[Node, ...] = ()
    low: int = 0
    high: int | None = None
    test: Test = lambda character: False
    end: str = ""  # a letter that is an end of the text

    def accepts(self, character: str) -> bool:
        """Whether a letter accepts a character or an end of the text."""
        return character == self.end if self.end else len(character) == 1 and self.test(character)


def parse(text: str) -> Node:
    """The root of a pattern. Raises PatternError."""
    if len(text) > MAX_LENGTH:
        raise PatternError(f"This pattern has {len(text)} characters; {MAX_LENGTH} are allowed.", "Use a shorter one.")
    ignore_case = text.startswith("(?i)")
    reader = _Reader(text[4:] if ignore_case else text, ignore_case)
    root = reader.either(0)
    if reader.rest:
        raise PatternError("A `)` in this pattern closes nothing.", "Write \\) for the sign itself.")
    return root


class _Reader:
    """Recursive descent: alternatives of sequences of repeated atoms."""

    def __init__(self, text: str, ignore_case: bool) -> None:
        self.text = text
        self.at = 0
        self._case: Callable[[Test], Test] = _in_any_case if ignore_case else lambda test: test

    @property
    def rest(self) -> bool:
        return self.at < len(self.text)

    def peek(self) -> str:
        return self.text[self.at : self.at + 1]

    def take(self) -> str:
        character = self.peek()
        if not character:
            raise PatternError("This pattern ends too early.", "Close brackets; write \\\\ for a backslash.")
        self.at += 1
        return character

    def either(self, depth: int) -> Node:
        if depth > MAX_DEPTH:
            raise PatternError(f"This pattern is nested more than {MAX_DEPTH} deep.", "Use fewer brackets.")
        branches = [self.sequence(depth)]
        while self.peek() == "|":
            self.take()
            branches.append(self.sequence(depth))
        return branches[0] if len(branches) == 1 else Node("either", tuple(branches))

    def sequence(self, depth: int) -> Node:
        parts: list[Node] = []
        while self.rest and self.peek() not in "|)":
            parts.append(self.repeated(self.atom(depth)))
        return Node("sequence", tuple(parts))

    def repeated(self, atom: Node) -> Node:
        if self.peek() == "" or self.peek() not in "*+?{":
            return atom
        sign = self.take()
        low, high = self.braces() if sign == "{" else {"*": (0, None), "+": (1, None), "?": (0, 1)}[sign]
        if self.peek() == "?":
            self.take()  # "as few as possible" makes no difference to whether there is a match
        if self.peek() and self.peek() in "*+?{":
            raise PatternError("Two repetitions follow each other in this pattern.", "Put brackets around the first.")
        return Node("repeat", (atom,), low, high)

    def braces(self) -> tuple[int, int | None]:
        end = self.text.find("}", self.at)
        low, comma, high = self.text[self.at : max(end, self.at)].partition(",")
        if end < 0 or not _count(low) or not (high == "" or _count(high)):
            raise PatternError("A `{` in this pattern begins no repetition.", "Write {2}, {2,} or {2,5}, or \\{.")
        self.at = end + 1
        least, most = int(low), int(high) if high else None if comma else int(low)
        if max(least, most or 0) > MAX_REPEAT or (most is not None and most < least):
            raise PatternError(f"A repetition in this pattern is not within 0 to {MAX_REPEAT}.", "Write {2,5}.")
        return least, most

    def atom(self, depth: int) -> Node:
        character = self.take()
        if character == "(":
            return self.group(depth)
        if character == "[":
            return _letter(self.members())
        if character == "\\":
            return _letter(self.escape())
        if character in "*+?{":
            raise PatternError(f"`{character}` in this pattern repeats nothing.", f"Write \\{character}.")
        if character == ".":
            return _letter(lambda c: c != "\n")
        if character in "^$":
            return Node("letter", end=BEGIN if character == "^" else END)
        return _letter(self._case(character.__eq__))

    def group(self, depth: int) -> Node:
        if self.peek() == "?":
            self.take()
            if self.take() != ":":
                message = "Only plain groups (…) and (?:…) are part of the rule language."
                raise PatternError(message, "Write (?i) only at the very start; use two conditions for look-around.")
        inner = self.either(depth + 1)
        if self.take() != ")":
            raise PatternError("A group in this pattern is not closed.", "Add a `)`.")
        return inner

    def escape(self) -> Test:
        character = self.take()
        if character.lower() in _CLASSES:
            inside = _CLASSES[character.lower()]
            return inside if character.islower() else lambda c: not inside(c)
        if character in _CONTROLS:
            return _CONTROLS[character].__eq__
        if character.isalnum():
            message = f"`\\{character}` is not part of the rule language's patterns."
            raise PatternError(message, "Use \\d, \\w, \\s, \\D, \\W, \\S or a sign behind the backslash.")
        return character.__eq__

    def members(self) -> Test:
        """What stands between [ and ]."""
        negated = self.peek() == "^"
        if negated:
            self.take()
        tests: list[Test] = []
        while self.peek() != "]" or not tests:
            tests.append(self.member())
        self.take()
        inside = self._case(lambda c: any(test(c) for test in tests))
        return lambda c: inside(c) != negated

    def member(self) -> Test:
        first = self.take()
        if first == "\\":
            return self.escape()
        if self.peek() == "-" and self.text[self.at + 1 : self.at + 2] not in ("]", ""):
            self.take()
            last = self.take()
            if last == "\\" or last < first:
                raise PatternError(f"`{first}-{last}` in this pattern is no range.", "Write a range such as a-z.")
            return lambda c: first <= c <= last
        return first.__eq__


def _in_any_case(test: Test) -> Test:
    return lambda c: test(c) or test(c.lower()) or test(c.upper())


def _letter(test: Test) -> Node:
    return Node("letter", test=test)


def _count(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 4
