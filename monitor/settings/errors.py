"""A setting that cannot be used, named with its place."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from difflib import get_close_matches


class SettingsError(Exception):
    """The text is one or two sentences: which setting, where, what is wrong, what would be right. Never a secret."""


def nearest(word: str, words: Iterable[str], cutoff: float = 0.6) -> str | None:
    found = get_close_matches(word, list(words), n=1, cutoff=cutoff)
    return found[0] if found else None


def unknown(what: str, word: str, words: Iterable[str]) -> str:
    """`what` is what there is no `word` among `words` of: "no receiver called"."""
    known = sorted(words)
    close = nearest(word, known)
    if close:
        return f'There is no {what} "{word}". Did you mean "{close}"?'
    return f'There is no {what} "{word}". ' + (f"There are: {', '.join(known)}." if known else "There are none.")


def shown(value: object) -> str:
    """A value as it may stand in a message: short, and without what a URL holds before its @."""
    text = json.dumps(value, default=str, ensure_ascii=False)
    text = re.sub(r"//[^/@\s]*@", "//***@", text)
    return text if len(text) <= 60 else text[:57] + "..."
