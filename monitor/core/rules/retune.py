"""Another tolerance in the text of a pack, and nothing else of it changed."""

from __future__ import annotations

import re
from dataclasses import dataclass

_SET = re.compile(r"(\btolerance:\s*)[^,}\s]+")
_FLOW = re.compile(r"^(\s*(?:-\s+)?detect:\s*\{.*?)\s*\}(\s*(?:#.*)?)$")
_BLOCK = re.compile(r"^(\s*)(?:-\s+)?detect:\s*(?:#.*)?$")


@dataclass(frozen=True, slots=True)
class Edit:
    """Line `line` (from 1) of a file: `before` becomes `after`, perhaps several lines; `text` is the whole file."""

    line: int
    before: str
    after: str
    text: str


def retuned(text: str, line: int, tolerance: float) -> Edit | None:
    """The edit that gives the rule at `line` this tolerance; None if its `detect` is not written plainly."""
    lines = text.split("\n")
    for number in range(line - 1, len(lines)):
        if number > line - 1 and re.match(r"^\s*-\s", lines[number]):
            return None  # the next rule
        after = _changed(lines, number, tolerance)
        if after is not None:
            place, new = after
            edited = [*lines[:place], *new.split("\n"), *lines[place + 1 :]]
            return Edit(place + 1, lines[place], new, "\n".join(edited))
    return None


def _changed(lines: list[str], number: int, tolerance: float) -> tuple[int, str] | None:
    """Which line changes, and to what, if the `detect` of the rule begins at this one."""
    here = lines[number]
    flow = _FLOW.match(here)
    if flow is not None:
        if _SET.search(here):
            return number, _SET.sub(rf"\g<1>{tolerance:g}", here, count=1)
        return number, f"{flow[1]}, tolerance: {tolerance:g}}}{flow[2]}"
    if _BLOCK.match(here) is None:
        return None
    inner = re.match(r"\s*", lines[number + 1])[0] if number + 1 < len(lines) else ""  # type: ignore[index]
    for place in range(number + 1, len(lines)):
        if not lines[place].startswith(inner) or not inner:
            break
        if lines[place].startswith(f"{inner}tolerance:"):
            return place, _SET.sub(rf"\g<1>{tolerance:g}", lines[place], count=1)
    return number, f"{here}\n{inner}tolerance: {tolerance:g}"
