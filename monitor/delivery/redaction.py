"""Which parts of a receiver's URL are secrets, and how they are kept out of every text."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Iterable, Iterator
from ipaddress import ip_address
from urllib.parse import quote, quote_plus, unquote, unquote_plus

MASK = "***"
_MINIMUM = 3  # shorter pieces occur in any sentence
_OPTIONS = frozenset(  # Apprise's own, which every URL may have: their values are no secrets but common words
    ("format", "overflow", "emojis", "verify", "redirect", "retry", "wait", "optional", "rto", "cto", "store", "image")
)
_HOSTNAME = re.compile(r"(?=.{4,253}\.?$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}\.?", re.IGNORECASE)
_TELLING = 8  # shorter pieces, and single words without digits, may stand in a log that is not about the receiver
_COMMON = re.compile(r"[a-z]{,15}|[A-Z]?[a-z]{,11}|[\d.]*")
_PORT = re.compile(r"\d{1,5}")


class Redactor:
    """Replaces every secret of one URL, however it is spelled, by `***`. Its repr shows nothing."""

    def __init__(self, url: str, hide_host: bool = False, also: Iterable[str] = ()) -> None:
        """`hide_host`: the service's own masked form hides the host, so it is a secret even if it looks like one."""
        found = {form for piece in (*_pieces(url, hide_host), *also) for form in _spellings(piece)}
        secrets = [secret for secret in found if len(secret) >= _MINIMUM]
        secrets.sort(key=lambda s: (-len(s), s))  # the longest first, so that no tail of one is left
        self._pattern = re.compile("|".join(map(re.escape, secrets)), re.IGNORECASE) if secrets else None

    def clean(self, text: str) -> str:
        return text if self._pattern is None else self._pattern.sub(MASK, text)

    def __repr__(self) -> str:
        return "Redactor(…)"


def telling_parts(url: str) -> list[str]:
    """Parts of a URL that must not stand in any log, even alone: logins, and what is too odd to be a common word."""
    authority = split_url(url.strip())[1]
    login = [piece for piece in re.split(r"[:@]", authority.rpartition("@")[0]) if len(piece) > _MINIMUM]
    odd = [piece for piece in _pieces(url, hide_host=False) if len(piece) >= _TELLING and not _COMMON.fullmatch(piece)]
    return [url, *login, *odd]


def split_url(url: str) -> tuple[str, str, str, str]:
    """Scheme, authority, path (with fragment), query. Apprise's URLs are no RFC 3986: tokens stand anywhere."""
    scheme, _, rest = url.partition("://")
    if not rest:
        return "", scheme, "", ""
    before, _, query = rest.partition("?")
    authority, _, path = before.partition("/")
    return scheme, authority, path, query


def _pieces(url: str, hide_host: bool) -> Iterator[str]:
    _, authority, path, query = split_url(url.strip())
    user_info, at, host_port = authority.rpartition("@")
    if at:
        yield user_info
        yield from re.split(r"[:@]", user_info)
        yield b64encode(unquote(user_info).encode()).decode()  # as in an Authorization header
    for piece in (host_port, *([] if host_port.startswith("[") else re.split(r"[:,]", host_port))):
        if piece and (hide_host or not _looks_like_host(piece)):
            yield piece
    yield path
    for part in re.split(r"[/#]", path):
        yield part
        yield from re.split(r"[,;:@]", part)
    for pair in re.split(r"[&;]", query):
        key, equals, value = pair.partition("=")
        value = value if equals else key
        if key.lower() not in _OPTIONS:
            yield value
            yield from re.split(r"[,/@]", value)


def _looks_like_host(piece: str) -> bool:
    bare = piece[1:].partition("]")[0] if piece.startswith("[") else piece.partition(":")[0]
    if _PORT.fullmatch(piece) or bare.lower() == "localhost" or _HOSTNAME.fullmatch(bare):
        return True
    try:
        ip_address(bare)
    except ValueError:
        return False
    return True


def _spellings(piece: str) -> Iterator[str]:
    piece = piece.strip("/ ")
    for plain in {piece, unquote(piece), unquote_plus(piece)}:
        yield from (plain, quote(plain), quote(plain, safe=""), quote_plus(plain), json.dumps(plain)[1:-1])
