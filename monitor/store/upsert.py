"""INSERT … ON CONFLICT, which both databases speak alike and SQLAlchemy spells per dialect."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite

Rows = Sequence[Mapping[str, Any]]


def upsert(connection: Connection, table: Table, rows: Rows) -> None:
    """Insert rows; one with a known primary key replaces the other columns that it names."""
    if not rows:
        return
    statement = _insert(connection, table)
    keys = [column.name for column in table.primary_key]
    replaced = {name: statement.excluded[name] for name in rows[0] if name not in keys}
    connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=replaced), list(rows))


def insert_new(connection: Connection, table: Table, rows: Rows) -> None:
    """Insert rows whose primary key is not there yet; leave the others as they are."""
    if rows:
        keys = [column.name for column in table.primary_key]
        connection.execute(_insert(connection, table).on_conflict_do_nothing(index_elements=keys), list(rows))


def _insert(connection: Connection, table: Table) -> sqlite.Insert | postgresql.Insert:
    if connection.dialect.name == "sqlite":
        return sqlite.insert(table)
    return postgresql.insert(table)
