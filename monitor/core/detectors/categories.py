"""Values a category column has never had before, once its set of values has settled."""

from __future__ import annotations

import math
from typing import Any

from monitor.core.detectors.bursts import Held
from monitor.core.events import Bools, Floats

MOST = 1000  # values of a column
SETTLED_AFTER = 500  # values seen
SETTLED_FOR = 200  # values without a new one
TIMES = 3  # a never-seen value counts from its third occurrence
WAITING = 100  # never-seen values that are counted at a time
LONGEST = 100  # characters of a value that are told apart


class NewValues(Held):
    """Holds while a never-seen value keeps coming; a rearm or reference mark takes the present values for known."""

    def __init__(self) -> None:
        super().__init__()
        self.seen = 0
        self.known: dict[str, None] = {}
        self._last_new = 0
        self.settled = False
        self.overflow = False  # more values than MOST: this is no column of categories
        self.new: dict[str, tuple[int, int]] = {}  # value -> (times, values seen before its first time)

    @property
    def ready(self) -> bool:
        return (self.settled or self._settles()) and not self.overflow

    @property
    def idle(self) -> bool:
        return self.overflow

    def _settles(self) -> bool:
        """Whether enough values have come, and none of them new for long enough."""
        return self.seen > SETTLED_AFTER and self.seen - self._last_new > SETTLED_FOR and bool(self.known)

    @property
    def rate(self) -> float:
        return 0.0

    def feed(self, values: list[str | None], clock: Floats, old: Bools) -> None:
        """Take the texts of events, None where there is none."""
        if self.overflow:
            return
        strange = {v for v in set(values) if v is not None and v[:LONGEST] not in self.known}
        if not strange:
            self.seen += len(values) - values.count(None)
            return
        for row, value in enumerate(values):
            if value is None:
                continue
            self.seen += 1
            if value in strange and value[:LONGEST] not in self.known:
                self._stranger(value[:LONGEST], row, clock, old)
                if self.overflow:
                    return

    def _stranger(self, text: str, row: int, clock: Floats, old: Bools) -> None:
        self.settled = self.settled or self._settles()
        if not self.settled:
            self.known[text] = None
            self._last_new = self.seen
            self.overflow = len(self.known) > MOST
            if self.overflow:
                self.known = {}
            return
        if text not in self.new and len(self.new) >= WAITING:
            return
        times, before = self.new.get(text, (0, self.seen - 1))
        self.new[text] = times + 1, before
        if times + 1 >= TIMES:
            self.hold(float(clock[row]), (times + 1) / (self.seen - before), (times + 1) / TIMES, bool(old[row]))

    def accept(self) -> None:
        """A person has seen the new values."""
        room = MOST - len(self.known)
        self.known.update(dict.fromkeys(list(self.new)[:room]))
        self.new, self.until = {}, -math.inf

    def save(self) -> Any:
        counts = [[text, *count] for text, count in self.new.items()]
        flags = [self.settled, self.overflow]
        return [self.seen, list(self.known), self._last_new, flags, counts, self.save_held()]

    def load(self, saved: Any) -> None:
        self.seen, known, self._last_new, flags, counts, held = saved
        self.known = dict.fromkeys(known)
        self.settled, self.overflow = flags
        self.new = {text: (times, before) for text, times, before in counts}
        self.load_held(held)
