"""One model's part of the bank: its columns, its clock, its watchers and its truth join."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

import numpy as np

from monitor.core.columns import Columns
from monitor.core.detectors.build import allow, detector_watcher, page_budget
from monitor.core.detectors.report import clean, is_old
from monitor.core.events import Batch, Floats
from monitor.core.findings import Evidence, Finding, Level
from monitor.core.joins import Join, JoinLimits
from monitor.core.references import Learned
from monitor.core.rules.evaluate import window_watcher
from monitor.core.rules.model import Absent, Book, Detect, ModelOptions, Pack, Rule
from monitor.core.rules.reads import reads
from monitor.core.state import StateError
from monitor.core.watcher import Mark, Watcher

AHEAD = 60.0  # seconds a producer's clock may lead ours before it stops moving the rule clock
VERSIONS = 20  # remembered per model
T = TypeVar("T")


class ModelWatch:
    """Everything the bank knows of one model. Only `core.step.observe` calls the methods that change it."""

    def __init__(self, name: str, book: Book, at: float, born: int = 0) -> None:
        self.name = name
        self.since = at
        self.born = born  # the step that made it
        self.as_of = 0  # steps up to this one are in it: it came from a snapshot
        self.clock = -np.inf  # the rule clock: never goes back
        self.last_seen: float | None = None  # recorded_at of the newest event
        self.events = 0
        self.versions: list[str] = []
        self.live = True  # whether the newest event came from a live source
        self.old = False  # whether the newest event was history when it came
        self.event_time = False
        self.columns = Columns()
        self.join: Join | None = None
        self.rules: dict[str, Rule] = {}
        self.watchers: dict[str, Watcher] = {}
        self.failed: dict[str, str] = {}
        self._broken: list[str] = []
        self.adopt(book)

    # -- the rule book ------------------------------------------------------------------------------------------

    def adopt(self, book: Book) -> None:
        """Watch by this book. A rule whose meaning did not change keeps its memory."""
        before, kept = self.rules, self.watchers
        self.book = book.digest
        self.options: ModelOptions = book.options_for(self.name)
        pairs = book.rules_for(self.name)
        self.rules = {rule.key: rule for _, rule in pairs}
        self._budgets = {r.key: page_budget(r, self.rules.values(), self.options.false_pages) for _, r in pairs}
        self.columns.configure(_column_settings([pack for pack, _ in pairs]))
        self._truthful = {key for key, rule in self.rules.items() if any(c.startswith("truth.") for c in reads(rule))}
        self._labels = {k for k, r in self.rules.items() if isinstance(r.form, Absent) and r.form.truth}
        self._adopt_join()
        self.watchers = {}
        for key, rule in self.rules.items():
            if key in before and meaning(before[key]) == meaning(rule):
                self.watchers |= {key: kept[key]} if key in kept else {}
            else:
                self._start(rule)
                self._inherit(key, kept.get(key))
            if key in self.watchers:
                allow(self.watchers[key], self._budgets[key])
        self.failed = {key: why for key, why in self.failed.items() if key in self.rules}

    def _adopt_join(self) -> None:
        wanted = tuple(sorted({c for key in self._truthful for c in reads(self.rules[key]) if c[:6] != "truth."}))
        limits = JoinLimits(matures=self.options.matures)
        if not self._truthful:
            self.join = None
        elif self.join is None:
            self.join = Join(wanted, self.name, limits)
        else:
            self.join.adopt(wanted, limits)

    def _start(self, rule: Rule) -> None:
        """A watcher without a past; a rule that cannot be watched has failed from the start."""
        self.failed.pop(rule.key, None)
        made = self._guarded(rule.key, partial(self._build, rule))
        if made is not None:
            self.watchers[rule.key] = made

    def _inherit(self, key: str, older: Watcher | None) -> None:
        """A changed rule goes on by the references of the old one, where they vouch for it."""
        newer = self.watchers.get(key)
        if older is not None and type(newer) is type(older) and hasattr(newer, "inherit"):
            self._guarded(key, partial(newer.inherit, older))

    def _build(self, rule: Rule) -> Watcher:
        if isinstance(rule.form, Detect):
            return detector_watcher(rule, self.name, self.columns, self._budgets[rule.key])
        return window_watcher(rule, self.name)

    def _in_order(self) -> list[tuple[str, Watcher]]:
        """The watchers in the order of the book, whatever was built anew since."""
        return [(key, self.watchers[key]) for key in self.rules if key in self.watchers]

    # -- events -------------------------------------------------------------------------------------------------

    def observe(self, batch: Batch) -> list[Finding]:
        """Take in one batch of this model. Findings come in the order of rules, then of rows."""
        clock = self._advance(batch)
        joined = self._join(batch, clock)
        findings: list[Finding] = []
        for key, watcher in self._in_order():
            feed = joined if key in self._truthful else batch
            if feed is None or (feed.truth and key not in self._truthful | self._labels):
                continue
            rows = clock if feed is batch else clock[np.searchsorted(batch.offsets, feed.offsets)]
            findings += self._guarded(key, partial(watcher.observe, feed, rows)) or []
        return findings

    def _advance(self, batch: Batch) -> Floats:
        """The rule clock of each row; afterwards `self.clock` is that of the last."""
        if not batch.truth:
            self.event_time, self.live = self._by_event(batch), batch.live
            self.old = is_old(batch, batch.n - 1)
            self.last_seen = float(batch.recorded_at[-1])
            self.events += batch.n
            self.columns.learn(batch)
            self._note_versions(batch.versions)
        by_event = self.event_time if self.events else self._by_event(batch)
        told = batch.recorded_at
        if by_event:
            told = np.minimum(batch.at - self.options.lateness, batch.recorded_at + AHEAD)
        if by_event and batch.truth:  # a label that brings no time of its own says nothing about that of the events
            told = np.where(batch.at == batch.recorded_at, self.clock, told)
        clock = np.maximum(np.maximum.accumulate(told), self.clock)
        self.clock = float(clock[-1])
        return np.where(np.isfinite(clock), clock, batch.recorded_at)

    def _by_event(self, batch: Batch) -> bool:
        return self.options.time == "event" or (self.options.time is None and batch.event_time)

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
        """The levels of this model's rules at daemon time `at`."""
        now = self.rule_time(at)
        levels: list[Level] = []
        for key, watcher in self._in_order():
            absent = isinstance(self.rules[key].form, Absent)
            when = at if absent and self.live else now
            level = self._guarded(key, partial(watcher.assess, when))
            if level is not None:
                levels.append(replace(level, historical=True) if self.old else level)
        return levels

    # -- marks --------------------------------------------------------------------------------------------------

    def apply(self, mark: Mark) -> None:
        """A mark that concerns this model; `rule` None means all of its rules."""
        if mark.kind == "kinds" and mark.body is not None:
            self.columns.fix(mark.body["column"], mark.body["kind"])
            return
        for key in [key for key in self.rules if mark.rule in (None, key)]:
            if key in self.watchers:
                self._guarded(key, partial(self.watchers[key].apply, mark))
            elif mark.kind == "rearm":
                self._start(self.rules[key])

    # -- failure ------------------------------------------------------------------------------------------------

    def failures(self) -> list[Finding]:
        """What broke since the last call, as findings."""
        broken, self._broken = self._broken, []
        return [self._failure(key) for key in broken]

    def _guarded(self, key: str, call: Callable[[], T]) -> T | None:
        """Run one watcher; one that raises is taken out, visibly, until a person re-arms its rule."""
        try:
            return call()
        except (KeyboardInterrupt, SystemExit, MemoryError):
            raise
        except BaseException as problem:  # River's Rust panics are BaseExceptions
            self.failed[key] = clean(f"{type(problem).__name__}: {problem}")
            self.watchers.pop(key, None)
            self._broken.append(key)
            return None

    def _failure(self, key: str) -> Finding:
        detail = (
            f"The detector of rule {key} on model {self.name} stopped working ({self.failed[key]}) and is switched "
            "off; close this incident to start it afresh, and report the fault."
        )
        at = self.clock if np.isfinite(self.clock) else self.since
        evidence = Evidence("", "", "detector_error", None, None, None, None, 0, at, detail)
        return Finding(key, self.name, self.versions[-1] if self.versions else None, evidence)

    def learned(self) -> list[Learned]:
        """References that were completed since the last call."""
        asked = [getattr(watcher, "learned", None) for _, watcher in self._in_order()]
        return [found for ask in asked if ask is not None for found in ask()]

    # -- state --------------------------------------------------------------------------------------------------

    def memory(self) -> int:
        """Bytes held, estimated."""
        return 4096 + sum(w.memory() for w in self.watchers.values()) + (self.join.memory() if self.join else 0)

    def save(self) -> Any:
        """State for `core.state.dump`."""
        return {
            "v": 1,
            "name": self.name,
            "since": self.since,
            "book": self.book,
            "clock": self.clock,
            "last_seen": self.last_seen,
            "events": self.events,
            "versions": list(self.versions),
            "live": self.live,
            "old": self.old,
            "event_time": self.event_time,
            "failed": dict(self.failed),
            "broken": list(self._broken),
            "columns": self.columns.save(),
            "join": None if self.join is None else self.join.save(),
            "watchers": {k: {"meaning": meaning(self.rules[k]), "state": w.save()} for k, w in self.watchers.items()},
        }

    def load(self, saved: Any) -> list[str]:
        """Continue from `save`; answers the keys of rules that must start afresh. Raises StateError."""
        if saved["v"] != 1:
            raise StateError(f"model state has version {saved['v']}, this program reads 1")
        for name in ("since", "clock", "last_seen", "events", "live", "old", "event_time"):
            setattr(self, name, saved[name])
        self.versions = list(saved["versions"])
        self.failed = {key: why for key, why in saved["failed"].items() if key in self.rules}
        self._broken = [key for key in saved["broken"] if key in self.failed]
        self.watchers = {key: watcher for key, watcher in self.watchers.items() if key not in self.failed}
        self.columns.load(saved["columns"])
        if self.join is not None and saved["join"] is not None:
            self.join.load(saved["join"])
        return [key for key in list(self.watchers) if not self._load_watcher(key, saved["watchers"].get(key))]

    def _load_watcher(self, key: str, saved: Any) -> bool:
        if saved is None or saved["meaning"] != meaning(self.rules[key]):
            return False
        try:
            self.watchers[key].load(saved["state"])
        except Exception:  # a StateError, or a mistake in a watcher: it costs one rule its memory, not the model
            self._start(self.rules[key])
            return False
        return True


def meaning(rule: Rule) -> str:
    """What a rule's memory depends on: two rules of equal meaning can share it."""
    return repr((rule.form, rule.reference, rule.on_version))


def _column_settings(packs: list[Pack]) -> dict[str, Any]:
    return {path: setting for pack in packs for path, setting in pack.columns.items()}
