"""Secrets do not reach a log, whoever wrote the line."""

from __future__ import annotations

import json
import re
import threading
from urllib.parse import quote

HIDDEN = "***"
SHORTEST = 4  # characters: hiding less would make lines unreadable and hide nothing
# What looks like a secret even if nobody named it: what stands before the @ of a URL, tokens, ours by their prefix.
_SHAPES = re.compile(r"(?<=://)[^/\s@\"']+(?=@)|(?<=[Bb]earer )[\w.~+/-]+=*|\bovl_[\w-]{8,}")


class Redactor:
    """Replaces known secrets, in the ways they may be written, and what has the shape of one."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._forms: set[str] = set()
        self._known: re.Pattern[str] | None = None

    def add(self, *secrets: str) -> None:
        """From now on these are hidden. Those shorter than four characters are left."""
        with self._mutex:
            for secret in secrets:
                forms = {secret, quote(secret), quote(secret, safe=""), *_escaped(secret)}
                self._forms |= {form for form in forms if len(form) >= SHORTEST}
            if self._forms:
                longest_first = sorted(self._forms, key=len, reverse=True)
                self._known = re.compile("|".join(map(re.escape, longest_first)))

    def __call__(self, text: str) -> str:
        if self._known:
            text = self._known.sub(HIDDEN, text)
        return _SHAPES.sub(HIDDEN, text)


def _escaped(secret: str) -> tuple[str, str]:
    """As it stands inside a JSON text, with and without letters beyond ASCII."""
    return json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]
