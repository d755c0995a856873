"""What is wrong with a rule file, where, and what would be right."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Literal

from monitor.core.rules.model import Position
from monitor.core.rules.nodes import Document, Node


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One finding about a rule file. `message` and `fix` are whole sentences; `source` is the line concerned.

    Lines and columns count from 1; `width` characters from `column` are underlined. `nearest` is the known word
    that an unknown one most likely meant.
    """

    severity: Literal["error", "warning"]
    file: str
    line: int
    column: int
    message: str
    fix: str = ""
    source: str = ""
    width: int = 1
    nearest: str | None = None


@dataclass(slots=True)
class Report:
    """Collects what is found in one document, so that a person sees all of it at once."""

    document: Document
    found: list[Diagnostic] = field(default_factory=list)
    note: str = ""  # said at the end of each message: under which settings the file was read

    def error(
        self, place: Node | Position, message: str, fix: str = "", nearest: str | None = None, width: int | None = None
    ) -> None:
        self.found.append(self._make("error", place, message, fix, nearest, width))

    def warn(self, place: Node | Position, message: str, fix: str = "") -> None:
        self.found.append(self._make("warning", place, message, fix, None, None))

    def sorted(self) -> list[Diagnostic]:
        """What was found, in the order of the file."""
        return sorted(self.found, key=lambda d: (d.line, d.column))

    @property
    def failed(self) -> bool:
        return any(d.severity == "error" for d in self.found)

    def _make(
        self,
        severity: Literal["error", "warning"],
        place: Node | Position,
        message: str,
        fix: str,
        nearest: str | None,
        width: int | None,
    ) -> Diagnostic:
        position = place if isinstance(place, Position) else place.position
        if width is None:
            width = 1 if isinstance(place, Position) else place.width
        source = self.document.line(position.line)
        return Diagnostic(
            severity,
            position.file,
            position.line,
            position.column,
            _cut(message[:1].upper() + message[1:]) + self.note,
            fix,
            source,
            max(1, min(width, len(source) - position.column + 1)),
            nearest,
        )


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that `word` most likely meant, if any is near."""
    options = {option.lower(): option for option in known}
    close = get_close_matches(word[:64].lower(), options, n=1, cutoff=0.6)
    return options[close[0]] if close else None


def meant(word: str, known: Iterable[str]) -> str:
    """`Did you mean …?`, or the whole list where nothing is near."""
    options = list(known)
    close = nearest(word, options)
    if close is not None:
        return f"Did you mean `{close}`?"
    return f"Use one of {', '.join(options)}."


def render(diagnostic: Diagnostic) -> str:
    """The diagnostic as people read it: place, message, the line with a caret under the word, and the fix."""
    d = diagnostic
    text = [f"{d.file}:{d.line}:{d.column}: {d.severity}: {d.message}"]
    if d.source:
        gutter = f"{d.line:>5} | "
        start, end = (d.column - 61, d.column + 59) if d.column > 100 else (0, 160)
        text.append(gutter + _shown(d.source[start:end]))
        text.append(" " * 5 + " | " + " " * (d.column - 1 - start) + "^" * min(d.width, 60))
    if d.fix:
        text.append(f"        {d.fix}")
    return "\n".join(text)


def _cut(message: str) -> str:
    """A message that quotes a whole file says enough with its ends."""
    return message if len(message) <= 500 else f"{message[:300]} … {message[-150:]}"


def _shown(line: str) -> str:
    """A line that cannot move the caret or drive a terminal: one cell for each odd character."""
    return "".join(c if c.isprintable() else " " if c == "\t" else "\N{REPLACEMENT CHARACTER}" for c in line)
