"""A spool that is older than the ledger: noticed before anything is appended, and gone on behind."""

from __future__ import annotations

from pathlib import Path

from monitor.spool import Spool, move_up
from monitor.store.database import Database
from monitor.store.ledger import bump_desk, standing, want_mark


def catch_up(database: Database, folder: Path, partitions: int, now: float) -> list[str]:
    """Before anything is appended: a spool that ends before what was observed of it goes on behind that.

    Such a spool is older than the ledger, or new where the old one is lost. No offset that was observed is given to
    another line, the accounting goes on adding up, and the pump is left word to say so. Answers whole sentences.
    """
    said: list[str] = []
    with Spool.open(folder, partitions, write=False) as spool:
        for partition in range(partitions):
            with database.read() as connection:
                taken = standing(connection, partition)
            end = spool.end(partition)
            if taken is None:
                continue
            counted = taken.totals.get("observed", 0) + taken.totals.get("quarantined", 0)
            accepted = spool.totals(partition).accepted
            due = counted + accepted - min(accepted, spool.accepted_at(partition, taken.cursor))
            if end >= taken.cursor:
                if accepted < due:  # a damaged file knew the count, and nothing else
                    move_up(folder / str(partition), taken.cursor, due, now)
                continue
            sentence = _older(partition, end, taken.cursor)
            # The word first: if we are killed in between, it is said twice and not never.
            with database.write(now) as tx:
                body = {"from": now, "to": now, "losses": [sentence]}
                want_mark(tx, partition, {"kind": "gap", "at": now, "body": body})
                bump_desk(tx, partition)
            move_up(folder / str(partition), taken.cursor, counted, now)
            said.append(sentence)
    return said


def _older(partition: int, end: int, cursor: int) -> str:
    return (
        f"The spool of partition {partition} ends at offset {end}, and {cursor} were observed: it is older than the "
        f"ledger, or it was lost. New events go on at offset {cursor}; what was recorded in between can no longer be "
        "replayed, and events that were accepted and not yet observed are gone. If the right spool is at hand, stop "
        "the daemon and put it back in place."
    )
