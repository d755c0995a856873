"""Regular expressions for `matches` that take linear time whatever the text: a position automaton, run as bit sets.

Python's `re` backtracks, so a text from outside could stall the daemon (`.*a.*b` takes time in the square of its
length). Here one step a character is all there is. The syntax is the usual one without back-references,
look-around and word boundaries; `^` and `$` are the ends of the whole text, and a match may lie anywhere in it.
Construction: V. M. Glushkov, The abstract theory of automata, 1961.
"""

from __future__ import annotations

from dataclasses import dataclass

from monitor.core.rules.pattern_syntax import BEGIN, END, Node, PatternError, parse

MAX_POSITIONS = 500  # after repetitions are written out
MAX_CACHE = 20_000

__all__ = ["Pattern", "PatternError"]


@dataclass(frozen=True, slots=True)
class _Part:
    """A sub-pattern: whether it matches nothing, and the positions it can begin and end with, as bits."""

    nullable: bool
    first: int
    last: int


class Pattern:
    """A compiled pattern. Raises PatternError where the text is no pattern or too large a one."""

    def __init__(self, text: str) -> None:
        root = parse(text)
        self._letters: list[Node] = []
        self._follow: list[int] = []
        self._built = 0
        whole = self._build(root)
        self._always, self._first, self._last = whole.nullable, whole.first, whole.last
        self._accepts: dict[str, int] = {}
        self._steps: dict[tuple[int, str], int] = {}
        self._begin = self._settle(0, BEGIN)

    def search(self, text: str) -> bool:
        """Whether the pattern matches somewhere in `text`."""
        if self._always:
            return True
        steps, last, state = self._steps, self._last, self._begin
        if state & last:
            return True
        for character in text:
            key = (state, character)
            state = steps[key] if key in steps else self._step(*key)
            if state & last:
                return True
        return bool(self._settle(state, END) & last)

    def _settle(self, state: int, end: str) -> int:
        """The state after an end of the text, which takes no character: `^^` matches where `^` does."""
        while True:
            key = (state, end)
            further = state | (self._steps[key] if key in self._steps else self._step(*key))
            if further == state:
                return state
            state = further

    def _step(self, state: int, character: str) -> int:
        reachable = self._first  # a match may begin at every character
        rest = state
        while rest:
            low = rest & -rest
            reachable |= self._follow[low.bit_length() - 1]
            rest ^= low
        if character not in self._accepts:
            if len(self._accepts) > MAX_CACHE:
                self._accepts.clear()
            self._accepts[character] = self._mask(character)
        if len(self._steps) > MAX_CACHE:
            self._steps.clear()
        following = self._steps[state, character] = reachable & self._accepts[character]
        return following

    def _mask(self, character: str) -> int:
        """The positions that accept a character."""
        return sum(1 << i for i, letter in enumerate(self._letters) if letter.accepts(character))

    def _build(self, node: Node) -> _Part:
        self._built += 1
        if self._built > 10 * MAX_POSITIONS or len(self._letters) >= MAX_POSITIONS:
            raise PatternError("This pattern is too large once its repetitions are written out.", "Repeat less often.")
        if node.kind == "letter":
            self._letters.append(node)
            self._follow.append(0)
            bit = 1 << (len(self._letters) - 1)
            return _Part(False, bit, bit)
        if node.kind == "either":
            parts = [self._build(branch) for branch in node.parts]
            first, last = 0, 0
            for part in parts:
                first, last = first | part.first, last | part.last
            return _Part(any(part.nullable for part in parts), first, last)
        if node.kind == "repeat":
            return self._repeat(node)
        whole = _Part(True, 0, 0)
        for part_node in node.parts:
            whole = self._then(whole, self._build(part_node))
        return whole

    def _repeat(self, node: Node) -> _Part:
        (body,) = node.parts
        whole = _Part(True, 0, 0)
        for _ in range(node.low):
            whole = self._then(whole, self._build(body))
        if node.high is None:
            again = self._build(body)
            self._link(again.last, again.first)
            return self._then(whole, _Part(True, again.first, again.last))
        optional = _Part(True, 0, 0)
        for _ in range(node.high - node.low):  # from the last copy back: x{0,2} is (x(x)?)?
            inner = self._then(self._build(body), optional)
            optional = _Part(True, inner.first, inner.last)
        return self._then(whole, optional)

    def _then(self, a: _Part, b: _Part) -> _Part:
        self._link(a.last, b.first)
        first = a.first | b.first if a.nullable else a.first
        last = a.last | b.last if b.nullable else b.last
        return _Part(a.nullable and b.nullable, first, last)

    def _link(self, last: int, first: int) -> None:
        while last:
            low = last & -last
            self._follow[low.bit_length() - 1] |= first
            last ^= low
