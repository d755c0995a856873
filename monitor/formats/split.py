"""A body into its lines: NDJSON, a JSON array, or one object."""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

_BOM = b"\xef\xbb\xbf"
_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[\]{},]', re.DOTALL)
_SEARCHED_BYTES = 8 << 20


class Unreadable(ValueError):  # noqa: N818
    """The body as a whole cannot be read; the message is a sentence for its sender."""


def split(body: bytes) -> list[tuple[int, bytes]]:
    """The lines of NDJSON, or the elements of an array, each with its number from 1; empty lines are left out."""
    body = body.removeprefix(_BOM)
    start = body[:64].lstrip()[:1] or body.lstrip()[:1]
    if start == b"[":
        return list(enumerate(_elements(body), 1))
    if start == b"{" and b"\n" in body and _is_one_object(body):
        return [(1, _on_one_line(body))]
    return [(number, line) for number, raw in enumerate(body.split(b"\n"), 1) if (line := raw.strip())]


def whole(body: bytes) -> bytes:
    """The body without what surrounds it, if it may be NDJSON: line ends of another system are made ours."""
    text = body.removeprefix(_BOM).strip()
    return text.replace(b"\r\n", b"\n") if b"\r" in text else text


def _is_one_object(body: bytes) -> bool:
    first = body.lstrip().split(b"\n", 1)[0]
    return not _decodes(first) and _decodes(body)


def _decodes(data: bytes) -> bool:
    try:
        msgspec.json.decode(data, type=msgspec.Raw)
    except (msgspec.MsgspecError, RecursionError):
        return False
    return True


def _elements(body: bytes) -> list[bytes]:
    try:
        return [_on_one_line(bytes(raw)) for raw in msgspec.json.decode(body, type=list[msgspec.Raw])]
    except (msgspec.MsgspecError, RecursionError) as problem:
        if len(body) > _SEARCHED_BYTES:
            raise Unreadable(
                f"The body is no valid JSON array ({problem}). Send one event a line, so that one broken event "
                f"does not stop the others."
            ) from None
    return [_on_one_line(element) for element in _searched(body)]


def _searched(body: bytes) -> Iterator[bytes]:
    """The elements by their commas and brackets, when one of them is not JSON. Raises Unreadable."""
    depth, start, opened = 0, 0, False
    for token in _TOKEN.finditer(body):
        mark = token.group()
        if mark in b"[{":
            depth += 1
            if not opened:
                opened, start = True, token.end()
        elif mark in b"]}":
            depth -= 1
            if depth == 0:
                last = body[start : token.start()]
                if last.strip():
                    yield last
                if body[token.end() :].strip():
                    raise Unreadable("The body goes on behind the end of its array.")
                return
        elif mark == b"," and depth == 1:
            yield body[start : token.start()]
            start = token.end()
    raise Unreadable("The array in the body has no end: it was cut off, or a bracket is missing.")


def _on_one_line(data: bytes) -> bytes:
    """Line ends stand only between the tokens of JSON, never inside its strings."""
    return data.replace(b"\r", b" ").replace(b"\n", b" ").strip()
