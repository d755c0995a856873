"""The rules of one model and what watches them: kept when the book changes, and each taken out alone when it breaks."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, TypeVar

from monitor.core.columns import Columns
from monitor.core.detectors.build import allow, detector_watcher
from monitor.core.detectors.report import clean
from monitor.core.findings import YES, Level
from monitor.core.references import Learned
from monitor.core.roster import Roster, roster_of
from monitor.core.rules.evaluate import window_watcher
from monitor.core.rules.model import Detect, Rule
from monitor.core.watcher import Mark, Watcher

T = TypeVar("T")


class Quiet:
    """Levels of one model that hold nowhere, each kept until it may be another: time alone seldom changes them."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[float, float | None, Level | None]] = {}  # since, until if that was asked, level

    def forget(self) -> None:
        """Rows came, or a mark."""
        self._kept.clear()

    def assess(self, key: str, watcher: Watcher, at: float) -> Level | None:
        """The level at `at`, or an earlier one that says the same; one that holds somewhere is always made anew.

        Until when a level stands is worked out with the second look at it: where events come, there is none.
        """
        since, until, level = self._kept.get(key, (math.inf, -math.inf, None))
        if until is None:
            until = watcher.settled_until(since)  # type: ignore[attr-defined]
            self._kept[key] = (since, until, level)
        if since <= at < until:
            return level
        level, lasts = watcher.assess(at), hasattr(watcher, "settled_until")
        if level is None or (lasts and not (level.holds == YES).any()):
            self._kept[key] = (at, None if lasts and level is not None else math.inf, level)
        return level

    def until(self, keys: list[str]) -> float | None:
        """Until when the levels of all these rules stand as they were last assessed; None where that is not known."""
        ends = [self._kept[key][1] if key in self._kept else None for key in keys]
        known = [end for end in ends if end is not None]
        return min(known, default=math.inf) if len(known) == len(ends) else None


class Watchers:
    """`rules` in the order of the book; `live` are their watchers, but for those that broke (`failed`: why)."""

    def __init__(self, model: str, columns: Columns) -> None:
        self.model, self._columns = model, columns
        self.roster = roster_of([])
        self.live: dict[str, Watcher] = {}
        self.failed: dict[str, str] = {}
        self.aside: set[str] = set()  # rules that busier models have the room of
        self._broken: list[str] = []
        self._budgets: dict[str, float] = {}

    @property
    def rules(self) -> dict[str, Rule]:
        """The rules of now."""
        return self.roster.rules

    def adopt(self, roster: Roster, false_pages: float) -> None:
        """Watch by these rules. One whose meaning did not change keeps its memory.

        One that goes from shadow to live looks again at what it latched on: nobody was told of it.
        """
        before, kept, self.roster = self.roster, self.live, roster
        self._budgets = {key: false_pages / sharers for key, sharers in roster.sharers.items()}
        self.live = {}
        outside = bool(self.aside)  # without a seat: what is new and heavy waits for one, too
        for key, rule in self.rules.items():
            known = before.rules.get(key)
            promoted = known is not None and (known.stage, rule.stage) == ("shadow", "live")
            if known is None or before.meanings[key] != roster.meanings[key] or (promoted and key in self.failed):
                if outside and is_heavy(rule):
                    self.aside.add(key)
                    continue
                self._start(rule)
                self._inherit(key, kept.get(key))
            elif key in kept:
                self.live[key] = kept[key]
                if promoted:
                    self.run(key, partial(kept[key].apply, Mark("promote", 0.0, self.model, key)))
            if key in self.live:
                allow(self.live[key], self._budgets[key])
        self.failed = {key: why for key, why in self.failed.items() if key in self.rules}
        self.aside &= self.rules.keys()

    def __iter__(self) -> Iterator[tuple[str, Watcher]]:
        """In the order of the book, whatever was built anew since."""
        return iter([(key, self.live[key]) for key in self.rules if key in self.live])

    def run(self, key: str, call: Callable[[], T]) -> T | None:
        """Let one watcher do something; one that raises is taken out, visibly, until a person re-arms its rule."""
        try:
            return call()
        except (KeyboardInterrupt, SystemExit, MemoryError):
            raise
        except BaseException as problem:  # River's Rust panics are BaseExceptions
            self.failed[key] = clean(f"{type(problem).__name__}: {problem}")
            self.live.pop(key, None)
            self._broken.append(key)
            return None

    def apply(self, mark: Mark) -> None:
        """A mark for one rule, or (`rule` None) for all of them."""
        if mark.kind == "seat":
            self._seat(bool((mark.body or {}).get("taken")))
            return
        for key in [key for key in self.rules if mark.rule in (None, key)]:
            if key in self.live:
                self.run(key, partial(self.live[key].apply, mark))
            elif mark.kind == "rearm" and key not in self.aside:
                self._start(self.rules[key])

    def _seat(self, taken: bool) -> None:
        """Watch for anomalies, from the start, or do without and forget what was learned for it."""
        for key, rule in self.rules.items():
            if is_heavy(rule) and not taken and key in self.live:
                del self.live[key]
                self.aside.add(key)
            elif taken and key in self.aside:
                self._start(rule)

    def learned(self) -> list[Learned]:
        """References that were completed since the last call."""
        asked = [getattr(watcher, "learned", None) for _, watcher in self]
        return [found for ask in asked if ask is not None for found in ask()]

    @property
    def any_broken(self) -> bool:
        return bool(self._broken)

    def broken(self) -> list[tuple[str, str]]:
        """What broke since the last call: keys of rules, and a sentence each."""
        broken, self._broken = self._broken, []
        return [(key, self._sentence(key)) for key in broken if key in self.failed]

    def _sentence(self, key: str) -> str:
        why = self.failed[key]
        return (
            f"The detector of rule {key} on model {self.model} stopped working ({why}) and is switched off; "
            "close this incident to start it afresh, and report the fault."
        )

    def _start(self, rule: Rule) -> None:
        """A watcher without a past; a rule that cannot be watched has failed from the start."""
        self.failed.pop(rule.key, None)
        self.aside.discard(rule.key)
        made = self.run(rule.key, partial(self._build, rule))
        if made is not None:
            self.live[rule.key] = made

    def _inherit(self, key: str, older: Watcher | None) -> None:
        """A changed rule goes on by the references of the old one, where they vouch for it."""
        newer = self.live.get(key)
        if older is not None and type(newer) is type(older) and hasattr(newer, "inherit"):
            self.run(key, partial(newer.inherit, older))

    def _build(self, rule: Rule) -> Watcher:
        if isinstance(rule.form, Detect):
            return detector_watcher(rule, self.model, self._columns, self._budgets[rule.key])
        return window_watcher(rule, self.model)

    # -- state --------------------------------------------------------------------------------------------------

    def memory(self) -> int:
        """Bytes held, estimated."""
        return sum(watcher.memory() for watcher in self.live.values())

    def save(self) -> Any:
        """State for `core.state.dump`."""
        meanings = self.roster.meanings
        live = {key: {"meaning": meanings[key], "state": w.save()} for key, w in self.live.items()}
        aside = {"aside": sorted(self.aside)} if self.aside else {}
        return {"failed": dict(self.failed), "broken": list(self._broken), "watchers": live, **aside}

    def load(self, saved: Any) -> list[str]:
        """Continue from `save`; answers the keys of rules that must start afresh."""
        self.failed = {key: why for key, why in saved["failed"].items() if key in self.rules}
        self._broken = [key for key in saved["broken"] if key in self.failed]
        self.aside = set(saved.get("aside", ())) & self.rules.keys()
        self.live = {key: w for key, w in self.live.items() if key not in self.failed and key not in self.aside}
        return [key for key in list(self.live) if not self._load(key, saved["watchers"].get(key))]

    def _load(self, key: str, saved: Any) -> bool:
        if saved is None or saved["meaning"] != self.roster.meanings[key]:
            return False
        try:
            self.live[key].load(saved["state"])
        except Exception:  # a StateError, or a mistake in a watcher: it costs one rule its memory, not the model
            self._start(self.rules[key])
            return False
        return True


def is_heavy(rule: Rule) -> bool:
    """Whether it keeps trees or the like: a model of many columns, and not a few numbers for each."""
    return isinstance(rule.form, Detect) and rule.form.kind in ("anomaly", "outlier")
