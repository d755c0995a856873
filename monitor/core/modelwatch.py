"""One model's part of the bank: the present, and beside it, when old events come late, its history.

What teaches a model is the line of its events in order: history first, then the present. A row that is old when it
comes, and lies behind what the present has seen, would move its clock, blind its silence and latch its detectors. It
goes to a line of its own, which calls nobody and is dropped after a day.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from monitor.core.detectors.report import OLD
from monitor.core.events import Batch, Bools
from monitor.core.findings import Finding, Level
from monitor.core.references import Learned
from monitor.core.rules.model import Book
from monitor.core.state import StateError
from monitor.core.timeline import Timeline, is_direct
from monitor.core.watcher import Mark

FORMAT = 2  # 1: without history beside the present
LINGERS = 86_400.0  # seconds of daemon time without a row after which history is dropped


class ModelWatch(Timeline):
    """Everything the bank knows of one model. Only `core.step.observe` calls the methods that change it.

    Of itself it is the present; `history` is there while old rows come in. `events` counts the rows of both.
    """

    def __init__(self, name: str, book: Book, at: float, born: int = 0) -> None:
        self.born = born  # the step that made it
        self.as_of = 0  # steps up to this one are in it: it came from a snapshot
        self.newest = -np.inf  # the largest time that a row happened at before the present began
        self.begun = False  # whether the service has sent a row that was not old
        self.history: Timeline | None = None
        super().__init__(name, book, at)

    def adopt(self, book: Book) -> None:
        """Watch by this book, in the present and in history."""
        super().adopt(book)
        if self.history is not None:
            self.history.adopt(book)

    @property
    def late_by(self) -> float | None:
        """Seconds that the newest event lay back when it came, where the present is still made of history."""
        late = None if self.last_seen is None or not self.old else self.last_seen - self.newest
        return late if late is not None and np.isfinite(late) else None

    # -- events -------------------------------------------------------------------------------------------------

    def observe(self, batch: Batch) -> list[Finding]:
        """Take in one batch of this model. Findings come in the order of rules, then of rows, history's last."""
        dawn = self._dawn(batch)
        if dawn:
            return self.observe(batch.take(np.arange(dawn))) + self.observe(batch.take(np.arange(dawn, batch.n)))
        past = self._labels_of_history(batch) if batch.truth else self._behind(batch)
        if past is None or not past.any():
            return super().observe(batch)
        then = batch if past.all() else batch.take(np.flatnonzero(past))
        found = [] if then is batch else super().observe(batch.take(np.flatnonzero(~past)))
        return found + self._beside(then).observe(then)

    def _dawn(self, batch: Batch) -> int:
        """The row with which the present begins, if that is not the first: nothing comes before it is there."""
        if self.begun or batch.truth or not is_direct(batch):
            return 0
        fresh = np.flatnonzero(batch.live | (batch.recorded_at - batch.at <= OLD))
        if not len(fresh) or fresh[0] > 0:
            return int(fresh[0]) if len(fresh) else 0
        self.begun = True
        if self.old:
            self._begin(batch)
        return 0

    def _begin(self, batch: Batch) -> None:
        """The present begins. What history made a detector latch on called nobody: it watches again from here, as if
        a person had closed that incident."""
        self._stir()
        mark = Mark("rearm", float(batch.recorded_at[0]), self.name)
        for key, watcher in self._watchers:
            self._watchers.run(key, partial(watcher.apply, mark))

    def _behind(self, batch: Batch) -> Bools | None:
        """Which rows are history that the present has left behind; None: none of them.

        Once the present has begun, that is every old row. Before, what comes may catch up with itself: there it is only
        what lies more than an hour behind the newest row.
        """
        if batch.live:
            return None
        old = batch.recorded_at - batch.at > OLD
        if self.begun:
            return old
        newest = np.maximum.accumulate(np.append(self.newest, np.minimum(batch.at, batch.recorded_at)))
        self.newest = float(newest[-1])
        behind: Bools = old & (batch.at < newest[:-1] - OLD)
        return behind

    def _labels_of_history(self, batch: Batch) -> Bools | None:
        """Which labels are of events that only history has. Those that nobody knows wait in the present."""
        if self.history is None or self.join is None or self.history.join is None:
            return None
        theirs = self.history.join.knows(batch, self.history.told(batch))
        return theirs & ~self.join.knows(batch, self.told(batch)) if theirs.any() else None

    def _beside(self, batch: Batch) -> Timeline:
        """The history that takes in this batch; labels that wait for its events in the present go along."""
        if self.history is None:
            self.history = Timeline(self.name, self.book, float(batch.recorded_at[0]), history=True)
            self.history.columns.load(self.columns.save())
            if self.aside:
                self.history.apply(Mark("seat", self.history.since, self.name, body={"taken": False}))
        if not batch.truth:
            self.events += batch.n
            if self.join is not None and self.history.join is not None:
                self.join.hand_over(batch, self.history.join)
        return self.history

    # -- time ---------------------------------------------------------------------------------------------------

    def tick(self, at: float) -> None:
        """Drop a history that has had no row for a day."""
        history = self.history
        if history is None or history.heard is None or at - history.heard < LINGERS:
            return
        if self.join is not None and history.join is not None:
            self.join.inherit(history.join)
        self.history = None

    def assess(self, at: float) -> list[Level]:
        """The levels of this model's rules at daemon time `at`: of the present, and of history.

        While the present itself is made of old rows, there are two that could speak of the past: the one heard last.
        """
        levels = super().assess(at)
        if self.history is None:
            return levels
        past = self.history.assess(at)
        if not self.old:
            return levels + past
        return past if (self.history.heard or 0.0) > (self.heard or 0.0) else levels

    # -- marks and failure --------------------------------------------------------------------------------------

    def apply(self, mark: Mark) -> None:
        """A mark that concerns this model. Its body may say `historical`: True is for history only, False for the
        present only; what was found cannot always tell, and then it is for both."""
        meant = None if mark.body is None else mark.body.get("historical")
        if meant is not True or self.old:
            super().apply(mark)
        if self.history is not None and meant is not False:
            self.history.apply(mark)

    def failures(self) -> list[Finding]:
        """What broke since the last call, as findings."""
        return super().failures() + ([] if self.history is None else self.history.failures())

    def learned(self) -> list[Learned]:
        """References of the present that were completed since the last call; those of history go with it."""
        if self.history is not None:
            self.history.learned()
        return super().learned()

    # -- state --------------------------------------------------------------------------------------------------

    def memory(self) -> int:
        """Bytes held, estimated."""
        return super().memory() + (0 if self.history is None else self.history.memory())

    def save(self) -> Any:
        """State for `core.state.dump`."""
        beside = None if self.history is None else self.history.save()
        head = {"v": FORMAT, "name": self.name, "book": self.book.digest}
        return {**super().save(), **head, "newest": self.newest, "begun": self.begun, "history": beside}

    def load(self, saved: Any) -> list[str]:
        """Continue from `save`; answers the keys of rules that must start afresh. Raises StateError."""
        if saved["v"] == 1:
            reached = saved["clock"] if saved["event_time"] else saved["last_seen"]
            begun = saved["live"] and saved["events"] > 0
            newest = -np.inf if reached is None else reached
            saved = {**saved, "heard": saved["last_seen"], "newest": newest, "begun": begun}
        elif saved["v"] != FORMAT:
            raise StateError(f"model state has version {saved['v']}, this program reads {FORMAT}")
        self.newest, self.begun = saved["newest"], saved["begun"]
        if saved.get("history") is not None:
            self.history = Timeline(self.name, self.book, saved["history"]["since"], history=True)
            self.history.load(saved["history"])  # whatever starts afresh in it is of the past, and no loss worth a word
        return super().load(saved)
