"""Lines that the spool no longer holds and nobody has observed: crossed in sight of everybody, and counted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from monitor.core.watcher import Mark
from monitor.spool import Record, Spool, SpoolUnusable


def until_hole(cursor: int, records: Sequence[Record]) -> list[Record]:
    """The records up to the first hole behind one of them; a hole before the first is the step's to cross."""
    kept: list[Record] = []
    at = records[0].first if records else cursor
    for record in records:
        if record.first != at:
            break
        kept.append(record)
        at = record.end
    return kept


def crossing(
    spool: Spool, partition: int, cursor: int, records: Sequence[Record], counted: int, now: float
) -> Mark | None:
    """A gap mark if the lines from `cursor` on are gone, up to the first of `records` or what is yet to come.

    `counted` events stand before the cursor. The time between the records on both sides is no silence of a model.
    """
    if records and records[0].first == cursor:
        return None
    hole = (cursor, records[0].first) if records else _ahead(spool, partition, cursor)
    if hole is None:
        return None
    first, end = hole
    events = max(0, spool.accepted_at(partition, end) - counted)
    until = records[0].recorded_at if records else now
    before = spool.holding(partition, first)
    since = until if before is None else min(before.recorded_at, until)
    sentence = (
        f"Offsets {first} to {end - 1} of partition {partition} can no longer be read from the spool, so {events:,} "
        "events that were accepted were never observed: no rule has seen them, and the accounting counts them as "
        "lost among those in quarantine."
    )
    lost = {"first": first, "end": end, "events": events}
    return Mark("gap", now, body={"from": since, "to": until, "losses": [sentence], "lost": lost})


def _ahead(spool: Spool, partition: int, cursor: int) -> tuple[int, int] | None:
    return spool.hole(partition, cursor) if spool.end(partition) > cursor else None


def lost_lines(marks: Iterable[Mark]) -> int:
    """How many offsets these marks cross, truth included."""
    return sum(m.body["lost"]["end"] - m.body["lost"]["first"] for m in marks if m.body and "lost" in m.body)


def lost_events(marks: Iterable[Mark]) -> int:
    """How many events were lost in the holes that these marks cross."""
    return sum(int(m.body["lost"]["events"]) for m in marks if m.body and "lost" in m.body)


def refuse_older(spool: Spool, partition: int, cursor: int) -> None:
    """Raise SpoolUnusable if the spool ends before the cursor: then offsets would be given twice."""
    end = spool.end(partition)
    if end < cursor:
        raise SpoolUnusable(
            f"The spool of partition {partition} ends at offset {end}, and {cursor} were observed: it is older than "
            "the ledger. Restart the daemon, which goes on behind them, or put the right spool back in place."
        )
