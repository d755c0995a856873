"""Links by which whoever was called acknowledges without signing in: signed, and bound to a receiver."""

from __future__ import annotations

import hashlib
import hmac
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error
from dataclasses import dataclass
from typing import Final

LASTS: Final = 4 * 3600.0  # seconds; a reminder brings a new one
_PURPOSE: Final = b"overloop acknowledge link 1\0"
_SIGNATURE: Final = 16  # bytes
_LONGEST: Final = 1000  # characters
_TYPES: Final = [str, str, int, int, str]


class LinkError(Exception):
    """It cannot be used; the text says why, in a sentence."""


@dataclass(frozen=True, slots=True)
class Link:
    """`target` is the receiver it was sent to; `nonce` tells links apart. Daemon time, whole seconds."""

    incident: str
    target: str
    issued_at: int
    expires_at: int
    nonce: str

    @property
    def actor(self) -> str:
        """Under whose name it acts: the audit log says through which door."""
        return f"link:{self.target}"[:100]


def link_for(incident: str, target: str, notice: str, attempt: int, at: float) -> Link:
    """The link in one attempt at one message."""
    nonce = hashlib.sha256(f"{notice}/{attempt}".encode()).hexdigest()[:12]
    return Link(incident, target, int(at), int(at + LASTS), nonce)


def seal(link: Link, key: bytes) -> str:
    """As it stands in an address."""
    payload = json.dumps([link.incident, link.target, link.issued_at, link.expires_at, link.nonce]).encode()
    return _text(payload) + "." + _text(_sign(payload, key))


def unseal(text: str, key: bytes, at: float) -> Link:
    """From what `seal` made. Raises LinkError where it is not ours or its time is over."""
    body, _, signature = text.partition(".")
    try:
        if len(text) > _LONGEST:
            raise ValueError
        payload, signed = _bytes(body), _bytes(signature)
        if not hmac.compare_digest(signed, _sign(payload, key)):
            raise ValueError
        link = Link(*json.loads(payload))
        if [type(part) for part in (link.incident, link.target, link.issued_at, link.expires_at, link.nonce)] != _TYPES:
            raise ValueError
        if seal(link, key) != text:  # the same in other letters would be another link, to be used once more
            raise ValueError
    except (ValueError, TypeError, Error, RecursionError):
        raise LinkError("This is no link of ours, or not all of it: look at the message again.") from None
    if at >= link.expires_at:
        raise LinkError("This link has expired. Sign in to act, or use the one in a newer message.")
    return link


def _sign(payload: bytes, key: bytes) -> bytes:
    return hmac.new(key, _PURPOSE + payload, hashlib.sha256).digest()[:_SIGNATURE]


def _text(data: bytes) -> str:
    return urlsafe_b64encode(data).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    if not text.isascii():
        raise ValueError
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))
