"""The head of the log as text (c2sp.org/tlog-checkpoint), and the proof of one entry (c2sp.org/tlog-proof)."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import Final

from monitor.core.audit.merkle import HASH_SIZE, leaf_hash
from monitor.core.audit.note import NoteError
from monitor.core.audit.proofs import verify_inclusion

_HEADER: Final = "c2sp.org/tlog-proof@v1"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """How many entries the log of this origin had, and the root over them."""

    origin: str
    size: int
    root: bytes

    def __str__(self) -> str:
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"


def parse_checkpoint(text: str) -> Checkpoint:
    """Reads the text of a note. Raises NoteError."""
    origin, size, root = (*text.split("\n"), "", "", "")[:3]
    data = _decode(root)
    if not origin or not _whole(size) or len(data) != HASH_SIZE or not text.endswith("\n"):
        raise NoteError("This is no checkpoint: origin, size and root are expected, a line each.")
    return Checkpoint(origin, int(size), data)


@dataclass(frozen=True, slots=True)
class Proof:
    """That `entry` (its canonical bytes) is number `index` of the log whose signed checkpoint is `note`."""

    entry: bytes
    index: int
    path: tuple[bytes, ...]
    note: str

    def __str__(self) -> str:
        lines = [f"extra {base64.b64encode(self.entry).decode()}", f"index {self.index}"]
        lines += [base64.b64encode(step).decode() for step in self.path]
        return "\n".join([_HEADER, *lines, "", self.note])

    def holds(self, head: Checkpoint) -> bool:
        """Whether the entry is in the tree of this checkpoint, which must be the one of `note`, checked before."""
        return verify_inclusion(leaf_hash(self.entry), self.index, head.size, self.path, head.root)


def parse_proof(text: str) -> Proof:
    """Reads a proof that carries its entry. Raises NoteError, with the line at fault."""
    head, gap, note = text.partition("\n\n")
    lines = head.split("\n")
    if not gap or lines[0] != _HEADER:
        raise NoteError(f"This is no proof of an entry: its first line would be {_HEADER!r}.")
    if len(lines) < 3 or not lines[1].startswith("extra "):
        raise NoteError("Line 2 of the proof does not hold the entry ('extra …'): what it is about is not said.")
    entry, index = _decode(lines[1].removeprefix("extra ")), lines[2].removeprefix("index ")
    if not entry or not lines[2].startswith("index ") or not _whole(index):
        raise NoteError(f"Line 3 of the proof is {lines[2][:40]!r}: 'index' and a number are expected.")
    path = tuple(_step(number, line) for number, line in enumerate(lines[3:], 4))
    return Proof(entry, int(index), path, note)


def _step(number: int, line: str) -> bytes:
    data = _decode(line)
    if len(data) != HASH_SIZE:
        raise NoteError(f"Line {number} of the proof is {line[:60]!r}: the base64 of 32 bytes is expected.")
    return data


def _whole(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 20 and (text == "0" or text[0] != "0")


def _decode(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""
