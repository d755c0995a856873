"""Which receivers take no messages for now, and since when: one fact of the ledger."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from sqlalchemy import Connection

from monitor.store import rows
from monitor.store.database import Transaction
from monitor.store.facts import get_fact, set_fact

_FACT: Final = "failing_receivers"


def failing_receivers(connection: Connection) -> dict[str, float]:
    """By name; daemon time."""
    return dict(rows.from_json(get_fact(connection, _FACT) or "{}"))


def keep_failing(tx: Transaction, failing: Mapping[str, float]) -> None:
    set_fact(tx, _FACT, rows.to_json(dict(failing)))
