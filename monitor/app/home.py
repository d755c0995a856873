"""The home folder: made, locked, checked and filled before anything runs in it."""

from __future__ import annotations

import fcntl
import os
import secrets
import time
import uuid
from dataclasses import dataclass
from pathlib import Path

from monitor.clock import Clock
from monitor.store import access, facts, schema
from monitor.store.database import Database, Transaction
from monitor.store.reserve import Reserve
from monitor.web.auth import digest, new_secret

ADMIN = "admin"
PATIENCE = 15.0  # seconds to wait for a daemon that is going away


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

    def database(self) -> Database:
        """The ledger, with the space kept back for a full disk."""
        return Database.open(self.ledger, self.run, Reserve(self.path / "reserve"))


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
            "or change its owner."
        ) from problem
    return home


def lock(home: Home) -> int:
    """Hold the home for this process and the children that inherit the descriptor. Raises HomeError if it is taken.

    Waits a little: after a SIGKILL of the parent its children need a moment to end.
    """
    descriptor = os.open(home.run / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    until = time.monotonic() + PATIENCE
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > until:
                owner = os.pread(descriptor, 32, 0).decode(errors="replace").strip()
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
    """Ledger, token and keys of a fresh home; an old one is only checked. Raises SchemaMismatch."""
    if not home.ledger.exists():
        schema.upgrade(home.ledger, home.run)
    schema.check(home.ledger)
    _secret(home.key)
    clock = Clock(home.path)
    with home.database() as database, database.write(clock.now()) as tx:
        facts.ensure_fact(tx, "home_id", str(uuid.uuid4()))
        if facts.get_fact(tx.connection, "gate_epoch") is None:
            facts.draw_gate_epoch(tx)
        _admin(home, tx, clock.now())


def _admin(home: Home, tx: Transaction, now: float) -> None:
    """The admin's token: a file only its owner reads. A lost file gets a new token; a file put there is honoured."""
    if not home.token.exists():
        _write_secret(home.token, new_secret() + "\n")
    secret = home.token.read_text().strip()
    if access.find(tx.connection, digest(secret), "api", now) is None:
        token = access.Token(str(uuid.uuid4()), digest(secret), "api", ADMIN, "admin", "token file", now)
        access.create_token(tx, token, "machine")


def _secret(path: Path) -> bytes:
    """The key of keyed hashes, made once."""
    if not path.exists():
        _write_secret(path, secrets.token_hex(32) + "\n")
    return bytes.fromhex(path.read_text().strip())


def _write_secret(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def secret_key(home: Home) -> bytes:
    """The key secret columns are hashed with."""
    return _secret(home.key)
