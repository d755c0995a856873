"""The home folder: made, locked, checked and filled before anything runs in it."""

from __future__ import annotations

import fcntl
import os
import secrets
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from monitor.app.lineage import lives
from monitor.clock import Clock
from monitor.web.tokens import digest, new_secret

if TYPE_CHECKING:  # the store is loaded by whoever opens it: the parent process stays small
    from monitor.store.database import Database, Transaction

ADMIN = "admin"
TOKEN_FILE = "token file"  # noqa: S105 - the label of the admin's token
SHORTEST = 20  # characters of a secret that can be meant
PATIENCE = 15.0  # seconds to wait for the children of a daemon that is gone
BRIEFLY = 2.0  # seconds to wait for a daemon that is there, and may just be going


class HomeError(Exception):
    """The home folder cannot be used; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Home:
    """Where everything lies."""

    path: Path

    @property
    def ledger(self) -> Path:
        return self.path / "ledger.db"

    @property
    def spool(self) -> Path:
        return self.path / "spool"

    @property
    def snapshots(self) -> Path:
        return self.path / "snapshots"

    @property
    def run(self) -> Path:
        return self.path / "run"

    @property
    def token(self) -> Path:
        return self.path / "token"

    @property
    def key(self) -> Path:
        return self.path / "secret.key"

    @property
    def reserve(self) -> Path:
        return self.path / "reserve"

    def database(self) -> Database:
        """The ledger, with the space kept back for a full disk."""
        from monitor.store.database import Database
        from monitor.store.reserve import Reserve

        return Database.open(self.ledger, self.run, Reserve(self.reserve))


def make(path: Path) -> Home:
    """Create what is missing. Raises HomeError when the folder cannot be used."""
    home = Home(path)
    try:
        for folder in (home.path, home.run, home.snapshots):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        probe = home.run / f".probe-{os.getpid()}"
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as problem:
        raise HomeError(
            f"The home folder {path} cannot be used ({problem.strerror}): give another with --home or OVERLOOP_HOME, "
            "or change its owner; a disk that is read-only must be made writable again."
        ) from problem
    return home


def lock(home: Home) -> int:
    """Hold the home for this process and the children that inherit the descriptor. Raises HomeError if it is taken.

    Waits for the children of a parent that is gone: they need a moment to end.
    """
    descriptor = os.open(home.run / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    began = time.monotonic()
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.pread(descriptor, 32, 0).decode(errors="replace").strip()
            patience = BRIEFLY if owner.isdecimal() and lives(int(owner)) else PATIENCE
            if time.monotonic() - began > patience:
                os.close(descriptor)
                raise HomeError(
                    f"Another daemon (process {owner or '?'}) runs on {home.path}: stop it, or give another --home."
                ) from None
            time.sleep(0.05)
        else:
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
            return descriptor


def fill(home: Home) -> None:
    """Ledger, token and keys of a fresh home; an old one is only checked. Raises SchemaMismatch.

    And the space that is kept back for the ledger, before anything else fills the disk.
    """
    from monitor.store import facts, schema
    from monitor.store.reserve import Reserve

    if schema.revision(home.ledger) is None:  # no ledger, or one whose making was cut short
        schema.upgrade(home.ledger, home.run)
    schema.check(home.ledger)
    _secret(home.key)
    Reserve(home.reserve).ensure()
    clock = Clock(home.path)
    with home.database() as database, database.write(clock.now()) as tx:
        facts.ensure_fact(tx, "home_id", str(uuid.uuid4()))
        if facts.get_fact(tx.connection, "gate_epoch") is None:
            facts.draw_gate_epoch(tx)
        _admin(home, tx, clock.now())


def _admin(home: Home, tx: Transaction, now: float) -> None:
    """The admin's token: a file only its owner reads, and the only one of its kind in force.

    A lost or unfinished file gets a new token; another that is put there takes the place of the one before.
    """
    from monitor.store import access

    secret = _read_secret(home.token)
    if secret is None:
        secret = new_secret()
        _write_secret(home.token, secret + "\n")
    for token in access.tokens(tx.connection):
        if token.label == TOKEN_FILE and token.hash != digest(secret):
            access.revoke_token(tx, token.id, "machine")
    if access.find(tx.connection, digest(secret), "api", now) is None:
        made = access.Token(str(uuid.uuid4()), digest(secret), "api", ADMIN, "admin", TOKEN_FILE, now)
        access.create_token(tx, made, "machine")


def _secret(path: Path) -> bytes:
    """The key of keyed hashes, made once."""
    key = _read_secret(path)
    if key is None:
        key = secrets.token_hex(32)
        _write_secret(path, key + "\n")
    try:
        return bytes.fromhex(key)
    except ValueError:
        raise HomeError(f"The key in {path} is not hexadecimal: put the file of a backup back in its place.") from None


def _read_secret(path: Path) -> str | None:
    """What a secret's file holds; None if there is none, or so little that its writing must have been cut short."""
    if not path.exists():
        return None
    text = path.read_text(encoding="utf-8", errors="replace").strip()
    return text if len(text) >= SHORTEST else None


def _write_secret(path: Path, text: str) -> None:
    """Whole or not at all, whatever happens meanwhile."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def secret_key(home: Home) -> bytes:
    """The key secret columns are hashed with."""
    return _secret(home.key)
