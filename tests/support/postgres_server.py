"""One PostgreSQL for the test session, on a socket of its own; one fresh database for each test that asks."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from services import missing

_numbers = count(1)


class Server:
    """A PostgreSQL of its own, on a socket in `folder`. It trusts whoever can enter that folder, and has no port."""

    def __init__(self) -> None:
        self._binaries, self._account = _binaries(), _account()
        # Not pytest's own folders: the server's account may not enter those, and a socket's path must be short.
        self.folder = Path(tempfile.mkdtemp(prefix="overloop-pg-"))
        self.url = f"postgresql+psycopg://postgres@/postgres?host={self.folder}"

    def __enter__(self) -> Server:
        try:
            if self._account:
                shutil.chown(self.folder, self._account.pw_uid, self._account.pw_gid)
            init = [self._binaries / "initdb", "-D", self.folder / "data", "-U", "postgres", "-A", "trust"]
            _run(self._account, *init, "-E", "UTF8", "--locale=C", "--no-sync")
            self.start()
        except BaseException:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise
        return self

    def __exit__(self, *_: object) -> None:
        try:
            if (self.folder / "data" / "postmaster.pid").exists():
                self._control("-m", "immediate", "stop")
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)

    def start(self) -> None:
        self._control("-o", f"-c listen_addresses='' -c fsync=off -k {self.folder}", "start")

    def stop(self) -> None:
        """As an administrator does who waits for nobody."""
        self._control("-m", "fast", "stop")

    def _control(self, *words: object) -> None:
        control = [self._binaries / "pg_ctl", "-D", self.folder / "data", "-l", self.folder / "log", "-w"]
        _run(self._account, *control, *words)


@pytest.fixture(scope="session")
def postgres_cluster() -> Iterator[Path]:
    """The folder with the server's socket."""
    with Server() as server:
        yield server.folder


@pytest.fixture
def postgres_url(postgres_cluster: Path) -> Iterator[str]:
    """SQLAlchemy's address of an empty database, dropped after the test."""
    psycopg = pytest.importorskip("psycopg")
    name = f"test_{os.getpid()}_{next(_numbers)}"
    with psycopg.connect(host=str(postgres_cluster), user="postgres", autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name}")
        yield f"postgresql+psycopg://postgres@/{name}?host={postgres_cluster}"
        server.execute(f"DROP DATABASE {name} WITH (FORCE)")


def _binaries() -> Path:
    """Debian keeps the server's programs off the PATH, one folder a version; the newest is taken."""
    found = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    if found:
        return max(found, key=lambda folder: int(folder.parent.name))
    initdb = shutil.which("initdb") or missing("PostgreSQL's server")
    return Path(initdb).resolve().parent


def _account() -> pwd.struct_passwd | None:
    """PostgreSQL refuses to run as root; then it runs as the account made for it, or as nobody."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name: entry for entry in pwd.getpwall()}
    return names.get("postgres") or names["nobody"]


def _run(account: pwd.struct_passwd | None, *command: object) -> None:
    who: dict[str, Any] = {}
    if account:
        who = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
    done = subprocess.run(
        list(map(str, command)), stdin=subprocess.DEVNULL, capture_output=True, text=True, cwd="/", check=False, **who
    )
    if done.returncode:
        pytest.fail(f"{command[0]} failed: {done.stderr or done.stdout}", pytrace=False)
