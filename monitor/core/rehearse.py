"""The same step on scripted or recorded input: what pack tests, replays and backtests run."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from monitor.core.bank import Bank
from monitor.core.changes import Changes
from monitor.core.decide import decide
from monitor.core.events import Batch
from monitor.core.findings import Observation
from monitor.core.incidents.deadlines import sweep
from monitor.core.notices.model import Notice, Policy
from monitor.core.rules.model import Book
from monitor.core.step import Step, observe
from monitor.core.view import View
from monitor.core.watcher import Mark


@dataclass(slots=True)
class Rehearsal:
    """A bank and a view of its own, moved on step by step. Nothing leaves it: its notices are only counted.

    Times are seconds since 1970 and must not go back from step to step.
    """

    book: Book
    policy: Policy
    bank: Bank = field(init=False)
    view: View = field(default_factory=lambda: View(0))
    notices: list[Notice] = field(default_factory=list)
    seen: Observation = field(default_factory=Observation)  # in the last step
    seq: int = 0

    def __post_init__(self) -> None:
        self.bank = Bank(0, self.book)

    def step(self, at: float, batches: Iterable[Batch], tick: bool = False, more: Iterable[Mark] = ()) -> Changes:
        """One step, with `more` marks before its events, and the deadlines due by then. Answers what it changed."""
        self.seq += 1
        marks = [Mark("book", at, body={"digest": self.book.digest})] if self.seq == 1 else []
        marks += [Mark("tick", at)] if tick else []
        marks += more
        step = Step(0, self.seq, 1, 0, 0, at, self.book.digest, tuple(marks))
        self.seen = observe(self.bank, step, batches, lambda _: self.book)
        changes = decide(self.view, self.book, self.policy, self.seen, 0, self.seq, at)
        for found in (changes, self._due(changes, at)):
            self.notices += found.notices
        return changes

    def _due(self, changes: Changes, at: float) -> Changes:
        self.view.absorb(changes)
        due = sweep(self.view, self.book, self.policy, at)
        self.view.absorb(due)
        return due
