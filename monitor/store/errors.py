"""What can go wrong with the ledger, as sentences."""

from __future__ import annotations

import sqlite3

from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout


class LedgerUnavailable(RuntimeError):  # noqa: N818 (a state, not a mistake)
    """The ledger cannot be written or read now; trying again later may work. Nothing was written."""

    def __init__(self, sentence: str, disk_full: bool = False) -> None:
        super().__init__(sentence)
        self.disk_full = disk_full


class Unknown(LookupError):  # noqa: N818
    """Something that was asked for by its name is not there."""

    def __init__(self, noun: str, name: str) -> None:
        super().__init__(f"There is no {noun} {name!r}.")
        self.noun, self.name = noun, name


_SQLITE = {  # primary result codes
    sqlite3.SQLITE_BUSY: "another program holds a lock on it; stop that program or wait",
    sqlite3.SQLITE_LOCKED: "another program holds a lock on it; stop that program or wait",
    sqlite3.SQLITE_FULL: "the disk is full; free some space",
    sqlite3.SQLITE_IOERR: "the disk answered with an error; look at the system log",
    sqlite3.SQLITE_CANTOPEN: "the file cannot be opened; check the folder and its permissions",
    sqlite3.SQLITE_READONLY: "the file may only be read; check its permissions",
    sqlite3.SQLITE_PERM: "access was refused; check its permissions",
    sqlite3.SQLITE_NOTADB: "the file is no SQLite database; restore it from a backup",
    sqlite3.SQLITE_CORRUPT: "the file is damaged; restore it from a backup",
}
_DISK_FULL = "53100"  # PostgreSQL's SQLSTATE
_LOCK_TIMEOUT = "55P03"


def unavailable(problem: BaseException, name: str) -> LedgerUnavailable | None:
    """The error in our words, or None where it is a mistake of the program and should be seen as it is."""
    if isinstance(problem, PoolTimeout):
        return LedgerUnavailable(f"The ledger {name} is busy: all reading connections are in use; try again.")
    cause = problem.orig if isinstance(problem, DBAPIError) else problem
    if isinstance(cause, sqlite3.Error):
        code = getattr(cause, "sqlite_errorcode", 0) & 0xFF
        if code not in _SQLITE:
            return None
        return LedgerUnavailable(
            f"The ledger {name} cannot be used: {_SQLITE[code]} ({cause}).", code == sqlite3.SQLITE_FULL
        )
    state = getattr(cause, "sqlstate", None)
    if state == _LOCK_TIMEOUT:
        return LedgerUnavailable(f"The ledger {name} is locked by another process; try again.")
    lost = isinstance(problem, DBAPIError) and problem.connection_invalidated
    if lost or isinstance(problem, OperationalError):
        said = " ".join(str(cause).split())
        return LedgerUnavailable(f"The ledger {name} cannot be used: {said}", state == _DISK_FULL)
    return None
