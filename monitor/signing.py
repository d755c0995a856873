"""The key that signs the heads of the audit log: Ed25519, in a file that only its owner reads."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Self

from monitor.core.audit.checkpoint import Checkpoint
from monitor.core.audit.note import NoteError, Verifier, open_note, parse_verifier, seal

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


class KeyFileError(Exception):
    """The key cannot be read or made; the text says what to do."""


class Signer:
    """Signs under the name of a log's origin. `verifier` is what others need to check it, and no secret."""

    def __init__(self, key: Ed25519PrivateKey, origin: str) -> None:
        self._key = key
        self.verifier = Verifier(origin, key.public_key().public_bytes_raw())

    @classmethod
    def open(cls, path: Path, origin: str) -> Self:
        """The key in a file, made there if there is none. Raises KeyFileError."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        try:
            if not path.exists():
                _write(path, Ed25519PrivateKey.generate().private_bytes_raw().hex() + "\n")
            return cls(Ed25519PrivateKey.from_private_bytes(bytes.fromhex(path.read_text().strip())), origin)
        except OSError as problem:
            raise KeyFileError(f"The key {path} cannot be used: {problem.strerror}.") from problem
        except ValueError:
            raise KeyFileError(
                f"The key in {path} is not 64 hexadecimal digits: put the file of a backup back in its place."
            ) from None

    def sign(self, size: int, root: bytes) -> str:
        """The signed checkpoint of the log at this size."""
        text = str(Checkpoint(self.verifier.name, size, root))
        return seal(text, [(self.verifier, self._key.sign(text.encode()))])


def signed_text(note: str, trusted: Verifier) -> str:
    """The text of a note that this key has signed. Raises NoteError."""
    return open_note(note, [trusted], _check)


def read_verifier(path: Path) -> Verifier | None:
    """The verifier key in a file, None if there is no file. Raises NoteError."""
    try:
        return parse_verifier(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as problem:
        raise NoteError(f"The verifier key in {path} cannot be read: {problem}.") from problem


def _check(public: bytes, signature: bytes, text: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, text)
    except (InvalidSignature, ValueError):
        return False
    return True


def write_verifier(path: Path, verifier: Verifier) -> None:
    """Leave the verifier key for others, unless one is there already. Raises OSError."""
    if not path.exists():
        _write(path, f"{verifier}\n", 0o644)


def _write(path: Path, text: str, mode: int = 0o600) -> None:
    """Whole or not at all, never over one that is there, and on the disk, name and all, before anything rests on it.

    A key that a power cut takes back has signed heads for nothing: the next one would not know them for its own.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(draft, path)
    except FileExistsError:
        pass  # somebody else was first: theirs is the key
    finally:
        draft.unlink()
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
