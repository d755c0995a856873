"""Marks that the pump places by itself, because of the time, the backlog or the memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from monitor.core.bank import Bank
from monitor.core.watcher import Mark
from monitor.runtime.pace import BEHIND
from monitor.spool import Record

NAMED = 20  # losses that a mark names


def gap(start: float, end: float, losses: Sequence[str] = ()) -> Mark:
    """Nobody watched from `start` to `end`; `losses` say in sentences what could not be brought back."""
    return Mark("gap", end, body={"from": start, "to": end, **({"losses": list(losses)[:NAMED]} if losses else {})})


def losses_of(marks: Iterable[Mark]) -> list[str]:
    """What these marks say is lost, in sentences."""
    return [sentence for mark in marks if mark.kind == "gap" and mark.body for sentence in mark.body.get("losses", ())]


def behind(now: float, records: Sequence[Record], limit: int, end: Callable[[], int]) -> list[Mark]:
    """A mark if records wait behind those of this step, which were recorded a while ago. `end` is of the spool."""
    if not records or sum(record.count for record in records) < limit:
        return []
    seen = records[-1].recorded_at
    late = now - seen > BEHIND and end() > records[-1].end
    return [Mark("behind", now, body={"to": seen})] if late else []


def room_left(now: float, bank: Bank, room: int) -> list[Mark]:
    """A mark if the bank has come to hold more than `room` bytes, or is clearly below that again."""
    full = bank.memory() > (0.9 * room if bank.closed else room)
    return [] if full == bank.closed else [Mark("full", now, body={"full": full})]
