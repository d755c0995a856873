"""Who is watched for anomalies: trees are large, so only the busiest models of a partition have them."""

from __future__ import annotations

from monitor.core.bank import Bank
from monitor.core.modelwatch import ModelWatch
from monitor.core.watcher import Mark
from monitor.core.watchers import is_heavy

SEATS = 200  # models of a partition; default trees hold 180 kB for each rule and segment
HOUR = 3600.0  # seconds between two looks at who is busier: who is new in a seat learns from the start
DAY = 24 * HOUR  # a quiet night is no reason: what counts is about a day, and after a start a day is waited for
CLEARLY = 2.0  # times busier one must be to take another's seat


class Seats:
    """Decides, and a step records it: replays need not know how busy anybody was."""

    def __init__(self, seats: int = SEATS) -> None:
        self._seats = seats
        self._began: float | None = None
        self._looked = 0.0
        self._events: dict[str, int] = {}  # of each model, when it was last looked at
        self._rates: dict[str, float] = {}  # events of the last days, a day ago half as much

    def change(self, now: float, bank: Bank) -> list[Mark]:
        """Marks for models that lose their seat and for those that get one; none while there is room for all."""
        asking = [part for part in bank.models.values() if any(map(is_heavy, part.rules.values()))]
        seated = [part for part in asking if _sits(part)]
        if len(asking) <= self._seats and len(seated) == len(asking):
            return []
        fresh = self._look(now, asking)
        seated.sort(key=self._busy, reverse=True)
        waiting = sorted((part for part in asking if part.aside), key=self._busy, reverse=True)
        leaving, free = seated[self._seats :], max(self._seats - len(seated), 0)
        coming = [part for part in waiting[:free] if not _sits(part)]
        if fresh and self._began is not None and now - self._began >= DAY and not leaving:
            for out, busier in zip(reversed(seated), waiting[free:], strict=False):
                if self._rate(busier) <= CLEARLY * self._rate(out):
                    break
                leaving, coming = [*leaving, out], [*coming, busier]
        return _marks(now, leaving, coming)

    def _look(self, now: float, asking: list[ModelWatch]) -> bool:
        """Take note of how busy they are, once an hour; whether that is now."""
        if self._began is None:
            self._began = self._looked = now
        elif now - self._looked < HOUR:
            return False
        else:
            kept = 0.5 ** ((now - self._looked) / DAY)
            since = {part.name: part.events - self._events.get(part.name, 0) for part in asking}
            self._rates = {name: kept * self._rates.get(name, 0.0) + count for name, count in since.items()}
            self._looked = now
        self._events = {part.name: part.events for part in asking}
        return True

    def _rate(self, part: ModelWatch) -> float:
        return self._rates.get(part.name, 0.0)

    def _busy(self, part: ModelWatch) -> tuple[float, int, str]:
        """Lately; of equal ones in all."""
        return self._rate(part), part.events, part.name


def _sits(part: ModelWatch) -> bool:
    return any(is_heavy(rule) and key in part.watchers for key, rule in part.rules.items())


def _marks(now: float, leaving: list[ModelWatch], coming: list[ModelWatch]) -> list[Mark]:
    lost = [Mark("seat", now, part.name, body={"taken": False}) for part in leaving]
    return lost + [Mark("seat", now, part.name, body={"taken": True}) for part in coming]
