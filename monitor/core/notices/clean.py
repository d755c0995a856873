"""Text from outside, made fit for mail, chat, terminals and logs."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

# Control and format characters (bidirectional overrides, zero-width marks), lone surrogates, private use, unassigned.
_UNFIT: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn"})
_TAG: Final = re.compile(r"<(?=[!@#/A-Za-z])")  # <!here>, <@U123>, <#C123>, <https://…|label>, HTML
_MENTION: Final = re.compile(r"@+(?=here|channel|everyone|all|group|[!&]|\w)", re.IGNORECASE)
_INSIDE_WORD: Final = re.compile(r"(?<=\w)@(?!here|channel|everyone|all|group)(?=\w)", re.IGNORECASE)


def clean(text: str, limit: int = 200, lines: bool = False) -> str:
    """`text` without control characters and chat commands, white space folded, at most `limit` characters.

    `@here`, `@channel` and other mentions lose their sign, `<!…>` and tags their opening bracket; `fraud@4.1` keeps
    its sign. With `lines` line breaks stay. Cleaning twice is cleaning once.
    """
    if lines:
        kept = (clean(line, limit) for line in text.splitlines())
        return _cut("\n".join(kept).strip("\n"), limit)
    fit = "".join(_fit(character) for character in text[: 20 * limit + 1000])
    fit = _TAG.sub("‹", fit)
    fit = _MENTION.sub(lambda found: found.group() if _part_of_word(fit, found) else "", fit)
    return _cut(" ".join(fit.split()), limit)


def _fit(character: str) -> str:
    if character == "＠":
        return "@"
    category = unicodedata.category(character)
    if category in ("Zl", "Zp", "Zs") or character in "\t\n\r\v\f":
        return " "
    return "" if category in _UNFIT else character


def _part_of_word(text: str, found: re.Match[str]) -> bool:
    return found.group() == "@" and _INSIDE_WORD.match(text, found.start()) is not None


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"
