"""Signed notes (c2sp.org/signed-note): text, an empty line, a line for each signature. Signing is done elsewhere."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

ED25519: Final = 0x01
_KEY_SIZE: Final = 32
_MOST: Final = 64  # signatures of a note that are looked at
_DASH: Final = "— "  # em dash, space

Check = Callable[[bytes, bytes, bytes], bool]  # public key, signature, text


class NoteError(ValueError):
    """This is no note, or no key that is trusted has signed it; the text says which."""


@dataclass(frozen=True, slots=True)
class Verifier:
    """An Ed25519 key that is trusted, and the name it signs by."""

    name: str
    public: bytes

    @property
    def key_id(self) -> bytes:
        """The first four bytes of SHA-256(name || newline || signature type || public key)."""
        return sha256(self.name.encode() + b"\n" + bytes([ED25519]) + self.public).digest()[:4]

    def __str__(self) -> str:
        """As verifier keys are written: NAME+ID+KEY."""
        return f"{self.name}+{self.key_id.hex()}+{base64.b64encode(bytes([ED25519]) + self.public).decode()}"


def parse_verifier(text: str) -> Verifier:
    """Reads `NAME+ID+KEY`. Raises NoteError."""
    name, _, rest = text.strip().partition("+")
    key_id, _, key = rest.partition("+")
    try:
        data = base64.b64decode(key, validate=True)
    except ValueError:  # binascii.Error is one, and letters beyond ASCII are another
        data = b""
    if not _good_name(name) or len(data) != _KEY_SIZE + 1 or data[0] != ED25519:
        raise NoteError(f"{text.strip()!r} is no Ed25519 verifier key: it has the form NAME+8 hex digits+base64.")
    found = Verifier(name, data[1:])
    if found.key_id.hex() != key_id:
        raise NoteError(f"{text.strip()!r} is no verifier key: its id would be {found.key_id.hex()}.")
    return found


def seal(text: str, signed: Iterable[tuple[Verifier, bytes]]) -> str:
    """The note of a text, which ends with a newline, with these signatures."""
    if not text.endswith("\n") or "\r" in text:
        raise NoteError("The text of a note ends with a newline and has no other control characters.")
    lines = (f"{_DASH}{key.name} {base64.b64encode(key.key_id + signature).decode()}\n" for key, signature in signed)
    return text + "\n" + "".join(lines)


def open_note(note: str, trusted: Iterable[Verifier], check: Check) -> str:
    """The text of a note that at least one trusted key has signed, and none wrongly. Raises NoteError.

    Signatures of other keys are ignored, as the specification asks.
    """
    text, signatures = split(note)
    known = {(key.name, key.key_id): key for key in trusted}
    good = 0
    for name, key_id, signature in signatures[:_MOST]:
        key = known.get((name, key_id))
        if key is None:
            continue
        if not check(key.public, signature, text.encode()):
            raise NoteError(f"The signature by {name} does not fit the text: one of the two was changed.")
        good += 1
    if not good:
        names = ", ".join(sorted({name for name, _, _ in signatures})) or "nobody"
        raise NoteError(f"No key that is trusted has signed it; {names} did.")
    return text


def _odd(c: str) -> bool:
    """Whether a note cannot hold it: control characters, and halves of characters, which have no bytes."""
    return (c < " " and c != "\n") or "\ud800" <= c <= "\udfff"


def split(note: str) -> tuple[str, list[tuple[str, bytes, bytes]]]:
    """Text and (name, key id, signature) of each signature line, unchecked. Raises NoteError."""
    text, gap, tail = note.rpartition("\n\n")
    if not gap or not tail.endswith("\n") or any(map(_odd, note)):
        raise NoteError("This is no signed note: text, an empty line and signatures are expected.")
    found = []
    for line in tail.splitlines():
        name, _, coded = line.removeprefix(_DASH).partition(" ")
        try:
            data = base64.b64decode(coded, validate=True)
        except ValueError:
            data = b""
        if not line.startswith(_DASH) or not _good_name(name) or len(data) <= 4:
            raise NoteError(f"{line!r} is no signature line of a note.")
        found.append((name, data[:4], data[4:]))
    return text + "\n", found


def _good_name(name: str) -> bool:
    return bool(name) and "+" not in name and not any(c.isspace() for c in name)
