"""Ids as people type them: the beginning is enough where it names one thing."""

from __future__ import annotations

from collections.abc import Iterable

from monitor.cli.context import fail

WHOLE = 36  # characters of a uuid
SHORT = 8  # characters that tables show
_NAMED = 5  # of those that an ambiguous beginning could mean


def whole_id(beginning: str, known: Iterable[str], noun: str, see: str) -> str:
    """The one of the known ids that begins so. Ends the command if none does, or several do."""
    found = [id_ for id_ in known if beginning and id_.startswith(beginning)]
    if len(found) == 1:
        return found[0]
    if not found:
        fail(f"No {noun} has an id that begins with {beginning!r}; see `{see}`.")
    named = ", ".join(found[:_NAMED]) + (" …" if len(found) > _NAMED else "")
    return fail(f"{len(found)} {noun}s have an id that begins with {beginning!r}: {named}. Write more of it.")
