"""Watching a daemon from elsewhere: when the alarm is raised, when again, and when it is said to be over."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from monitor.core.incidents.words import clock_text, duration_text

AGAIN: Final = 4 * 3600.0  # seconds after which an alarm that stands is raised again
MISSED: Final = 2  # looks in a row that must fail before it is raised

Kind = Literal["quiet", "still quiet", "back"]


@dataclass(frozen=True, slots=True)
class Alarm:
    """What people are to be told."""

    kind: Kind
    title: str
    body: str


@dataclass(slots=True)
class Vigil:
    """Over one daemon, called `name`. `looked` is told what came of each look: None for well, or why not."""

    name: str
    failed: int = 0
    since: float | None = None  # when the first look of this silence failed
    why: str = ""
    told_at: float | None = None  # when the alarm was last raised; None while there is none

    def looked(self, why: str | None, at: float) -> Alarm | None:
        """The alarm to raise now, at most one a look."""
        if why is None:
            return self._well(at)
        self.failed += 1
        self.why, self.since = why, at if self.since is None else self.since
        if self.failed < MISSED or (self.told_at is not None and at - self.told_at < AGAIN):
            return None
        kind: Kind = "quiet" if self.told_at is None else "still quiet"
        self.told_at = at
        body = (
            f"{why} It has been so since {clock_text(self.since)}. Nobody may be watching your models now: look at "
            "that machine, and run `overloop doctor` there."
        )
        return Alarm(kind, f"Overloop at {self.name} is {kind}", body)

    def _well(self, at: float) -> Alarm | None:
        told, since = self.told_at, self.since
        self.failed, self.since, self.told_at = 0, None, None
        if told is None or since is None:
            return None
        body = (
            f"It answers again since {clock_text(at)}, after {duration_text(round(at - since))}. What was sent to it "
            "meanwhile is observed now if it was accepted; whoever was refused sends it again."
        )
        return Alarm("back", f"Overloop at {self.name} is back", body)


def why_unwell(engine: dict[str, object], age: float | None, limit: float) -> str | None:
    """Why an engine that answered is not well; `age` is that of its heartbeat in seconds, None if it has none."""
    waiting = engine.get("waiting")
    if waiting in ("ledger", "spool"):
        return f"Its engine answers, and waits for the {waiting}."
    if age is not None and age > limit:
        return f"Its engine answers, and no event has gone round since {duration_text(round(age))}."
    return None
