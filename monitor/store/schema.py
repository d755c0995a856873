"""The form of the ledger's tables: which revision a ledger has, and the way to the one this program needs."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sqlalchemy import URL, Connection, inspect, select, table
from sqlalchemy import column as sa_column
from sqlalchemy.exc import SQLAlchemyError

from monitor.killpoints import point
from monitor.store.engines import is_sqlite, ledger_name, ledger_path, ledger_url, migrating_engine, reading_engine
from monitor.store.errors import LedgerUnavailable, unavailable
from monitor.store.lock import FairLock, LockTimeout

if TYPE_CHECKING:
    from alembic.config import Config

REVISION: Final = "0001"  # what this program needs: the newest file in alembic/versions
_PATIENCE: Final = 10.0  # seconds
_UPGRADE_KEY: Final = 0x6F766462  # "ovdb": the advisory lock of an upgrade on PostgreSQL
_VERSION: Final = table("alembic_version", sa_column("version_num"))


@dataclass(frozen=True, slots=True)
class Migrations:
    """A folder of migrations and the newest revision in it."""

    folder: Path
    newest: str


class SchemaMismatch(RuntimeError):  # noqa: N818
    """The ledger has another form than this program needs; the text names the command that mends it."""


def revision(url: str | Path) -> str | None:
    """The revision of the ledger; None if there is no ledger or it has no tables. Raises LedgerUnavailable."""
    where = ledger_url(url)
    if is_sqlite(where) and not ledger_path(where).exists():
        return None
    engine = reading_engine(where, _PATIENCE)
    try:
        with engine.connect() as connection:
            return _revision(connection)
    except SQLAlchemyError as problem:
        raise unavailable(problem, ledger_name(where)) or problem from problem
    finally:
        engine.dispose()


def check(url: str | Path, needed: str = REVISION) -> None:
    """Raises SchemaMismatch unless the ledger has the form this program needs."""
    found, name = revision(url), ledger_name(ledger_url(url))
    if found is None:
        raise SchemaMismatch(f"The ledger {name} has no tables yet: run `overloop db upgrade`.")
    if found < needed:
        raise SchemaMismatch(
            f"The ledger {name} has the form {found}, this program needs {needed}: run `overloop db upgrade`."
        )
    if found > needed:
        raise SchemaMismatch(
            f"The ledger {name} was written by a newer program (its form is {found}, this one knows {needed}): "
            "install that program again, or restore a backup made before `overloop db upgrade`."
        )


def upgrade(url: str | Path, lock_dir: Path | None = None, by: Migrations | None = None) -> Path | None:
    """Bring the ledger to the newest revision, making it if need be, in one transaction.

    Answers the path of the backup made before (SQLite only, and only if there was something to keep). Safe to run
    beside others and again. Raises SchemaMismatch if the ledger is newer, LedgerUnavailable if it cannot be had.
    `by` are the shipped migrations unless given.
    """
    by, where = by or shipped(), ledger_url(url)
    name = ledger_name(where)
    found = revision(url)
    if found is not None and found >= by.newest:
        check(url, by.newest)
        return None
    lock = FairLock((lock_dir or ledger_path(where).parent) if is_sqlite(where) else None)
    try:
        lock.acquire(_PATIENCE)
        try:
            backup = _keep(ledger_path(where), found) if is_sqlite(where) else None
            _migrate(where, by)
        finally:
            lock.release()
            lock.close()
    except LockTimeout:
        raise LedgerUnavailable(f"The ledger {name} is in use by another process; stop it and try again.") from None
    except OSError as problem:
        raise LedgerUnavailable(f"The ledger {name} cannot be made or changed: {problem}.") from problem
    except SQLAlchemyError as problem:
        raise unavailable(problem, name) or problem from problem
    return backup


def shipped() -> Migrations:
    """Those inside the wheel, or at the top of the source tree."""
    package = Path(__file__).resolve().parent.parent
    inside = package / "_migrations"
    return Migrations(inside if inside.is_dir() else package.parent / "alembic", REVISION)


def alembic_config(folder: Path, connection: Connection) -> Config:
    """Alembic without any file of its own; `%` is its interpolation sign and stands doubled."""
    from alembic.config import Config  # 0.8 s to import, needed only here

    config = Config()
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def _migrate(where: URL, by: Migrations) -> None:
    from alembic import command

    if is_sqlite(where):
        os.close(os.open(ledger_path(where), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    engine = migrating_engine(where, _PATIENCE)
    try:
        with engine.begin() as connection:
            if not is_sqlite(where):
                connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_UPGRADE_KEY})")
            command.upgrade(alembic_config(by.folder, connection), by.newest)
            if is_sqlite(where):
                _refuse_orphans(connection)
            point("before migration")
        point("after migration")
    finally:
        engine.dispose()


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table(_VERSION.name):
        return None
    return connection.execute(select(_VERSION.c.version_num)).scalar()


def _refuse_orphans(connection: Connection) -> None:
    """Foreign keys were off meanwhile: nothing is committed unless every child still has its parent."""
    orphans = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
    if orphans:
        names = ", ".join(sorted({str(row[0]) for row in orphans}))
        raise SchemaMismatch(
            f"The upgrade would leave {len(orphans)} rows of {names} without what they belong to; "
            "nothing was changed. Please report this."
        )


def _keep(path: Path, found: str | None) -> Path | None:
    """A copy of the ledger beside it, named after the revision it has."""
    if found is None:
        return None
    copy, number = path.with_name(f"{path.name}.{found}.bak"), 1
    while copy.exists():
        number += 1
        copy = path.with_name(f"{path.name}.{found}.{number}.bak")
    os.close(os.open(copy, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)
    return copy
