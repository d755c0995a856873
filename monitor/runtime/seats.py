"""Who is watched for anomalies: trees are large, so only the busiest models of a partition have them."""

from __future__ import annotations

from monitor.core.bank import Bank
from monitor.core.modelwatch import ModelWatch
from monitor.core.watcher import Mark
from monitor.core.watchers import is_heavy

SEATS = 200  # models of a partition; default trees hold 180 kB for each rule and segment
HOUR = 3600.0  # seconds between two looks at who is busier: who is new in a seat learns from the start
CLEARLY = 2.0  # times busier one must be to take another's seat


class Seats:
    """Decides, and a step records it: replays need not know how busy anybody was."""

    def __init__(self, seats: int = SEATS) -> None:
        self._seats = seats
        self._looked: float | None = None
        self._events: dict[str, int] = {}  # of each model, when it was last looked at

    def change(self, now: float, bank: Bank) -> list[Mark]:
        """Marks for models that lose their seat and for those that get one; none while there is room for all."""
        asking = [part for part in bank.models.values() if any(map(is_heavy, part.rules.values()))]
        seated = [part for part in asking if not part.aside]
        if len(asking) <= self._seats and len(seated) == len(asking):
            return []
        if self._looked is not None and now - self._looked < HOUR:
            return _marks(now, sorted(seated, key=self._busy, reverse=True)[self._seats :], [])
        ranked = sorted(asking, key=lambda part: self._busy(part, 1.0 if part.aside else CLEARLY), reverse=True)
        ahead = ranked[: self._seats]
        self._looked = now
        self._events = {part.name: part.events for part in asking}
        return _marks(now, [p for p in ranked[self._seats :] if not p.aside], [p for p in ahead if p.aside])

    def _busy(self, part: ModelWatch, weight: float = 1.0) -> tuple[float, str]:
        return weight * (part.events - self._events.get(part.name, 0)), part.name


def _marks(now: float, leaving: list[ModelWatch], coming: list[ModelWatch]) -> list[Mark]:
    lost = [Mark("seat", now, part.name, body={"taken": False}) for part in leaving]
    return lost + [Mark("seat", now, part.name, body={"taken": True}) for part in coming]
