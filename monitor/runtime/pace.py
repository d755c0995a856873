"""How the pump keeps time: when a tick is due, how much to take at once, and what it last did."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:  # the front reads this module too, and does without the detectors
    from monitor.core.changes import Changes
    from monitor.core.findings import Observation
    from monitor.core.incidents.model import RuleState, StateKey
    from monitor.core.rules.model import Book
    from monitor.core.step import Step

TICK: Final = 15.0  # seconds of daemon time between looks at all rules
UNWATCHED: Final = 4 * TICK  # without a step for longer, nobody watched: the process was stopped, or the machine slept
RESTARTED: Final = 2 * TICK  # the same across a restart
BEHIND: Final = 1.0  # seconds of lag from which levels are as of what was read
AGAIN: Final = 0.5  # seconds between attempts at a ledger or spool that cannot be had
LEAST, FIRST, MOST = 500, 2_000, 20_000  # events in one step
QUICK, SLOW = 0.5, 2.0  # seconds


@dataclass(slots=True)
class Pace:
    """What the pump last did, for the watchdog, `/-/engine` and `doctor`.

    `beats` rises with every completed turn and with every look during a named wait; `turns` with the former only.
    `began` is when the last completed turn began, in seconds of CLOCK_BOOTTIME, the same for all processes.
    """

    beats: int = 0
    turns: int = 0
    began: float = 0.0
    waiting: str = "start"  # a named wait beats the watchdog as a completed step does

    def turned(self, began: float, waiting: str = "") -> None:
        self.beats, self.turns, self.began, self.waiting = self.beats + 1, self.turns + 1, began, waiting

    def waits(self, for_: str) -> bool:
        """Answers whether this wait has only just begun."""
        fresh = self.waiting != for_
        self.beats, self.waiting = self.beats + 1, for_
        return fresh


@dataclass(frozen=True, slots=True)
class Holding:
    """The bank, looked at with every tick: bytes, models, rules switched off, batches of models beyond its room."""

    bytes: int
    room: int
    models: int
    failed: int
    unwatched: int


@dataclass(frozen=True, slots=True)
class Done:
    """One committed step, for those who count and log: durations in seconds, `last_events` model -> recorded_at."""

    step: Step
    observation: Observation
    changes: Changes
    events: int
    quarantined: int
    seconds: float
    deciding: float
    last_events: dict[str, float]
    holding: Holding | None


@dataclass(slots=True)
class Appetite:
    """How many events the next step takes: as many as about a second's work, whatever the rules cost."""

    events: int = FIRST
    behind: bool = False  # whether the last step took all it asked for: there may be more

    def learn(self, taken: int, seconds: float) -> None:
        self.behind = taken >= self.events
        if seconds > SLOW:
            self.events = max(LEAST, self.events // 2)
        elif seconds < QUICK and taken >= self.events:
            self.events = min(MOST, 2 * self.events)


@dataclass(slots=True)
class Ticks:
    """When all rules must be looked at: on a fixed grid of daemon time, and when the `for` of a condition is over.

    It depends on nothing but the last step's time and the rule states, so a restart changes no tick.
    """

    deadlines: tuple[float, ...] = ()

    def learn(self, states: Mapping[StateKey, RuleState], book: Book) -> None:
        """Note the ends of what is pending. History waits in its own time, which moves with its events only."""
        waits = {rule.key: rule.for_ for pack in book.packs for rule in pack.rules}
        present = (s for s in states.values() if not s.historical)
        pending = (s for s in present if not s.firing and s.muted_since is None and s.unknown_since is None)
        self.deadlines = tuple(sorted({s.since + s.paused + waits.get(s.rule, 0.0) for s in pending}))

    def due(self, last: float, now: float) -> bool:
        return self.next(last) <= now

    def next(self, last: float) -> float:
        """When the first tick after the step at `last` is due."""
        grid = (last // TICK + 1) * TICK
        return min([grid, *(at for at in self.deadlines if at > last)])


def boottime() -> float:
    """A clock that all processes of this machine share."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
