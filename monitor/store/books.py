"""Rule books by digest, with the text they were compiled from, so that an old step can be done again."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Connection, select

from monitor.store import rows
from monitor.store.database import Transaction
from monitor.store.tables import books
from monitor.store.upsert import insert_new


def put_book(tx: Transaction, digest: str, source: Mapping[str, str]) -> None:
    """Keep a book: file path -> text. A digest that is known already is left as it is."""
    insert_new(tx.connection, books, [{"digest": digest, "source": rows.to_json(dict(source)), "loaded_at": tx.at}])


def get_book(connection: Connection, digest: str) -> dict[str, str] | None:
    """The source of a book: file path -> text."""
    text = connection.execute(select(books.c.source).where(books.c.digest == digest)).scalar()
    return None if text is None else dict(rows.from_json(text))
