"""The audit log for people outside: signed heads, the proof of one entry, a folder of entries, and the check of each.

What is checked needs no daemon and no ledger: the files, and a verifier key that was had from elsewhere.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from monitor.core.audit.checkpoint import Checkpoint, Proof, parse_checkpoint, parse_proof
from monitor.core.audit.entry import decode, timestamp
from monitor.core.audit.merkle import HASH_SIZE, Frontier, leaf_hash
from monitor.core.audit.note import NoteError, Verifier
from monitor.core.audit.proofs import inclusion_proof
from monitor.signing import Signer, read_verifier, signed_text, write_verifier
from monitor.store.database import Connection, Database
from monitor.store.facts import get_fact
from monitor.store.trail import audit_bytes, audit_leaves, keep_checkpoint, newest_note

KEY: Final = "audit.key"
PUBLIC: Final = "audit.vkey"
_ENTRIES, _LEAVES, _HEAD, _MANIFEST = "entries.ndjson", "leaves.txt", "checkpoint.txt", "manifest.json"
_README: Final = """\
Entries {first} to {last} of an audit log of Overloop, given out at {at}.

entries.ndjson   an entry a line, exactly the bytes that were hashed (RFC 8785)
leaves.txt       the SHA-256 of every entry of the log up to the signed head, in hex: the leaves of its tree (RFC 6962)
checkpoint.txt   the head of the log, signed (c2sp.org/tlog-checkpoint)
audit.vkey       the key it is signed with. Compare it with one that you had from elsewhere: whoever could change the
                 entries could change this file too.
manifest.json    what is here, with SHA-256 of each file

To check it, with nothing but the program:  overloop audit check . --key "$(cat audit.vkey)"
"""


class EvidenceError(Exception):
    """What was to be checked is not good, or cannot be made; the text says why."""


@dataclass(frozen=True, slots=True)
class Given:
    """What an export holds: entries [start, stop) of a log of `size` entries."""

    start: int
    stop: int
    size: int
    root: bytes
    manifest: str  # SHA-256 of the manifest


def open_signer(home: Path, connection: Connection) -> Signer:
    """The key of a home, made if there is none, and beside it the verifier key for others. Raises KeyFileError."""
    signer = Signer.open(home / KEY, f"overloop/{get_fact(connection, 'home_id')}")
    write_verifier(home / PUBLIC, signer.verifier)
    return signer


def signed_by(home: Path, trusted: Verifier | None = None) -> Callable[[str], str] | None:
    """What opens notes signed by a key, by that of the home if none is given; None if nothing was ever signed there.

    Raises NoteError if the home's verifier key cannot be read.
    """
    key = trusted or read_verifier(home / PUBLIC)
    return None if key is None else lambda note: signed_text(note, key)


def prove(database: Database, signer: Signer, seq: int, at: float) -> Proof:
    """That entry `seq` is in the log, by the newest signed head that holds it. Raises EvidenceError."""
    size, note = _signed_head(database, signer, seq + 1, at)
    with database.read() as connection:
        found = dict(audit_bytes(connection, seq, seq + 1))
        leaves = audit_leaves(connection, size)
    if seq not in found:
        raise EvidenceError(f"The body of entry {seq} is not kept any more.")
    return Proof(found[seq], seq, tuple(inclusion_proof(leaves, seq)), note)


def _signed_head(database: Database, signer: Signer, least: int, at: float) -> tuple[int, str]:
    """A signed head of at least so many entries; one is signed if there is none."""
    with database.read() as connection:
        found = newest_note(connection, least)
    if found is not None:
        return found
    with database.write(at) as tx:
        size, root = keep_checkpoint(tx, signer.sign)
    if size < least:
        raise EvidenceError(f"There is no entry {least - 1}: the log has {size}, numbered from 0.")
    return size, signer.sign(size, root)


def export(database: Database, signer: Signer, out: Path, start: int, stop: int | None, at: float, by: str) -> Given:
    """Write entries [start, stop) and all that is needed to check them into the empty or new folder `out`.

    That it was done is an entry of the log. Raises EvidenceError, OSError.
    """
    if out.exists() and any(out.iterdir()):
        raise EvidenceError(f"{out} is not empty: give the export a folder of its own.")
    with database.write(at) as tx:
        size, root = keep_checkpoint(tx, signer.sign)
    end = size if stop is None else min(stop, size)
    if not 0 <= start < end:
        raise EvidenceError(f"There are no entries from {start} to {end - 1}: the log has {size}, numbered from 0.")
    out.mkdir(mode=0o700, parents=True, exist_ok=True)
    _write_entries(database, out, start, end, size)
    (out / _HEAD).write_text(signer.sign(size, root), encoding="utf-8")
    (out / PUBLIC).write_text(f"{signer.verifier}\n", encoding="utf-8")
    text = _README.format(first=start, last=end - 1, at=timestamp(at))
    (out / "README.txt").write_text(text, encoding="utf-8")
    manifest = _write_manifest(out, {"from": start, "to": end - 1, "size": size, "root": root.hex()})
    given = Given(start, end, size, root, manifest)
    with database.write(at) as tx:
        body = {"from": start, "to": end - 1, "size": size, "root": root.hex(), "manifest": manifest}
        tx.audit("export", by, body)
    return given


def _write_entries(database: Database, out: Path, start: int, end: int, size: int) -> None:
    with database.read() as connection:
        with (out / _ENTRIES).open("wb") as file:
            for _, body in audit_bytes(connection, start, end):
                file.write(body + b"\n")
        with (out / _LEAVES).open("w", encoding="ascii") as leaves:
            leaves.writelines(leaf.hex() + "\n" for leaf in audit_leaves(connection, size))


def _write_manifest(out: Path, about: dict[str, Any]) -> str:
    names = [_ENTRIES, _LEAVES, _HEAD, PUBLIC, "README.txt"]
    files = {name: sha256((out / name).read_bytes()).hexdigest() for name in names}
    text = json.dumps({**about, "files": files}, indent=1)
    (out / _MANIFEST).write_text(text, encoding="utf-8")
    return sha256(text.encode()).hexdigest()


def check(path: Path, trusted: Verifier | None) -> str:
    """Check a proof file, or the folder of an export, and say in a sentence what it shows.

    Raises EvidenceError; ValueError, TypeError and OSError where it is no proof and no export at all.

    Without a trusted key the one that lies beside it is taken, and the sentence says what that is worth.
    """
    beside = path if path.is_dir() else path.parent
    try:
        key = trusted or read_verifier(beside / PUBLIC)
        if key is None:
            raise EvidenceError("Nothing says which key to trust: give the verifier key of the log with --key.")
        said = _check_folder(path, key) if path.is_dir() else _check_proof(path, key)
    except NoteError as problem:
        raise EvidenceError(str(problem)) from problem
    except FileNotFoundError as problem:
        raise EvidenceError(f"{problem.filename} is missing, so nothing could be checked.") from problem
    except (AttributeError, LookupError, OverflowError, RecursionError) as problem:
        raise ValueError(f"JSON of another shape than ours: {problem!r}") from problem
    if trusted is None:
        said += " The key came with it: compare it with one that you had from elsewhere."
    return said


def _head(note: str, key: Verifier) -> Checkpoint:
    head = parse_checkpoint(signed_text(note, key))
    if head.origin != key.name:
        raise NoteError(f"The head is of the log {head.origin!r}, the key of {key.name!r}.")
    return head


def _check_proof(path: Path, key: Verifier) -> str:
    proof = parse_proof(path.read_text(encoding="utf-8"))
    head = _head(proof.note, key)
    if not proof.holds(head):
        raise EvidenceError(
            f"The entry is not number {proof.index} of the log that was signed: one of the two changed."
        )
    entry = decode(proof.entry)
    return (
        f"Entry {proof.index} ({entry['kind']} by {entry['actor']} at {entry['at']}) is in the log {head.origin} of "
        f"{head.size} entries."
    )


def _check_folder(path: Path, key: Verifier) -> str:
    manifest = json.loads((path / _MANIFEST).read_text(encoding="utf-8"))
    for name, digest in manifest["files"].items():
        if sha256((path / Path(name).name).read_bytes()).hexdigest() != digest:
            raise EvidenceError(f"{name} is not what the manifest says: it was changed.")
    head = _head((path / _HEAD).read_text(encoding="utf-8"), key)
    leaves = _read_leaves(path / _LEAVES)
    if len(leaves) != head.size or Frontier().extend(leaves).root != head.root:
        raise EvidenceError("The leaves do not have the root that was signed.")
    first, last, kept = int(manifest["from"]), int(manifest["to"]), 0
    for entry, number in _read_entries(path / _ENTRIES):
        if not first <= number <= last or leaf_hash(entry) != leaves[number]:
            raise EvidenceError(f"Entry {number} is not the one that was signed.")
        kept += 1
    gone = last - first + 1 - kept
    lost = f" {gone} of them are here as hashes only." if gone else ""
    return f"Entries {first} to {last} are in the log {head.origin} of {head.size} entries, unchanged.{lost}"


def _read_leaves(path: Path) -> list[bytes]:
    leaves = [bytes.fromhex(line) for line in path.read_text(encoding="ascii").split()]
    if any(len(leaf) != HASH_SIZE for leaf in leaves):
        raise EvidenceError(f"{path.name} holds a line that is no SHA-256.")
    return leaves


def _read_entries(path: Path) -> Iterator[tuple[bytes, int]]:
    """Each line with the number that it says it has, in rising order."""
    before = -1
    with path.open("rb") as file:
        for line in file:
            entry = line.removesuffix(b"\n")
            number = decode(entry)["seq"]
            if not isinstance(number, int) or number <= before:
                raise EvidenceError(f"After entry {before} stands {number!r}: entries are in order, each once.")
            before = number
            yield entry, number
