"""Snapshots of a bank's parts: one file each, whole or not there at all, two generations.

A file is: magic (8 bytes), format version (2, big-endian like all numbers here), step (8), length of the name (4),
the model's name in UTF-8, length of the state (8), the state, and the SHA-256 of everything before it.
"""

from __future__ import annotations

import contextlib
import os
import struct
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

from monitor.killpoints import point

_MAGIC: Final = b"OVERLOOP"
_FORMAT: Final = 2  # 1: states in another encoding
_HEAD: Final = struct.Struct(">8sHQI")
_LENGTH: Final = struct.Struct(">Q")
_DIGEST: Final = 32
_GENERATIONS: Final = 2


class SnapshotError(OSError):
    """A snapshot could not be written. The older ones are still there."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A part of the bank as of step `seq`; `state` is for the bank to read."""

    model: str
    seq: int
    state: bytes


class Snapshots:
    """The snapshots of one partition. Only its engine writes; files that are not readable are reported, not used."""

    def __init__(self, folder: Path, report: Callable[[str], None] = lambda sentence: None) -> None:
        """`folder` is made when needed; `report` is told in a sentence of every file that had to be left out."""
        self._folder = folder
        self._report = report
        self._listing: dict[str, list[Path]] | None = None  # by stem, while `listed`

    @contextlib.contextmanager
    def listed(self) -> Iterator[None]:
        """Look at the folder once for many models. Nothing may be written meanwhile."""
        found: dict[str, list[Path]] = {}
        for path in self._folder.glob("*.snap"):
            found.setdefault(path.name.split(".")[0], []).append(path)
        self._listing = found
        try:
            yield
        finally:
            self._listing = None

    def write(self, model: str, seq: int, state: bytes) -> Path:
        """Write one and drop what is older than the generation before it, and what a lost future left behind.

        On the disk when it returns. Raises SnapshotError.
        """
        path = self._folder / f"{_stem(model)}.{seq:020d}.snap"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            _replace(path, _frame(model, seq, state))
            known = self._generations(model)
            older = [other for number, other in known if number < seq]
            later = [other for number, other in known if number > seq]
            for other in [*older[: len(older) - (_GENERATIONS - 1)], *later]:
                other.unlink(missing_ok=True)
        except OSError as problem:
            raise SnapshotError(
                f"The snapshot of model {model!r} at step {seq} could not be written to {self._folder}: {problem}. "
                "The older one is kept; a restart will take longer."
            ) from problem
        return path

    def newest(self, model: str, at_or_before: int) -> Snapshot | None:
        """The newest snapshot that can be read, of step `at_or_before` or an earlier one."""
        for seq, path in reversed(self._generations(model)):
            if seq <= at_or_before:
                found = self._read(path, model, seq)
                if found is not None:
                    return found
        return None

    def covered(self, models: Iterable[str]) -> int:
        """The step up to which every one of `models` has two snapshots that can be read; 0 if one has not.

        What comes before that step may be trimmed early: losing the newest snapshot loses nothing.
        """
        return min((self._second(model) for model in models), default=0)

    def forget_after(self, seq: int) -> None:
        """Drop snapshots of steps after `seq`: of a future that a ledger put back from a backup does not know."""
        for path in self._folder.glob("*.snap"):
            number = path.name.split(".")[1]
            if number.isascii() and number.isdigit() and int(number) > seq:
                self._report(f"{path} is of a step that the ledger does not know and was removed.")
                path.unlink(missing_ok=True)

    def forget(self, model: str) -> None:
        """Drop all snapshots of a model that is no longer watched."""
        for _, path in self._generations(model):
            path.unlink(missing_ok=True)

    def _second(self, model: str) -> int:
        readable = [seq for seq, path in self._generations(model) if self._read(path, model, seq) is not None]
        return readable[-_GENERATIONS] if len(readable) >= _GENERATIONS else 0

    def _generations(self, model: str) -> list[tuple[int, Path]]:
        """(step, file) of a model, the oldest first."""
        found = []
        stem, listing = _stem(model), self._listing
        for path in self._folder.glob(f"{stem}.*.snap") if listing is None else listing.get(stem, []):
            number = path.name.split(".")[1]
            if number.isascii() and number.isdigit():
                found.append((int(number), path))
            else:
                self._report(f"{path} is not a snapshot of ours and was left out.")
        return sorted(found)

    def _read(self, path: Path, model: str, seq: int) -> Snapshot | None:
        try:
            found = _parse(path.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as problem:
            self._report(f"The snapshot {path} cannot be used: {problem}.")
            return None
        if (found.model, found.seq) != (model, seq):
            self._report(f"The snapshot {path} is of model {found.model!r} at step {found.seq} and was left out.")
            return None
        return found


def _stem(model: str) -> str:
    """Names of models are any text; files are named after their hash."""
    return sha256(model.encode("utf-8", "surrogatepass")).hexdigest()[:24]


def _frame(model: str, seq: int, state: bytes) -> bytes:
    name = model.encode("utf-8", "surrogatepass")
    body = b"".join((_HEAD.pack(_MAGIC, _FORMAT, seq, len(name)), name, _LENGTH.pack(len(state)), state))
    return body + sha256(body).digest()


def _parse(data: bytes) -> Snapshot:
    """Raises ValueError in words that continue a sentence."""
    body, digest = data[:-_DIGEST], data[-_DIGEST:]
    if not data.startswith(_MAGIC) or len(body) < _HEAD.size:
        raise ValueError("it is not a snapshot")
    _, version, seq, length = _HEAD.unpack_from(body)
    if version != _FORMAT:
        raise ValueError(f"its format is {version}, this program reads {_FORMAT}")
    if sha256(body).digest() != digest:
        raise ValueError("its checksum does not match, it is damaged or was cut short")
    start = _HEAD.size + length + _LENGTH.size
    name = body[_HEAD.size : _HEAD.size + length].decode("utf-8", "surrogatepass")
    return Snapshot(name, seq, body[start:])


def _replace(path: Path, data: bytes) -> None:
    """All of the file or none of it, on the disk when this returns."""
    draft = path.with_suffix(".draft")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        point("before snapshot write")
        draft.replace(path)
        point("after snapshot write")
    except OSError:
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
