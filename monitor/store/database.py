"""The ledger's database as one process sees it: one writing connection, a few readers, one fair lock."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Final, Self, cast

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from monitor.store.engines import is_sqlite, ledger_name, ledger_path, ledger_url, reading_engine, writing_engine
from monitor.store.errors import LedgerUnavailable, unavailable
from monitor.store.lock import FairLock, LockTimeout
from monitor.store.reserve import Reserve
from monitor.store.transaction import Transaction

__all__ = ["Connection", "Database", "LedgerUnavailable", "Transaction"]

PATIENCE: Final = 10.0  # seconds to wait for a lock before LedgerUnavailable
_LOG_SIZE: Final = 4 * 1024 * 1024  # bytes of write-ahead log after which it is moved into the file


class Database:
    """Connections open on first use and again after a failure. Threads may share it, forked processes may not."""

    def __init__(
        self, url: str | Path, lock_dir: Path | None, reserve: Reserve | None, patience: float = PATIENCE
    ) -> None:
        self._url = ledger_url(url)
        self._lock_dir = (lock_dir or ledger_path(self._url).parent) if is_sqlite(self._url) else None
        self._reserve = reserve
        self._patience = patience
        self._start()

    @classmethod
    def open(
        cls,
        url_or_path: str | Path,
        lock_dir: Path | None = None,
        reserve: Reserve | None = None,
        patience: float = PATIENCE,
    ) -> Self:
        """A SQLite path or a postgresql:// address; lock files go to `lock_dir` (by default beside the ledger).

        `reserve` is given back to the disk when it is full. Nothing is opened yet.
        """
        return cls(url_or_path, lock_dir, reserve, patience)

    @property
    def name(self) -> str:
        """For messages: the path, or the address without its password."""
        return ledger_name(self._url)

    @property
    def waited(self) -> float:
        """Seconds for which this process's writers have waited for others, all together."""
        return self._lock.waited

    @contextmanager
    def write(self, at: float) -> Iterator[Transaction]:
        """Committed when the block ends, undone when it raises. `at` is daemon time.

        Raises LedgerUnavailable when nothing could be written: disk full, locked, gone. Not re-entrant.
        """
        with self._locked():
            try:
                connection = self._writing()
                connection.begin()
                transaction = Transaction(connection, at)
                yield transaction
                transaction.seal()
                connection.commit()
            except BaseException as problem:
                self._undo()
                self._translate(problem)
                raise
            self._tidy(connection)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """One state of the ledger, from the first query on. Raises LedgerUnavailable."""
        self._refuse_fork()
        self._used = True
        try:
            with self._readers.connect() as connection, connection.begin():
                yield connection
        except SQLAlchemyError as problem:
            self._translate(problem)
            raise

    def checkpoint(self) -> bool:
        """Move SQLite's write-ahead log into the file, True if readers let all of it. Refills the reserve."""
        if self._reserve is not None:
            self._reserve.ensure()
        if not is_sqlite(self._url):
            return True
        with self._locked():
            try:
                return self._move_log(self._writing())
            except (SQLAlchemyError, sqlite3.Error) as problem:
                self._undo()
                self._translate(problem)
                raise

    def close(self) -> None:
        """Close every connection. The last one of all moves the log into the file, hence the lock.

        Who only read need not wait for it: somebody who holds it is not gone, so theirs is not the last one.
        """
        if self._pid != os.getpid():
            return  # they are the parent's
        with ExitStack() as stack:
            if self._used:
                with suppress(LedgerUnavailable):
                    stack.enter_context(self._locked(0.0 if self._writer is None else self._patience))
            self._readers.dispose()
            self._drop_writer()
        self._lock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _start(self) -> None:
        self._pid = os.getpid()
        self._lock = FairLock(self._lock_dir)
        self._writers = writing_engine(self._url, self._patience)
        self._readers = reading_engine(self._url, self._patience)
        self._writer: Connection | None = None
        self._used = False
        self._move_at = _LOG_SIZE

    def _refuse_fork(self) -> None:
        """SQLite keeps what a process has locked in that process's memory: in a forked child it is wrong."""
        if self._pid == os.getpid():
            return
        if self._used:
            raise RuntimeError(
                f"The ledger {self.name} was opened before this process was forked and cannot be used here: start "
                "processes anew (spawn) or open the ledger after the fork."
            )
        self._start()

    @contextmanager
    def _locked(self, timeout: float | None = None) -> Iterator[None]:
        self._refuse_fork()
        self._used = True
        try:
            self._lock.acquire(self._patience if timeout is None else timeout)
        except LockTimeout:
            raise LedgerUnavailable(
                f"The ledger {self.name} has been locked for {self._patience:g} seconds by another process or "
                "thread; it will be tried again."
            ) from None
        except OSError as problem:
            raise LedgerUnavailable(f"The lock of the ledger {self.name} cannot be opened: {problem}") from problem
        try:
            yield
        finally:
            self._lock.release()

    def _writing(self) -> Connection:
        if self._writer is None:
            self._writer = self._writers.connect()
        return self._writer

    def _undo(self) -> None:
        """Roll back; a connection that cannot even do that is given up."""
        if self._writer is None:
            return
        try:
            self._writer.rollback()
        except SQLAlchemyError:
            self._writer.invalidate()
        if self._writer.invalidated:
            self._drop_writer()

    def _drop_writer(self) -> None:
        if self._writer is not None:
            with suppress(SQLAlchemyError):
                self._writer.close()
            self._writer = None

    def _translate(self, problem: BaseException) -> None:
        """Raise it in our words if it is about the ledger's being there, and give the reserve back if that helps."""
        told = unavailable(problem, self.name)
        if told is None:
            return
        if told.disk_full and self._reserve is not None:
            self._reserve.release()
        raise told from problem

    def _tidy(self, connection: Connection) -> None:
        """After a commit, still within the lock. What fails here has not failed the commit."""
        if not is_sqlite(self._url):
            return
        with suppress(OSError, sqlite3.Error):
            size = Path(f"{ledger_path(self._url)}-wal").stat().st_size
            if size > self._move_at:
                self._move_at = _LOG_SIZE if self._move_log(connection) else size + _LOG_SIZE

    def _move_log(self, connection: Connection) -> bool:
        """Never waits for readers: what they still need stays in the log until next time."""
        driver = cast(sqlite3.Connection, connection.connection.dbapi_connection)
        driver.execute("PRAGMA busy_timeout = 0")
        try:
            busy, _, _ = driver.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        finally:
            driver.execute(f"PRAGMA busy_timeout = {int(self._patience * 1000)}")
        return not busy
