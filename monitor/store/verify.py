"""Was the audit log touched? Everything is recomputed from the stored bytes."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal

from sqlalchemy import Connection, func, select

from monitor.core.audit.checkpoint import parse_checkpoint
from monitor.core.audit.entry import decode, timestamp
from monitor.core.audit.merkle import HASH_SIZE, Frontier, leaf_hash
from monitor.core.audit.note import NoteError
from monitor.store.tables import audit, audit_frontier, checkpoints

Opened = Callable[[str], str]  # the text of a note whose signature is good
Head = tuple[int, bytes]  # size, and the root or at least its first four bytes

INTACT: Final = 0
TAMPERED: Final = 1
INCOMPLETE: Final = 2
_SHORTEST: Final = 4  # bytes of a root: what messages carry


@dataclass(frozen=True, slots=True)
class Verdict:
    """`code` is the exit code: 0 intact, 1 tampered, 2 incomplete. `first_bad` is the first sequence number concerned.

    Where only a range is known, `first_bad` is its start and the sentence names the range. `size` and `root` are
    what was recomputed up to there.
    """

    code: Literal[0, 1, 2]
    first_bad: int | None
    sentence: str
    size: int
    root: bytes


class _Bad(Exception):  # noqa: N818 (carries a verdict out of nested checks)
    def __init__(self, code: Literal[0, 1, 2], first_bad: int | None, sentence: str) -> None:
        super().__init__(sentence)
        self.code: Literal[0, 1, 2] = code
        self.first_bad = first_bad
        self.sentence = sentence


def parse_head(text: str) -> Head:
    """`SIZE:ROOT` or `SIZE ROOT`; the root in hex (all of it or at least 8 digits of its start) or base64.

    Raises ValueError with a sentence.
    """
    size, _, root = text.strip().replace(" ", ":", 1).partition(":")
    if not (size.isascii() and size.isdigit()) or not root:
        raise ValueError(f"{text!r} is no head: write SIZE:ROOT, for example 1204:5dc9da79.")
    try:
        found = bytes.fromhex(root)
    except ValueError:
        try:
            found = base64.b64decode(root, validate=True)
        except binascii.Error:
            found = b""
        if len(found) != HASH_SIZE:
            raise ValueError(
                f"{root!r} is no root: give an even number of hex digits, or base64 of 32 bytes."
            ) from None
    if not _SHORTEST <= len(found) <= HASH_SIZE:
        raise ValueError(f"{root!r} is no root: give at least 8 hex digits and at most 64.")
    return int(size), found


def verify(connection: Connection, against: Head | None = None, opened: Opened | None = None) -> Verdict:
    """Recompute the log. `against` is a head kept elsewhere: only it can show that the end was cut off cleanly.

    `opened` answers the text of a signed note, or raises NoteError: with it the signatures of kept heads are checked.
    """
    check = _Check(connection, against, opened)
    try:
        check.run()
    except _Bad as bad:
        return Verdict(bad.code, bad.first_bad, bad.sentence, check.found.size, check.found.root)
    size, root = check.found.size, check.found.root
    said = f"The audit log is intact: {size} entries, root {root.hex()}."
    if against is not None and len(against[1]) < HASH_SIZE:
        said += f" The head given agrees in the {2 * len(against[1])} hex digits that it has."
    elif against is not None:
        said += " It contains all that the head given stands for."
    if check.signed:
        said += f" Signed heads of it: {check.signed}, the newest of size {max(check.notes)}."
    return Verdict(INTACT, None, said, size, root)


class _Check:
    """One walk over the log, from the first entry to the last."""

    def __init__(self, connection: Connection, against: Head | None, opened: Opened | None) -> None:
        self.connection = connection
        self.against = against
        self.opened = opened
        self.signed = 0  # kept heads whose signature is good
        self.found = Frontier()
        self.good = 0  # size of the newest kept head that agreed: what is before it was not rewritten
        wanted = select(checkpoints.c.size, checkpoints.c.root, checkpoints.c.note)
        kept = connection.execute(wanted).all()
        self.heads = {size: _bytes(root) for size, root, _ in kept}
        self.notes = {size: note for size, _, note in kept if note is not None}

    def run(self) -> None:
        recorded = self.connection.execute(
            select(audit_frontier.c.size, audit_frontier.c.peaks).where(audit_frontier.c.id == 1)
        ).one_or_none()
        if recorded is None:
            raise _Bad(TAMPERED, 0, "The record of the log's size and peaks was deleted.")
        self._compare()
        wanted = select(audit).order_by(audit.c.seq).execution_options(yield_per=1000)
        with self.connection.execute(wanted) as result:
            for row in result.mappings():
                self._entry(row)
                self._compare()
        self._end(recorded.size, _bytes(recorded.peaks))

    def _entry(self, row: Any) -> None:
        seq = self.found.size
        if row["seq"] != seq:
            what = "is missing" if row["seq"] > seq else "stands twice"
            raise _Bad(TAMPERED, min(seq, row["seq"]), f"Entry {min(seq, row['seq'])} of the audit log {what}.")
        body = _bytes(row["body"])
        if not body:
            raise _Bad(TAMPERED, seq, f"Entry {seq} of the audit log has lost its body.")
        leaf = leaf_hash(body)
        if leaf != _bytes(row["leaf"]):
            raise _Bad(TAMPERED, seq, f"Entry {seq} of the audit log was changed: its bytes do not have its hash.")
        for name, said in _differences(row, body):
            raise _Bad(TAMPERED, seq, f"Entry {seq} of the audit log was changed: {name} is not {said!r}.")
        self.found = self.found.append(leaf)

    def _compare(self) -> None:
        """Does the tree so far have the root that a kept head of this size says?"""
        size = self.found.size
        given = self.against is not None and self.against[0] == size
        if size not in self.heads and not given:
            return
        root = self.found.root
        if self.heads.get(size, root) != root:
            raise _Bad(TAMPERED, self.good, f"{self._between(size)}: the checkpoint of size {size} has another root.")
        self._signature(size, root)
        if self.against is not None and given and not root.startswith(self.against[1]):
            said = f"the head given ({size}:{self.against[1].hex()}) is not what the log had then"
            raise _Bad(TAMPERED, self.good, f"{self._between(size)}: {said}.")
        self.good = size

    def _signature(self, size: int, root: bytes) -> None:
        if self.opened is None or size not in self.notes:
            return
        try:
            said = parse_checkpoint(self.opened(self.notes[size]))
        except NoteError as problem:
            raise _Bad(TAMPERED, self.good, f"The signed checkpoint of size {size} is not good. {problem}") from None
        if (said.size, said.root) != (size, root):
            raise _Bad(TAMPERED, self.good, f"{self._between(size)}: the head signed at size {size} has another root.")
        self.signed += 1

    def _end(self, size: int, peaks: bytes) -> None:
        found = self.found.size
        if not isinstance(size, int):
            raise _Bad(TAMPERED, self.good, "The record of the log's size was changed.")
        if found < size:
            raise _Bad(INCOMPLETE, found, f"The audit log ends before entry {found}, but it had {size} entries.")
        if found > size:
            raise _Bad(TAMPERED, size, f"Entry {size} of the audit log was added behind its back.")
        if peaks != self.found.pack():
            self._rewritten(peaks)
        highest = self.connection.execute(select(func.max(checkpoints.c.size))).scalar() or 0
        for kept, name in ((highest, "a checkpoint"), (self.against[0] if self.against else 0, "the head given")):
            if kept > found:
                said = f"{name} had {kept}: its end was cut off, or this is an older copy"
                raise _Bad(INCOMPLETE, found, f"The audit log has {found} entries, but {said}.")

    def _rewritten(self, peaks: bytes) -> None:
        """Bytes and hashes agree, so an entry was replaced together with its hash: narrow it down by the peaks."""
        try:
            recorded = Frontier.unpack(self.found.size, peaks)
        except ValueError:
            raise _Bad(TAMPERED, self.good, "The record of the log's peaks was changed.") from None
        pairs = zip(self.found.ranges(), self.found.peaks, recorded.peaks, strict=True)
        start, stop = next((span for span, ours, theirs in pairs if ours != theirs))
        start = max(start, self.good)
        raise _Bad(TAMPERED, start, f"{self._between(stop, start)}: the root recorded with them is another one.")

    def _between(self, stop: int, start: int | None = None) -> str:
        first = self.good if start is None else start
        return f"An entry from {first} to {stop - 1} of the audit log was replaced"


def _differences(row: Any, body: bytes) -> list[tuple[str, object]]:
    """Columns that do not say what the hashed bytes say; people and queries read the columns."""
    try:
        entry = decode(body)
    except ValueError:
        return [("its body", "an entry")]
    at = timestamp(row["at"]) if isinstance(row["at"], int | float) else row["at"]
    shown = {"seq": row["seq"], "at": at, "kind": row["kind"], "actor": row["actor"]}
    return [(name, entry[name]) for name, value in shown.items() if entry[name] != value]


def _bytes(value: object) -> bytes:
    """SQLite lets anybody put anything into a column; what is no bytes agrees with nothing."""
    return bytes(value) if isinstance(value, bytes | memoryview) else b""
