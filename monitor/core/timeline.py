"""One line of time of a model: its clock, its columns, what watches them, and its truth join."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from monitor.core.columns import Columns
from monitor.core.detectors.report import is_old
from monitor.core.events import Batch, Floats
from monitor.core.findings import Evidence, Finding, Level
from monitor.core.joins import Join, JoinLimits
from monitor.core.references import Learned
from monitor.core.roster import Roster, roster_of
from monitor.core.rules.model import Absent, Book, ModelOptions, Pack, Rule
from monitor.core.watcher import Mark, Watcher
from monitor.core.watchers import Quiet, Watchers

AHEAD = 60.0  # seconds a producer's clock may lead ours before it stops moving the rule clock
VERSIONS = 20  # remembered per model
_PLAIN = ("since", "clock", "last_seen", "heard", "events", "live", "old", "event_time")  # saved as they are


class Timeline:
    """What is known of a model's events along one line of time. `history`: all that it says is of the past.

    Silence is of the present: rules about it do not watch history.
    """

    def __init__(self, name: str, book: Book, at: float, history: bool = False) -> None:
        self.name = name
        self.since = at
        self.of_history = history
        self.clock = -np.inf  # the rule clock: never goes back
        self.last_seen: float | None = None  # recorded_at of the newest event
        self.heard: float | None = None  # recorded_at of the newest event or label
        self.events = 0
        self.versions: list[str] = []
        self.live = True  # whether the service itself has ever sent, or nothing has come yet
        self.old = False  # whether the newest event was history when it came
        self.event_time = False
        self.columns = Columns()
        self.join: Join | None = None
        self._watchers = Watchers(name, self.columns)
        self._quiet = Quiet()
        self._still: tuple[float, float, list[Level]] | None = None  # levels that stand, since when, until when
        self._learned = False  # whether it was asked, since something came, what was learned
        self._weight: int | None = None  # bytes held, as long as nothing comes
        self.adopt(book)

    @property
    def rules(self) -> dict[str, Rule]:
        return self._watchers.rules

    @property
    def watchers(self) -> dict[str, Watcher]:
        return self._watchers.live

    @property
    def aside(self) -> set[str]:
        """Rules that do without watching, for the room they would take."""
        return self._watchers.aside

    @property
    def failed(self) -> dict[str, str]:
        return self._watchers.failed

    # -- the rule book ------------------------------------------------------------------------------------------

    def adopt(self, book: Book) -> None:
        """Watch by this book. A rule whose meaning did not change keeps its memory."""
        self._stir()
        self.book = book
        self.options: ModelOptions = book.options_for(self.name)
        pairs = book.rules_for(self.name)
        rules = [rule for _, rule in pairs if not (self.of_history and isinstance(rule.form, Absent))]
        self.columns.configure(_column_settings([pack for pack, _ in pairs]))
        roster = self._roster = roster_of(rules)
        self._adopt_join(roster)
        self._watchers.adopt(roster, self.options.false_pages)

    def _adopt_join(self, roster: Roster) -> None:
        limits = JoinLimits(matures=self.options.matures)
        if not roster.truthful:
            self.join = None
        elif self.join is None:
            self.join = Join(roster.joined, self.name, limits)
        else:
            self.join.adopt(roster.joined, limits)

    def _stir(self) -> None:
        """Something comes that may change any level."""
        self._quiet.forget()
        self._weight = self._still = None
        self._learned = False

    # -- events -------------------------------------------------------------------------------------------------

    def observe(self, batch: Batch) -> list[Finding]:
        """Take in one batch of this model. Findings come in the order of rules, then of rows."""
        self._stir()
        clock = self._advance(batch)
        joined = self._join(batch, clock)
        findings: list[Finding] = []
        for key, watcher in self._watchers:
            feed = joined if key in self._roster.truthful else batch
            if hasattr(watcher, "calibrate"):  # it looks at events as they come, and learns from those with truth
                self._calibrate(key, watcher.calibrate, batch, joined, clock)
                feed = batch
            if feed is None or (feed.truth and key not in self._roster.truthful | self._roster.labels):
                continue
            rows = clock if feed is batch else clock[np.searchsorted(batch.offsets, feed.offsets)]
            findings += self._watchers.run(key, partial(watcher.observe, feed, rows)) or []
        if self.of_history or (batch.truth and self.old):  # a label that came today is of an event that did not
            return [replace(finding, historical=True) for finding in findings]
        return findings

    def _calibrate(
        self, key: str, learn: Callable[[Batch, Floats], None], batch: Batch, joined: Batch | None, clock: Floats
    ) -> None:
        if joined is not None:
            rows = clock[np.searchsorted(batch.offsets, joined.offsets)]
            self._watchers.run(key, partial(learn, joined, rows))

    def told(self, batch: Batch) -> Floats:
        """The rule clock of each row, if the batch came now; infinite before anything has told the time."""
        by_event = self._by_event(batch)
        told = batch.recorded_at
        if by_event:
            told = np.minimum(batch.at - self.options.lateness, batch.recorded_at + AHEAD)
        if by_event and batch.truth:  # a label that brings no time of its own says nothing about that of the events
            told = np.where(batch.at == batch.recorded_at, self.clock, told)
        clock: Floats = np.maximum(np.maximum.accumulate(told), self.clock)
        return clock

    def _advance(self, batch: Batch) -> Floats:
        """The rule clock of each row; afterwards `self.clock` is that of the last."""
        clock = self.told(batch)
        self.clock, self.heard = float(clock[-1]), float(batch.recorded_at[-1])
        if not batch.truth:
            self.event_time = self._by_event(batch)
            self.live = is_direct(batch) or (self.live and self.events > 0)
            self.old = is_old(batch, batch.n - 1)
            self.last_seen = self.heard
            self.events += batch.n
            self.columns.learn(batch)
            self._note_versions(batch.versions)
        return np.where(np.isfinite(clock), clock, batch.recorded_at)

    def _by_event(self, batch: Batch) -> bool:
        """Whether events bring their own clock: the settings say so, or else the source the line is fed by. Labels, and
        a file beside a live source, have no say in that: the clock would stand until the next live event."""
        if self.options.time is not None:
            return self.options.time == "event"
        aside = batch.truth or (self.live and not is_direct(batch))
        return self.event_time if aside and self.events else batch.event_time

    def _note_versions(self, versions: list[str | None]) -> None:
        for version in dict.fromkeys(versions):
            if version is not None and version not in self.versions:
                self.versions = [*self.versions, version][-VERSIONS:]

    def _join(self, batch: Batch, clock: Floats) -> Batch | None:
        if self.join is None:
            return None
        return self.join.truths(batch, clock) if batch.truth else self.join.events(batch, clock)

    # -- time ---------------------------------------------------------------------------------------------------

    def rule_time(self, at: float) -> float:
        """The rule clock when daemon time is `at`: data that keeps its own time does not age while it waits."""
        return self.clock if self.event_time and np.isfinite(self.clock) else max(self.clock, at)

    def assess(self, at: float) -> list[Level]:
        """The levels of this model's rules at daemon time `at`. Do not write to the list."""
        now, past = self.rule_time(at), self.old or self.of_history
        if self._still is not None and self._still[0] <= at < self._still[1] and now == at:
            return self._still[2]
        levels: list[Level] = []
        asked: list[str] = []
        for key, watcher in self._watchers:
            absent = isinstance(self.rules[key].form, Absent)
            if absent and past:
                continue  # the present, of which silence is, has not begun
            when = at if absent and self.live else now
            level = self._watchers.run(key, partial(self._quiet.assess, key, watcher, when))
            asked.append(key)
            if level is not None:
                levels.append(replace(level, historical=True) if past else level)
        until = self._quiet.until(asked)
        self._still = None if until is None or now != at else (at, until, levels)
        return levels

    # -- marks and failure --------------------------------------------------------------------------------------

    def apply(self, mark: Mark) -> None:
        """A mark that concerns this model; `rule` None means all of its rules."""
        self._stir()
        if mark.kind == "kinds" and mark.body is not None:
            self.columns.fix(mark.body["column"], mark.body["kind"])
        else:
            self._watchers.apply(mark)

    def failures(self) -> list[Finding]:
        """What broke since the last call, as findings."""
        if not self._watchers.any_broken:
            return []
        at = self.clock if np.isfinite(self.clock) else self.since
        version = self.versions[-1] if self.versions else None
        found = []
        for key, detail in self._watchers.broken():
            evidence = Evidence("", "", "detector_error", None, None, None, None, 0, at, detail)
            found.append(Finding(key, self.name, version, evidence, historical=self.of_history))
        return found

    def learned(self) -> list[Learned]:
        """References that were completed since the last call: with rows or a mark, and not by the passing of time."""
        known, self._learned = self._learned, True
        return [] if known else self._watchers.learned()

    # -- state --------------------------------------------------------------------------------------------------

    def memory(self) -> int:
        """Bytes held, estimated."""
        if self._weight is None:
            self._weight = 4096 + self._watchers.memory() + (self.join.memory() if self.join else 0)
        return self._weight

    def save(self) -> Any:
        """State for `core.state.dump`."""
        return {
            **{name: getattr(self, name) for name in _PLAIN},
            **self._watchers.save(),
            "versions": list(self.versions),
            "columns": self.columns.save(),
            "join": None if self.join is None else self.join.save(),
        }

    def load(self, saved: Any) -> list[str]:
        """Continue from `save`; answers the keys of rules that must start afresh. Raises StateError."""
        self._stir()
        for name in _PLAIN:
            setattr(self, name, saved[name])
        self.versions = list(saved["versions"])
        self.columns.load(saved["columns"])
        if self.join is not None and saved["join"] is not None:
            self.join.load(saved["join"])
        return self._watchers.load(saved)


def is_direct(batch: Batch) -> bool:
    """Whether it comes from the service itself, or on its behalf, and not from a record with a clock of its own."""
    return batch.live or not batch.event_time


def _column_settings(packs: list[Pack]) -> dict[str, Any]:
    return {path: setting for pack in packs for path, setting in pack.columns.items()}
