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


@pytest.fixture(scope="session")
def postgres_cluster() -> Iterator[Path]:
    """The folder with the server's socket. The server trusts whoever can enter that folder, and has no port."""
    binaries = _binaries()
    account = _account()
    # Not pytest's own folders: the server's account may not enter those, and a socket's path must be short.
    folder = Path(tempfile.mkdtemp(prefix="overloop-pg-"))
    try:
        if account:
            shutil.chown(folder, account.pw_uid, account.pw_gid)
        data = folder / "data"
        _run(
            account,
            binaries / "initdb",
            "-D",
            data,
            "-U",
            "postgres",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--locale=C",
            "--no-sync",
        )
        options = f"-c listen_addresses='' -c fsync=off -k {folder}"
        control = [binaries / "pg_ctl", "-D", data, "-l", folder / "log", "-w"]
        _run(account, *control, "-o", options, "start")
        try:
            yield folder
        finally:
            _run(account, *control, "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


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
