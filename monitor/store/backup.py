"""A home folder as a copy that can be trusted: taken while the daemon runs, checked before it is used."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from contextlib import closing, suppress
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO, Final, cast

from sqlalchemy.exc import SQLAlchemyError

from monitor.core.audit.entry import timestamp
from monitor.store.database import Database
from monitor.store.errors import LedgerUnavailable
from monitor.store.facts import draw_gate_epoch
from monitor.store.schema import SchemaMismatch, revision, upgrade
from monitor.store.trail import head

LEDGER: Final = "ledger.db"
MANIFEST: Final = "manifest.json"
_FORMAT: Final = 1
_CHUNK: Final = 1 << 20
_RESERVE: Final = "reserve"  # space kept back, nothing to keep
_LEFT_OUT: Final = (".lock", ".turnstile", ".bak", ".new", ".draft", ".tmp", "-wal", "-shm", "-journal")


class BackupError(RuntimeError):
    """A backup could not be taken or used; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup holds: path within the home -> (bytes, sha256 hex); and the audit log's head at that time."""

    created_at: str
    revision: str | None  # None: the ledger is on PostgreSQL and not in here
    audit: tuple[int, str] | None  # size, root in hex
    files: dict[str, tuple[int, str]]


def backup(home: Path, to: Path, at: float) -> Manifest:
    """Copy a home into the empty or new folder `to` while the daemon runs. Raises BackupError.

    Snapshots come first, the spool last: so the copied ledger has every step that a copied snapshot is of, and the
    copied spool every event that the ledger has counted. What the spool has beyond is observed after a restore.
    """
    if not home.is_dir():
        raise BackupError(f"There is no home folder {home}.")
    _make_empty(to, "A backup goes into a new or empty folder")
    try:
        _copy_tree(home, to, "snapshots")
        form = audit = None
        if (home / LEDGER).exists():
            form, audit = revision(home / LEDGER), _copy_ledger(home, to)
        _copy_tree(home, to, "spool")
        for path in sorted(home.iterdir()):
            if path.is_file() and path.name not in (LEDGER, _RESERVE) and not path.name.endswith(_LEFT_OUT):
                _copy_file(path, to / path.name)
        files = {str(path.relative_to(to)): _fingerprint(path) for path in sorted(to.rglob("*")) if path.is_file()}
        manifest = Manifest(timestamp(at), form, audit, files)
        _write_manifest(to, manifest)
    except (OSError, sqlite3.Error, SQLAlchemyError, LedgerUnavailable) as problem:
        raise BackupError(
            f"The backup of {home} to {to} failed: {_said(problem)}. Delete {to} and try again."
        ) from problem
    return manifest


def restore(source: Path, home: Path, at: float) -> Manifest:
    """Make `home`, which must be empty, from a backup that is whole. Raises BackupError.

    An older ledger is upgraded; the audit entry `restored` says which backup it was, and a new gate epoch tells
    clients that generations they have seen may come again.
    """
    manifest = read_manifest(source)
    _make_empty(home, "A backup is restored into a new or empty home folder")
    try:
        for name in manifest.files:
            _copy_file(source / name, home / name)
    except OSError as problem:
        raise BackupError(f"The backup {source} could not be copied to {home}: {problem}.") from problem
    _check_files(home, manifest)
    if (home / LEDGER).exists():
        try:
            _record(home, manifest, at)
        except (SchemaMismatch, LedgerUnavailable) as problem:
            raise BackupError(f"The backup {source} was copied to {home} but cannot be used: {problem}") from problem
    return manifest


def read_manifest(source: Path) -> Manifest:
    """The manifest of a backup whose files are all there and unchanged. Raises BackupError."""
    try:
        stored = json.loads((source / MANIFEST).read_bytes())
        if stored["format"] != _FORMAT:
            raise BackupError(f"The backup {source} has the format {stored['format']}, this program reads {_FORMAT}.")
        files = {name: (int(size), str(digest)) for name, (size, digest) in stored["files"].items()}
        audit = None if stored["audit"] is None else (int(stored["audit"][0]), str(stored["audit"][1]))
        manifest = Manifest(stored["created_at"], stored["revision"], audit, files)
    except FileNotFoundError:
        raise BackupError(f"{source} is no finished backup: it has no {MANIFEST}.") from None
    except (OSError, ValueError, LookupError, TypeError, AttributeError, OverflowError, RecursionError) as problem:
        raise BackupError(f"The manifest of the backup {source} cannot be read: {problem}.") from problem
    for name in manifest.files:
        path = Path(name)
        if path.is_absolute() or ".." in path.parts:
            raise BackupError(f"The backup {source} names a file outside of itself: {name!r}.")
    _check_files(source, manifest)
    return manifest


def _write_manifest(folder: Path, manifest: Manifest) -> None:
    """Last of all: a folder without it is no backup."""
    text = json.dumps({"format": _FORMAT, **asdict(manifest)}, indent=1)
    with _new_file(folder / MANIFEST) as file:
        file.write(text.encode())
        file.flush()
        os.fsync(file.fileno())


def _record(home: Path, manifest: Manifest, at: float) -> None:
    upgrade(home / LEDGER, home / "run")
    with Database.open(home / LEDGER, home / "run") as database, database.write(at) as tx:
        size, root = manifest.audit or (0, "")
        epoch = draw_gate_epoch(tx)
        body = {"taken_at": manifest.created_at, "audit_size": size, "audit_root": root, "gate_epoch": epoch}
        tx.audit("restored", "machine", body)


def _check_files(folder: Path, manifest: Manifest) -> None:
    for name, expected in manifest.files.items():
        try:
            found = _fingerprint(folder / name)
        except FileNotFoundError:
            raise BackupError(f"The backup {folder} is not whole: {name} is missing.") from None
        except (OSError, ValueError) as problem:  # a folder of that name, or a name that no file can have
            raise BackupError(f"The backup {folder} is damaged: {name!r} cannot be read ({problem}).") from None
        if found != expected:
            raise BackupError(f"The backup {folder} is damaged: {name} is not what the manifest says.")


def _said(problem: Exception) -> str:
    """To be continued in our sentence."""
    return str(problem).rstrip(".")


def _make_empty(folder: Path, why: str) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        occupied = next(folder.iterdir(), None)
    except OSError as problem:
        raise BackupError(f"The folder {folder} cannot be used: {problem}.") from problem
    if occupied is not None:
        raise BackupError(f"{why}, and {folder} holds {occupied.name!r} already.")


def _copy_ledger(home: Path, to: Path) -> tuple[int, str]:
    """Copies one state of the ledger; answers the audit log's head in it."""
    with Database.open(home / LEDGER, home / "run") as database, database.read() as connection:
        size, root = head(connection)
        _copy_database(cast(sqlite3.Connection, connection.connection.dbapi_connection), to / LEDGER)
    return size, root.hex()


def _copy_tree(home: Path, to: Path, name: str) -> None:
    """Every file below a folder of the home; one that vanishes meanwhile was trimmed and is left out."""
    for path in sorted((home / name).rglob("*")):
        if not path.is_file() or path.name.endswith(_LEFT_OUT):
            continue
        target = to / path.relative_to(home)
        with suppress(FileNotFoundError):
            if path.suffix == ".db":
                _copy_segment(path, target)
            else:
                _copy_file(path, target)


def _copy_segment(path: Path, target: Path) -> None:
    """A spool segment, open or not. The copy is complete, so it is marked as closed: no journal belongs to it."""
    try:
        source = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)
        with closing(source):
            _copy_database(source, target)
    except sqlite3.OperationalError:
        if path.exists():
            raise
        target.unlink(missing_ok=True)  # trimmed before it could be opened
        return
    with closing(sqlite3.connect(target)) as copy, copy:
        if copy.execute("SELECT 1 FROM sqlite_master WHERE name = 'about'").fetchone():
            copy.execute("UPDATE about SET open = 0")


def _copy_database(source: sqlite3.Connection, target: Path) -> None:
    _new_file(target).close()
    with closing(sqlite3.connect(target)) as copy:
        source.backup(copy)


def _copy_file(path: Path, target: Path) -> None:
    with path.open("rb") as source, _new_file(target) as file:
        shutil.copyfileobj(source, file, _CHUNK)
        file.flush()
        os.fsync(file.fileno())


def _new_file(path: Path) -> BinaryIO:
    """For its owner only: there are secrets among them."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb")


def _fingerprint(path: Path) -> tuple[int, str]:
    digest, size = sha256(), 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            size += len(chunk)
    return size, digest.hexdigest()
