"""Arming many series: one after the other, the threshold they share at last, and then they take effect together.

Arming a series takes about a tenth of a second, and a rule can have 500 whose references are complete in the same hour:
at once, that would hold up everybody's pages for a minute. So each piece of work is followed by a pause. It is counted
in `pace`, the sum of when events were recorded and of the budget's clock, and depends on nothing else, so that a replay
does the same. Of a live stream both go on by a second a second; of a backfill, which comes within seconds, the second
one goes on by days: there is nobody to hold up, and what comes behind a reference is to be watched.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from monitor.core.detectors.budget.armed_state import load_armed, save_armed
from monitor.core.detectors.budget.arming import Armed, Later, Stage, lifted
from monitor.core.detectors.budget.trial import Trial
from monitor.core.detectors.keyed import Key

PAUSE = 4.0  # of pace after each piece of work: two seconds of a live stream
POINTS = 1_000  # of a reference, for which the pause is one longer: arming takes longer
PIECES = 2_000_000  # of work of a trial, for which it is


@dataclass(frozen=True, slots=True)
class Ready:
    """A series that was armed, or refused, and is not watched so yet. `first` says of which reference it was made."""

    made: Armed | str
    later: Later | None
    rolled: bool
    first: float


class Rounds:
    """Series whose references are complete wait here for their turn; those that are `ready` wait for the others."""

    def __init__(self) -> None:
        self.waiting: set[Key] = set()
        self.ready: dict[Key, Ready] = {}
        self.next = np.inf  # pace from which the next piece of work is due
        self._trial: Trial | None = None
        self._stage: Stage | None = None  # follows from what is ready

    def __contains__(self, key: Key) -> bool:
        return key in self.waiting or key in self.ready

    def add(self, keys: Iterable[Key], pace: float) -> None:
        """Series whose references are complete; the first has its turn with the next value."""
        idle = not self.waiting and not self.ready
        self.waiting.update(keys)
        if idle and self.waiting:
            self.next = pace

    def drop(self, keys: Iterable[Key]) -> None:
        """Series that have paged, are gone, or have another reference by now."""
        for key in keys:
            self.waiting.discard(key)
            if self.ready.pop(key, None) is not None:
                self._trial = self._stage = None
        self._rest()

    def take(self, apart: Callable[[Key], bool]) -> Key | None:
        """The series whose turn it is; None where those that are ready come first. Those `apart` share no threshold."""
        if self._trial is not None:
            return None
        first = min((key for key in self.waiting if not apart(key)), default=None)
        if first is None and not self.ready:
            first = min(self.waiting, default=None)
        if first is not None:
            self.waiting.discard(first)
        return first

    def alone(self, apart: Callable[[Key], bool]) -> bool:
        """Whether one series is ready and none is on its way: there is no threshold to be shared."""
        return len(self.ready) == 1 and all(apart(key) for key in self.waiting)

    def note(self, key: Key, ready: Ready) -> None:
        self.ready[key] = ready

    def settle(self, stage: Callable[[list[Ready]], Stage | None]) -> tuple[int, dict[Key, Ready] | None]:
        """A piece of work on the threshold they share: how much it was, and all of them once that is known.

        `stage` says what they are tried on, in the order of keys.
        """
        keys = sorted(self.ready)
        if self._trial is None or self._stage is None:
            self._stage = stage([self.ready[key] for key in keys])
        self._trial = self._trial or Trial()
        work = self._trial.go_on(self._stage)
        if not self._trial.over:
            return work, None
        more, made = self._trial.more, [self.ready[key] for key in keys]
        self.ready, self._trial, self._stage = {}, None, None
        found = {
            key: Ready(lifted(one.made, one.later, more), None, one.rolled, one.first)
            for key, one in zip(keys, made, strict=True)
        }
        return work, found

    def pause(self, pace: float, points: int = 0, work: int = 0) -> None:
        """After a piece of work: on a reference of so many points, or on a trial."""
        self.next = pace + PAUSE + points / POINTS + work / PIECES
        self._rest()

    def _rest(self) -> None:
        if not self.waiting and not self.ready:
            self.next = np.inf

    # -- state --

    def memory(self) -> int:
        later = [one.later for one in self.ready.values() if one.later is not None]
        return sum(2000 + 16 * len(x.clock) + x.table.nbytes for x in later)

    def save(self) -> Any:
        rows = [[list(key), _save(self.ready[key])] for key in sorted(self.ready)]
        trial = None if self._trial is None else self._trial.save()
        return {
            "waiting": [list(key) for key in sorted(self.waiting)],
            "ready": rows,
            "next": self.next,
            "trial": trial,
        }

    def load(self, saved: Any) -> None:
        self.waiting = {(key[0], key[1], key[2]) for key in saved["waiting"]}
        self.ready = {(key[0], key[1], key[2]): _load(row) for key, row in saved["ready"]}
        self.next, self._trial, self._stage = saved["next"], None, None
        if saved["trial"] is not None:
            self._trial = Trial()
            self._trial.load(saved["trial"])


def _save(one: Ready) -> Any:
    made = one.made if isinstance(one.made, str) else save_armed(one.made)
    later = None if one.later is None else [one.later.clock, one.later.cells.astype(np.uint16), one.later.table]
    return [made, later, one.rolled, one.first]


def _load(saved: Any) -> Ready:
    made, later, rolled, first = saved
    kept = None if later is None else Later(later[0], later[1].astype(np.int64), later[2])
    return Ready(made if isinstance(made, str) else load_armed(made), kept, rolled, first)
