"""SQLAlchemy engines, set up the way the promises of the ledger need them."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.pool import NullPool, QueuePool

_READERS, _MORE_READERS = 4, 12
_WRITER_KEY: Final = 0x6F766572  # "over": the advisory lock of the one writer on PostgreSQL


def ledger_url(url_or_path: str | Path | URL) -> URL:
    """A path means SQLite. Raises ValueError on databases we do not know."""
    if isinstance(url_or_path, URL):
        url = url_or_path
    elif isinstance(url_or_path, Path) or "://" not in url_or_path:
        return URL.create("sqlite", database=str(Path(url_or_path).expanduser().absolute()))
    else:
        url = make_url(url_or_path)
    backend = url.get_backend_name()
    if backend == "sqlite" and (not url.database or url.database == ":memory:"):
        raise ValueError("The ledger must be a file, so that every process sees the same one.")
    if backend not in ("sqlite", "postgresql"):
        raise ValueError(f"The ledger cannot be kept in {backend!r}; give a path or a postgresql:// address instead.")
    return url


def ledger_name(url: URL) -> str:
    """What messages call it: the path, or the address without its password."""
    return str(url.database) if is_sqlite(url) else url.render_as_string(hide_password=True)


def is_sqlite(url: URL) -> bool:
    return url.get_backend_name() == "sqlite"


def ledger_path(url: URL) -> Path:
    """The file of a SQLite ledger."""
    return Path(str(url.database))


def writing_engine(url: URL, patience: float) -> Engine:
    """One connection at a time, BEGIN IMMEDIATE (or the writer's advisory lock), durable when it says committed."""
    if is_sqlite(url):
        return _sqlite(_existing(url), "BEGIN IMMEDIATE", patience, writes=True)
    engine = _postgres(url, patience, pool=NullPool)

    @event.listens_for(engine, "begin")
    def lock(connection: Connection) -> None:
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_WRITER_KEY})")

    return engine


def reading_engine(url: URL, patience: float) -> Engine:
    """A few connections; each transaction sees one state of the ledger from its first query on."""
    if is_sqlite(url):
        return _sqlite(_existing(url), "BEGIN", patience, writes=False)
    return _postgres(url, patience, pool=QueuePool).execution_options(
        isolation_level="REPEATABLE READ", postgresql_readonly=True
    )


def migrating_engine(url: URL, patience: float) -> Engine:
    """For changes of the schema only: foreign keys are off, because SQLite's way to change a table drops it."""
    if is_sqlite(url):
        return _sqlite(url, "BEGIN IMMEDIATE", patience, writes=True, foreign_keys=False)
    return _postgres(url, patience, pool=NullPool)


def _existing(url: URL) -> URL:
    """The same file, but never made: a ledger that is gone must not come back empty."""
    return URL.create("sqlite", database=f"file:{quote(str(url.database))}", query={"mode": "rw", "uri": "true"})


def _sqlite(url: URL, begin: str, patience: float, writes: bool, foreign_keys: bool = True) -> Engine:
    pool: dict[str, Any] = {"poolclass": NullPool}
    if not writes:
        pool = {
            "poolclass": QueuePool,
            "pool_size": _READERS,
            "max_overflow": _MORE_READERS,
            "pool_timeout": patience,
        }
    engine = create_engine(
        url,
        hide_parameters=True,
        connect_args={"check_same_thread": False, "timeout": patience, "isolation_level": None},
        **pool,
    )

    @event.listens_for(engine, "connect")
    def prepare(connection: sqlite3.Connection, _record: object) -> None:
        pragmas = [
            "journal_mode = WAL",
            "synchronous = FULL",
            "wal_autocheckpoint = 0",
            f"foreign_keys = {'ON' if foreign_keys else 'OFF'}",
            "recursive_triggers = ON",  # else INSERT OR REPLACE deletes behind the triggers
        ]
        for pragma in pragmas if writes else ["query_only = ON", "wal_autocheckpoint = 0"]:
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def start(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine


def _postgres(url: URL, patience: float, pool: type[NullPool] | type[QueuePool]) -> Engine:
    sizes = {"pool_size": _READERS, "max_overflow": _MORE_READERS, "pool_timeout": patience}
    options = f"-c lock_timeout={int(patience * 1000)} -c idle_in_transaction_session_timeout=60000"
    return create_engine(
        url,
        hide_parameters=True,
        poolclass=pool,
        pool_pre_ping=pool is QueuePool,
        connect_args={
            "application_name": "overloop",
            "connect_timeout": max(2, int(patience)),
            "options": options,
        },
        **(sizes if pool is QueuePool else {}),
    )
