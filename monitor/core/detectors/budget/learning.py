"""What a rule under a page budget takes for normal: learned, given by people, refitted, handed on to another rule."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from monitor.core.detectors.budget.arming import Armed, Reference, Terms, arm, arm_one, together
from monitor.core.detectors.budget.collect import Collector
from monitor.core.detectors.budget.given import Given, fitted_series
from monitor.core.detectors.budget.points import Blocks
from monitor.core.detectors.budget.pool import Pool
from monitor.core.detectors.budget.rolling import Rolling
from monitor.core.detectors.budget.rounds import Ready, Rounds
from monitor.core.detectors.budget.series import LATCHED, REFUSED, WATCHING, BudgetSeries
from monitor.core.detectors.budget.shares import BudgetClock
from monitor.core.detectors.budget.trend import as_of_now
from monitor.core.detectors.budget.window import Window
from monitor.core.detectors.budget.words import trend_of
from monitor.core.detectors.forms import readable
from monitor.core.detectors.keyed import Key, Keyed
from monitor.core.detectors.keyed_watcher import Edge, KeyedWatcher
from monitor.core.detectors.methods import TOLERANCE
from monitor.core.detectors.report import trouble
from monitor.core.events import Batch, Floats
from monitor.core.references import Fitted, Learned, from_text
from monitor.core.rules.model import Detect, Rule
from monitor.core.watcher import Mark

SPREAD = 0.10  # |ln| of a ratio of standard deviations on which nobody would act; less where less is tolerated
ROLLING = 0.10  # tolerance of operational series, whose reference rolls
SETTLING = 200  # points of a new reference from which a series knows its past


class LearningWatcher(KeyedWatcher[BudgetSeries]):
    """The part of a watcher that arms series. `ARMS` are the parts of the budget of the shift and the outlier arm."""

    ARMS: tuple[float, float]
    UP = False  # whether only rises matter
    GIVEN = True  # whether people can give it references, and put them back
    LONGER = True  # whether what depends on its past too much is looked at in longer blocks

    def __init__(
        self, rule: Rule, detect: Detect, form: str, entries: Keyed[BudgetSeries], budget: float, model: str
    ) -> None:
        super().__init__(rule, detect.by, form, entries)
        self._detect, self._budget, self._model = detect, budget, model
        self._tolerance = tolerance_of(rule, detect)
        self._clock = BudgetClock()
        self._pool = self._new_pool()
        self._given, self._rounds = Given(), Rounds()
        self._rolling = None if rule.reference is None else Rolling(rule.reference, f"{rule.key}\n{model}")
        self._refit = False  # whether a refit has taken effect of late; asked in every step, so it is no state

    @abstractmethod
    def _new_pool(self) -> Pool:
        """What weighs the series of this kind of rule."""

    def allow(self, budget: float) -> None:
        """Another budget from now on, in false pages a week; references and masses stay."""
        self._budget = budget
        self._pool.allow(*(arm * budget for arm in self.ARMS))
        self._pool.adopt(self._entries.entries)

    # -- arming --

    def _terms(self, names: Iterable[str]) -> Terms:
        seed = (self.rule.key, self._model, *names)
        spread = min(SPREAD, 2 * self._tolerance)
        return Terms(self._budget * self.ARMS[0], self._tolerance, spread, seed, self.UP, self.LONGER)

    def _apart(self, key: Key) -> bool:
        """Whether a series is armed without the others, by `_arm`."""
        return False

    def _arm(self, keys: list[Key], until: float, now: float) -> None:
        """Make references at once of what some series have collected from events up to `until`."""
        entries = self._entries.entries
        keys = sorted(keys)
        references = []
        for key in keys:
            collector = entries[key].collector
            assert collector is not None
            references.append(Reference(" ".join(key), *collector.until(until)))
        made = arm(references, self._terms(reference.name for reference in references))
        for key, reference, one in zip(keys, references, made, strict=True):
            self._adopt(key, one, reference.blocks, self._is_complete(entries[key], until), now)
        self._given.note(keys)
        self._pool.adopt(entries)

    def _adopt(self, key: Key, made: Armed | str, blocks: Blocks | None, complete: bool, now: float) -> None:
        """Hand its series the outcome of arming."""
        entry = self._entries.entries[key]
        collector = entry.collector
        entry.arm(made, blocks, complete, now)
        if self._rolling is not None:
            self._rolling.take_over(key, entry, collector)

    def _is_complete(self, entry: BudgetSeries, until: float) -> bool:
        """Whether a reference needs no more: a person said so, or it is the second one."""
        return not np.isinf(until) or entry.state in (WATCHING, REFUSED)

    # -- one after the other --

    def _wake(self, now: float) -> None:
        for entry in self._entries.entries.values():
            if entry.wakes() <= now:
                entry.wake(now)

    def _work(self, batch: Batch, row: int, now: float, pace: float, clock: Floats) -> list[Edge]:
        """What is due before a row is looked at: a day's refit to be begun, a series to be armed."""
        rolling = self._rolling
        if rolling is not None and np.isinf(rolling.due):
            rolling.begin(now)
        elif rolling is not None and now >= rolling.due:
            self._rounds.add(rolling.ready(self._entries.entries, now), pace)
        if pace < self._rounds.next:
            return []
        key = self._rounds.take(self._apart)
        edges = [] if key is None else self._guarded_turn(key, batch, row, now, pace, clock)
        if key is None or self._rounds.alone(self._apart):
            edges += self._settle(batch, row, now, pace, clock)
        return edges

    def _guarded_turn(self, key: Key, batch: Batch, row: int, now: float, pace: float, clock: Floats) -> list[Edge]:
        try:
            points = self._turn(key, now)
        except Exception as problem:
            self._rounds.pause(pace)
            return [self._stopped(key, problem, batch, row, clock)]
        self._rounds.pause(pace, points)
        return []

    def _turn(self, key: Key, now: float) -> int:
        """Arm the series whose turn it is; answers how many points there were."""
        entry = self._entries.entries.get(key)
        if entry is None:
            return 0
        if self._apart(key):
            self._arm([key], np.inf, now)
            return 0
        source = self._source(key, entry)
        if source is None:
            return 0
        points, blocks = source.until(np.inf)
        growth = 0.0
        if self._rolling is not None and points.n > 1:
            points, growth = as_of_now(points)
        made, later = arm_one(Reference(" ".join(key), points, blocks), self._terms([" ".join(key)]))
        if isinstance(made, Armed) and growth:
            made = replace(made, why="; ".join([trend_of(growth), *([made.why] if made.why else [])]))
        if isinstance(made, Armed) and not np.isfinite(made.seen.table).all():
            raise ArithmeticError("bets that are no numbers")
        self._rounds.note(key, Ready(made, later, entry.collector is None, source.first))
        return points.n

    def _source(self, key: Key, entry: BudgetSeries) -> Collector | Window | None:
        """What the next reference of a series is made of, if it may have one now."""
        if entry.collector is not None:
            return entry.collector
        rolling = self._rolling
        return rolling.windows[key] if rolling is not None and rolling.open(key, entry) else None

    def _settle(self, batch: Batch, row: int, now: float, pace: float, clock: Floats) -> list[Edge]:
        """A piece of work on the threshold that series share; once it is known, they are watched by it."""
        names = self._terms(" ".join(key) for key in sorted(self._rounds.ready))
        work, found = self._rounds.settle(lambda ready: together([(one.made, one.later) for one in ready], names))
        self._rounds.pause(pace, work=work)
        if found is None:
            return []
        edges, entries, refit = [], self._entries.entries, False
        for key, one in found.items():
            source = self._source(key, entries[key]) if key in entries else None
            if source is None or source.first != one.first:
                continue  # it has paged, or has another reference by now
            try:
                refit |= self._take_effect(key, one, source, now)
            except Exception as problem:
                edges.append(self._stopped(key, problem, batch, row, clock))
        if refit and self._rolling is not None:
            self._rolling.count, self._rolling.last, self._refit = self._rolling.count + 1, now, True
        self._pool.adopt(entries)
        return edges

    def _take_effect(self, key: Key, one: Ready, source: Collector | Window, now: float) -> bool:
        """Watch a series by what was made for it; answers whether that is a refit of one that was watched."""
        entry, blocks = self._entries.entries[key], None
        if isinstance(one.made, Armed) and one.made.ranked:
            blocks = Blocks(one.made.seen.raw)
        if not one.rolled or self._rolling is None:
            self._adopt(key, one.made, blocks, self._is_complete(entry, np.inf), now)
            self._given.note([key])
            return False
        entry.arm(one.made, blocks, True, now)
        if isinstance(one.made, str):
            self._rolling.refused[key] = one.made
            return False
        self._rolling.refused.pop(key, None)
        points, ranked = source.until(np.inf)
        if (ranked is None) == (blocks is None):
            longer = isinstance(one.made, Armed) and one.made.longer is not None
            entry.remember(points if longer else points.take(slice(-SETTLING, None)))
        return True

    def _stopped(self, key: Key, problem: Exception, batch: Batch, row: int, clock: Floats) -> Edge:
        """Switch one series off, and say so."""
        name = type(problem).__name__
        self._rounds.drop([key])
        self._entries.entries[key].disable(
            f"the detector of {key[2]} stopped with {name}; re-arm the rule to start it again"
        )
        why = f"The detector of {key[2]} stopped with {name} and is off; re-arm the rule to start it again."
        return row, trouble(self.rule, batch, row, clock, (key[2], key[1]), "detector_error", why)

    # -- references --

    def _place(self, fitted: Fitted, version: int, models: list[str]) -> None:
        self._rounds = Rounds()
        if self._rolling is not None:
            self._rolling.forget(series.key for name in models for series in fitted.for_version(name))
        self._given.give(fitted, version, self._tolerance, self._entries, self._pool, models)

    def _followed(self) -> list[str]:
        """The versions of the model that have series of their own."""
        return [""] if self._routes.on_version != "compare" else sorted(self._routes.versions)

    def fitted(self, keys: Iterable[Key] | None = None) -> Fitted:
        """What the series (None: all) watch by, as far as it can be given to others."""
        wanted = self._entries.entries if keys is None else [k for k in keys if k in self._entries.entries]
        given = sorted(wanted) if self.GIVEN else []
        found = (fitted_series(key, self._entries.entries[key]) for key in given)
        return Fitted(self.rule.key, self._form, self._tolerance, tuple(s for s in found if s is not None))

    def learned(self) -> list[Learned]:
        """The references that were completed, or refused, since the last call, and what refitted itself."""
        fresh, version = self.fitted(self._given.learned()), self._given.version
        found = [Learned(self._model, version, fresh)] if fresh.series else []
        if self._refit and self._rolling is not None:
            found.append(Learned(self._model, version, self.fitted(), self._rolling.count, self._rolling.span))
        self._refit = False
        return found

    def nearness(self) -> tuple[float, str, str] | None:
        """How near to a page for a slow change: (part of it, column, segment); None while nothing is watched."""
        armed = [key for key, entry in self._entries.entries.items() if entry.armed is not None]
        return max(((self._pool.now(key) or 0.0, key[2], key[1]) for key in armed), default=None)

    def inherit(self, older: LearningWatcher) -> None:
        """Go on by the references of a rule that this one replaces, if they vouch for it.

        They do if the rule looks at the same series and is at most as sensitive as it was.
        """
        theirs = older.fitted()
        same = (self._detect.columns, self._detect.by) == (older._detect.columns, older._detect.by)
        if same and self._routes.on_version == older._routes.on_version and self._tolerance >= older._tolerance:
            self._routes.load(older._routes.save())
            self._since, self._clock = older._since, older._clock
            if theirs.series:
                self._place(theirs, older._given.version, self._followed())
                self._keep_parts(older._entries.entries)
                if self._rolling is not None and older._rolling is not None:
                    self._rolling.inherit(older._rolling, self._entries.entries)
            elif older._given.waiting is not None:
                self._place(older._given.waiting, older._given.version, [])

    def _keep_parts(self, older: Mapping[Key, BudgetSeries]) -> None:
        """Nobody has vouched for references that are inherited: one of a week is one of a week, and goes on to two."""
        for key, entry in self._entries.entries.items():
            before = older.get(key)
            if before is not None and before.armed is not None and entry.armed is not None:
                entry.share, entry.collector = before.share, before.collector
                if before.state == LATCHED and before.spoiled:  # a page has spoiled what it had collected
                    entry.collector = Collector()
        self._pool.adopt(self._entries.entries)

    # -- marks --

    def apply(self, mark: Mark) -> None:
        body = mark.body or {}
        until = body.get("until")
        if mark.kind == "reference":
            self._rounds = Rounds()
        if mark.kind == "reference" and "fitted" in body:
            if self.GIVEN:  # the rule may have become another since
                self._place(from_text(body["fitted"]), int(body.get("version", 0)), self._followed())
            return
        if mark.kind == "reference":
            self._given.again(int(body.get("version", self._given.version)))
        if mark.kind == "reference" and until is not None:
            mine = [
                k for k, e in self._entries.entries.items() if mark.segment in ("", k[1]) and e.collector is not None
            ]
            if mine:
                self._arm(mine, float(until), self._clock.now)
            return
        super().apply(mark)
        if mark.kind in ("freeze", "unfreeze", "gap"):
            for entry in self._entries.entries.values():
                entry.since = np.nan
        if self._rolling is not None:
            self._rolling.apply(mark, self._entries.entries, self._clock.now)
        self._pool.adopt(self._entries.entries, fresh=mark.segment if mark.kind == "rearm" else None)

    # -- state --

    def memory(self) -> int:
        return super().memory() + self._rounds.memory() + (0 if self._rolling is None else self._rolling.memory())

    def save(self) -> Any:
        parts = {"clock": self._clock.save(), "pool": self._pool.save(), "given": self._given.save()}
        rolling = None if self._rolling is None else self._rolling.save()
        return super().save() | parts | {"rounds": self._rounds.save(), "rolling": rolling}

    def load(self, saved: Any) -> None:
        super().load(saved)
        with readable(f"detectors of {self.rule.key}", saved, saved["v"], self._form):
            self._clock.load(saved["clock"])
            self._pool.load(saved["pool"], self._entries.entries)
            self._given.load(saved["given"])
            self._rounds.load(saved["rounds"])
            if self._rolling is not None:
                self._rolling.load(saved["rolling"])


def tolerance_of(rule: Rule, detect: Detect) -> float:
    """What a rule tolerates, in probability."""
    usual = TOLERANCE["shift"] if rule.reference is None else ROLLING
    return usual if detect.tolerance is None else detect.tolerance
