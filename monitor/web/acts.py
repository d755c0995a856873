"""What people do to incidents, from the API and from the pages alike: by the desk, and counted."""

from __future__ import annotations

from typing import Any

from monitor.core.times import parse_time
from monitor.web.auth import Identity
from monitor.web.front import Front

Shown = dict[str, Any]


class Acts:
    """One person's acts. Each answers the incident, or raises DeskError or LedgerUnavailable and changed nothing."""

    def __init__(self, here: Front, who: Identity) -> None:
        self._here, self._desk, self._who = here, here.desk, (who.user, who.role)

    def acknowledge(
        self, id_: str, revision: int | None, note: str | None, take: bool = False, for_: float | None = None
    ) -> Shown:
        before = self._here.now()
        shown = self._desk.acknowledge(id_, *self._who, revision=revision, note=note, for_=for_, take=take)
        acknowledged = parse_time(shown["acknowledged_at"])
        if acknowledged >= before - 1e-6:  # said for the first time; the text has microseconds only
            self._here.counts.acknowledged(acknowledged - parse_time(shown["opened_at"]))
        return shown

    def release(self, id_: str, revision: int | None, note: str | None) -> Shown:
        return self._desk.release(id_, *self._who, revision=revision, note=note)

    def note(self, id_: str, note: str) -> Shown:
        return self._desk.note(id_, *self._who, note=note)

    def assign(self, id_: str, owner: str | None, revision: int | None, note: str | None) -> Shown:
        return self._desk.assign(id_, *self._who, owner=owner, revision=revision, note=note)

    def close(self, id_: str, verdict: str | None, revision: int | None, note: str | None) -> Shown:
        return self._judged(self._desk.close(id_, *self._who, verdict=verdict, revision=revision, note=note), verdict)

    def reopen(self, id_: str, revision: int | None, note: str | None) -> Shown:
        return self._desk.reopen(id_, *self._who, revision=revision, note=note)

    def verdict(self, id_: str, verdict: str, revision: int | None, note: str | None) -> Shown:
        return self._judged(self._desk.verdict(id_, *self._who, verdict=verdict, revision=revision, note=note), verdict)

    def _judged(self, shown: Shown, verdict: str | None) -> Shown:
        if verdict is not None:
            self._here.counts.feedback(f"{shown['pack']}/{shown['rule']}", verdict)
        return shown
