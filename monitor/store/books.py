"""Rule books by digest, with the text they were compiled from, so that an old step can be done again."""

from __future__ import annotations

import re
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


def first_loaded(connection: Connection, rule: str) -> float | None:
    """When the first book was loaded whose text names a rule `- alert: …`, whatever its pack; None if none was."""
    named = re.compile(rf"""\balert:\s*["']?{re.escape(rule)}["']?\s*(?:[,}}#\n]|$)""")
    for text, at in connection.execute(select(books.c.source, books.c.loaded_at).order_by(books.c.loaded_at)):
        source = rows.from_json(text)
        if any(named.search(file) for file in source.get("files", {}).values()):
            return float(at)
    return None
