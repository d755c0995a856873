"""Single values of a home: who it is, and what a client needs to tell one history from another."""

from __future__ import annotations

from secrets import token_hex
from string import hexdigits
from typing import Final

from sqlalchemy import Connection, select

from monitor.store.database import Transaction
from monitor.store.tables import facts
from monitor.store.upsert import insert_new, upsert

GATE_EPOCH: Final = "gate_epoch"
_EPOCH: Final = 16  # digits of a gate epoch
CANARY_DELIVERED: Final = "canary_delivered"  # the number of the newest that came round
AUDIT_VERIFIED: Final = "audit_verified"  # JSON: when the audit log was last checked, what came of it


def get_fact(connection: Connection, name: str) -> str | None:
    """The value, or None if it was never set."""
    return connection.execute(select(facts.c.value).where(facts.c.name == name)).scalar()


def set_fact(tx: Transaction, name: str, value: str) -> None:
    upsert(tx.connection, facts, [{"name": name, "value": value}])


def ensure_fact(tx: Transaction, name: str, value: str) -> str:
    """Set the value if there is none; answers what holds."""
    insert_new(tx.connection, facts, [{"name": name, "value": value}])
    return get_fact(tx.connection, name) or value


def draw_gate_epoch(tx: Transaction) -> str:
    """A new gate epoch: clients then know that this ledger's generations are not those they have seen.

    Drawn when a home is made and whenever a ledger comes back from a backup. Epochs are 16 hex digits, as
    texts each higher than the ones before: milliseconds since 1970 first, then a random part.
    """
    known = get_fact(tx.connection, GATE_EPOCH) or ""
    before = int(known[:11], 16) if len(known) == _EPOCH and set(known) <= set(hexdigits) else 0
    epoch = f"{max(int(tx.at * 1000), before + 1):011x}{token_hex(3)}"[:_EPOCH]
    set_fact(tx, GATE_EPOCH, epoch)
    return epoch
