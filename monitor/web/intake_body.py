"""Request bodies, read and inflated within bounds."""

from __future__ import annotations

import zlib
from collections.abc import Awaitable, Callable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import zstandard

from monitor.web.problems import Problem

T = TypeVar("T")
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]

_PIECE = 256 << 10
_SLICE = 4 << 10  # of a gzip body: a member that ends in it copies the rest of it, not of the whole body
_MEMBERS = 10_000  # of gzip or zstd; each takes a few microseconds however empty it is
# A zstd block of four bytes may stand for 128 kB: this much input can never become more than 16 MB at once.
_ZSTD_SLICE = 512
_ZSTD_WINDOW = 8 << 20  # what RFC 9659 asks of HTTP
_CODINGS = {"": "", "identity": "", "gzip": "gzip", "x-gzip": "gzip", "zstd": "zstd"}


@dataclass(frozen=True, slots=True)
class Caps:
    """body_bytes: of one post, sent and inflated. pending_bytes, pending_posts: of all that wait for an answer; as much
    again may be under way here. waiting_events: accepted and not observed yet.

    quick_bytes: larger bodies are checked beside the event loop.
    """

    body_bytes: int = 32 << 20
    pending_bytes: int = 256 << 20
    pending_posts: int = 20_000
    quick_bytes: int = 256 << 10
    waiting_events: int = 5_000_000


class GoneError(Exception):
    """The sender hung up before its body was complete; there is nobody to answer."""


def coding_of(headers: Mapping[str, str]) -> str:
    """`gzip`, `zstd` or nothing. Raises Problem."""
    named = headers.get("content-encoding", "").strip().lower()
    if named not in _CODINGS:
        raise Problem(
            415,
            f"The Content-Encoding {named[:60]!r} is not taken: send the body plain, or as gzip or zstd.",
            {"Accept-Encoding": "gzip, zstd"},
        )
    return _CODINGS[named]


class Memory:
    """What the bodies of all posts under way may take together."""

    def __init__(self, most: int) -> None:
        self._most, self._held = most, 0

    @contextmanager
    def hold(self) -> Iterator[Callable[[int], None]]:
        """A function that takes some bytes more, or raises Problem; all are given back at the end."""
        held = 0

        def take(size: int) -> None:
            nonlocal held
            if self._held + size > self._most:
                raise unavailable("More bodies are being read than memory is set aside for", 1)
            self._held += size
            held += size

        try:
            yield take
        finally:
            self._held -= held


async def read(receive: Receive, headers: Mapping[str, str], cap: int, take: Callable[[int], None]) -> bytes:
    """The body as it was sent; `take` is called for each part. Raises Problem and GoneError."""
    announced = headers.get("content-length", "0")
    if announced.isdecimal() and int(announced[:20]) > cap:
        raise too_large(cap)
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise GoneError
        part = message.get("body", b"")
        take(len(part))
        size += len(part)
        if size > cap:
            raise too_large(cap)
        parts.append(part)
        if not message.get("more_body", False):
            return parts[0] if len(parts) == 1 else b"".join(parts)


def inflate(data: bytes, coding: str, cap: int) -> bytes:
    """The body as it was meant. Raises Problem: 413 as soon as there is more than `cap`, 400 if it is broken."""
    if not coding:
        return data
    parts: list[bytes] = []
    size = 0
    try:
        for part in _gunzip(data) if coding == "gzip" else _unzstd(data):
            size += len(part)
            if size > cap:
                raise too_large(cap)
            parts.append(part)
    except (zlib.error, zstandard.ZstdError) as problem:
        raise Problem(400, f"The body is no valid {coding}: {problem}. Compress it again.") from problem
    except _TooManyError as problem:
        raise Problem(
            400, f"The {coding} body has more than {_MEMBERS:,} members: compress all of it at once."
        ) from problem
    except EOFError as problem:
        raise Problem(400, f"The {coding} body is cut short: send it again, whole.") from problem
    return b"".join(parts)


def unavailable(reason: str, seconds: int) -> Problem:
    """Try again later; nothing was kept."""
    return Problem(
        503,
        f"{reason.rstrip('.')}. Nothing of this post was kept: send it again in {seconds} s.",
        {"Retry-After": str(seconds)},
    )


def too_large(cap: int) -> Problem:
    return Problem(
        413,
        f"A body may have {cap / (1 << 20):g} MB, also once it is inflated: send fewer events in each post.",
        {"Connection": "close"},
    )


class _TooManyError(Exception):
    """A body of more members than are taken."""


def _gunzip(data: bytes) -> Iterator[bytes]:
    members = _members(lambda: zlib.decompressobj(wbits=31))
    member = None
    for start in range(0, len(data), _SLICE):
        left = data[start : start + _SLICE]
        while left:
            member = next(members) if member is None or member.eof else member
            yield member.decompress(left, _PIECE)
            left = member.unused_data if member.eof else member.unconsumed_tail
    while member is not None and not member.eof:  # what it holds back beyond a piece
        part = member.decompress(b"", _PIECE)
        if not part:
            raise EOFError
        yield part


def _unzstd(data: bytes) -> Iterator[bytes]:
    frames = _members(zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW).decompressobj)
    frame = None
    for start in range(0, len(data), _ZSTD_SLICE):
        left = data[start : start + _ZSTD_SLICE]
        while left:
            frame = next(frames) if frame is None or frame.eof else frame
            yield frame.decompress(left)
            left = frame.unused_data if frame.eof else b""
    if frame is not None and not frame.eof:
        raise EOFError


def _members(make: Callable[[], T]) -> Iterator[T]:
    """A new inflater for each part of a body that is compressed by itself."""
    for _ in range(_MEMBERS):
        yield make()
    raise _TooManyError
