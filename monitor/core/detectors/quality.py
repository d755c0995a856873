"""`detect: {quality: …}`: the data itself is broken. Own code; clears by itself, so it gives levels and no edges.

A level has one segment for each column and check that has ever tripped, named `column: check`. It holds from the
event that trips it until five minutes of rule time after the last event of the burst: a burst in the middle of a batch
is seen, wherever batches and steps are cut. Versions of the model are not told apart: this is about the feed.
"""

from __future__ import annotations

import math
from typing import Any
from zlib import crc32

import numpy as np

from monitor.core.columns import KINDS, Columns, Kind
from monitor.core.detectors.bursts import Burst, Run
from monitor.core.detectors.categories import NewValues
from monitor.core.detectors.forms import readable
from monitor.core.detectors.inputs import is_pattern, usable_from
from monitor.core.detectors.methods import CHECKS
from monitor.core.detectors.report import OLD, clean, trouble
from monitor.core.events import ABSENT, MISTYPED, NONFINITE, OK, Batch, Bools, Floats, Ints
from monitor.core.findings import NO, YES, Finding, Level
from monitor.core.rules.model import Detect, Rule
from monitor.core.watcher import Mark

CAP = 5000  # column and check pairs of one rule on one model
FORMAT = 2  # 1: without the last ids
GONE = 20  # events without a value after which a column has vanished
STUCK = 200  # identical values after which a column is constant
STILL = 20  # the same where its first values hardly ever repeated
CLOCK, ID = "at", "id"  # stand for a column where the events' own times are meant, and their ids
REMEMBERED = 1024  # events back that an id is known
LATE = 300.0  # seconds behind the rule clock
BACKWARDS = 60.0  # seconds behind the latest time seen
Check = Burst | Run | NewValues
ANY_KIND = ("missing", "vanished", "out_of_range")  # the others wait until the kind of the column is known
CHECKS_OF_KIND: dict[Kind | None, set[str]] = {
    "number": {"nonfinite", "type_change", "constant"},
    "category": {"new_category"},
}
OF_EVENTS = {"clock_backwards": CLOCK, "late": CLOCK, "duplicate_ids": ID}


class QualityWatcher:
    """`Watcher` of levels. Ids that the intake remembers never come twice; `duplicate_ids` sees those it does not."""

    def __init__(self, rule: Rule, detect: Detect, model: str, columns: Columns, form: str, cap: int = CAP) -> None:
        self._rule, self._detect, self._model = rule, detect, model
        self._columns = columns
        self._form = form
        self._cap = cap
        self._wanted = tuple(check for check in CHECKS if not detect.checks or check in detect.checks)
        self._checks: dict[tuple[str, str], Check] = {}  # (column, check)
        self._last: dict[str, float] = {}  # the latest value of columns watched for being constant
        self._latest = -math.inf  # the largest time an event had
        self._ids: Ints = np.empty(0, dtype=np.int64)  # CRC-32 of the last ids
        self._frozen = False
        self._refused = False
        self._since: float | None = None
        self._events = 0

    def observe(self, batch: Batch, clock: Floats) -> list[Finding]:
        if not batch.n or batch.truth or self._frozen:
            return []
        if self._since is None:
            self._since = float(clock[0])
        self._events += batch.n
        old = (batch.recorded_at - batch.at > OLD) & (not batch.live)
        found: list[Finding] = []
        for first, path in self._paths(batch):
            if not self._admit(path) and not self._refused:
                self._refused = True
                found.append(self._full(batch, first, clock))
            self._look(path, first, batch, clock, old)
        if set(OF_EVENTS) & set(self._wanted):
            self._events_themselves(batch, clock, old)
        return found

    def _paths(self, batch: Batch) -> list[tuple[int, str]]:
        """Columns looked at, after the first row each is looked at from."""
        explicit = [path for path in self._detect.columns if not is_pattern(path)]
        patterns = [path for path in self._detect.columns if is_pattern(path)]
        known = self._columns.expand(patterns, KINDS) if patterns else []
        first = {path: self._columns.first_row(path, batch) for path in known} | dict.fromkeys(explicit, 0)
        return sorted((row, path) for path, row in first.items() if row < batch.n)

    def _admit(self, path: str) -> bool:
        new = [check for check in self._of(path) if (path, check) not in self._checks]
        if len(self._checks) + len(new) > self._cap:
            return False
        for check in new:
            self._checks[path, check] = _make(check)
        return True

    def _of(self, path: str) -> list[str]:
        """The checks that make sense for a column, as far as its kind is known."""
        kind, said = self._columns.kind(path), self._columns.settings.get(path)
        ranged = said is not None and not (said.minimum is None and said.maximum is None and said.values is None)
        sense = {"missing", "vanished"} | ({"out_of_range"} if ranged else set())
        if kind in CHECKS_OF_KIND:
            sense |= CHECKS_OF_KIND[kind]
        return [check for check in self._wanted if check in sense]

    def _look(self, path: str, first: int, batch: Batch, clock: Floats, old: Bools) -> None:
        known = max(first, self._columns.first_row(path, batch))
        for check in self._wanted:
            live = self._checks.get((path, check))
            if live is None:
                continue
            start = first if check in ANY_KIND else known
            if isinstance(live, NewValues):
                live.feed(batch.texts(path)[start:], clock[start:], old[start:])
            elif check == "constant":
                self._constant(path, live, usable_from(batch, start, batch.numbers(path)[1] == OK), batch, clock, old)
            else:
                live.feed(self._bad(path, check, batch)[start:], clock[start:], old[start:])

    def _bad(self, path: str, check: str, batch: Batch) -> Bools:
        if check in ("missing", "vanished"):
            if self._columns.kind(path) != "number":
                return ~batch.present(path)
            return np.equal(batch.numbers(path)[1], ABSENT)
        if check in ("nonfinite", "type_change"):
            return np.equal(batch.numbers(path)[1], NONFINITE if check == "nonfinite" else MISTYPED)
        return self._out_of_range(path, batch)

    def _out_of_range(self, path: str, batch: Batch) -> Bools:
        said = self._columns.settings.get(path)
        if said is None:
            return np.zeros(batch.n, dtype=bool)
        values, codes = batch.numbers(path)
        low = -math.inf if said.minimum is None else said.minimum
        high = math.inf if said.maximum is None else said.maximum
        bad: Bools = (codes == OK) & ((values < low) | (values > high))
        if said.values is not None:
            allowed = {None, *said.values}
            bad = bad | np.fromiter((text not in allowed for text in batch.texts(path)), bool, batch.n)
        return bad

    def _constant(self, path: str, live: Burst | Run, usable: Bools, batch: Batch, clock: Floats, old: Bools) -> None:
        rows = np.flatnonzero(usable)
        if not len(rows):
            return
        values = batch.numbers(path)[0][rows]
        before = np.concatenate([[self._last.get(path, np.nan)], values[:-1]])
        self._last[path] = float(values[-1])
        live.feed(values == before, clock[rows], old[rows])

    def _events_themselves(self, batch: Batch, clock: Floats, old: Bools) -> None:
        sane = np.minimum(batch.at, batch.recorded_at + BACKWARDS)  # one time in 2035 must not hide the rest
        latest = np.maximum.accumulate(np.concatenate([[self._latest], sane]))
        self._latest = float(latest[-1])
        bad = {"clock_backwards": batch.at < latest[:-1] - BACKWARDS, "late": batch.at < clock - LATE}
        if "duplicate_ids" in self._wanted:
            bad["duplicate_ids"] = self._again(batch)
        for check, flags in bad.items():
            if check in self._wanted:
                live = self._checks.setdefault((OF_EVENTS[check], check), Burst())
                if isinstance(live, Burst):
                    live.feed(flags, clock, old)

    def _again(self, batch: Batch) -> Bools:
        """Which ids are among those of the `REMEMBERED` events before."""
        fresh = np.fromiter((crc32((i or "").encode("utf-8", "surrogatepass")) for i in batch.ids), np.int64, batch.n)
        ids, n = np.concatenate([self._ids, fresh]), len(self._ids)
        order = np.argsort(ids, kind="stable")
        same = np.flatnonzero(ids[order[1:]] == ids[order[:-1]])
        before = np.full(len(ids), -REMEMBERED - 1)
        before[order[same + 1]] = order[same]
        self._ids = ids[-REMEMBERED:]
        known: Bools = np.arange(n, len(ids)) - before[n:] <= REMEMBERED
        return known

    def assess(self, at: float) -> Level | None:
        ever = [(key, self._checks[key]) for key in sorted(self._checks) if self._checks[key].ever]
        holds = np.array([at <= check.until for _, check in ever], dtype=bool)
        return Level(
            rule=self._rule.key,
            model=self._model,
            version=None,
            at=at,
            statistic="share of broken cells",
            column=", ".join(self._detect.columns),
            segments=tuple(f"{column}: {check}" for (column, check), _ in ever),
            holds=np.where(holds, YES, NO).astype(np.uint8),
            value=np.array([check.share for _, check in ever], dtype=np.float64),
            expected=np.array([check.rate for _, check in ever], dtype=np.float64),
            effect=np.array([check.ratio for _, check in ever], dtype=np.float64),
            n=np.array([check.seen for _, check in ever], dtype=np.int64),
            historical=bool(holds.any()) and all(check.old for (_, check), on in zip(ever, holds, strict=True) if on),
        )

    def settled_until(self, at: float) -> float:
        """Until when a level that holds nowhere stays as it is, if no rows come: nothing begins without them."""
        return math.inf

    def _full(self, batch: Batch, row: int, clock: Floats) -> Finding:
        why = f"The rule holds {self._cap:,} checks and has no room for more columns; name fewer columns or checks."
        return trouble(self._rule, batch, row, clock, ("", ""), "not_watched", why)

    def apply(self, mark: Mark) -> None:
        """rearm: new categories seen so far are known from now on, and nothing holds. reference: learn anew. freeze:
        neither learn nor find. `mark.segment` is `column: check`, or "" for all."""
        if mark.kind in ("freeze", "unfreeze") and not mark.segment:
            self._frozen = mark.kind == "freeze"
        for column, check in list(self._checks):
            if mark.segment not in ("", f"{column}: {check}"):
                continue
            live = self._checks[column, check]
            if mark.kind == "reference":
                del self._checks[column, check]
            elif mark.kind == "rearm":
                live.until = -math.inf
                if isinstance(live, NewValues):
                    live.accept()

    def save(self) -> Any:
        return {
            "v": FORMAT,
            "form": self._form,
            "checks": [[*key, self._checks[key].save()] for key in sorted(self._checks)],
            "last": self._last,
            "latest": self._latest,
            "ids": self._ids.astype(np.uint32),
            "flags": [self._frozen, self._refused],
            "since": self._since,
            "events": self._events,
        }

    def load(self, saved: Any) -> None:
        with readable(f"checks of {self._rule.key}", saved, FORMAT, self._form):
            self._load(saved)

    def _load(self, saved: Any) -> None:
        self._checks = {}
        for column, check, state in saved["checks"]:
            live = self._checks[column, check] = _make(check)
            live.load(state)
        self._last, self._latest = dict(saved["last"]), saved["latest"]
        self._ids = saved["ids"].astype(np.int64)
        self._frozen, self._refused = saved["flags"]
        self._since, self._events = saved["since"], saved["events"]

    def memory(self) -> int:
        known = sum(100 * len(c.known) for c in self._checks.values() if isinstance(c, NewValues))
        return 600 * len(self._checks) + known + self._ids.nbytes

    def describe(self) -> dict[str, Any]:
        kinds = {check: [c for (_, name), c in self._checks.items() if name == check] for check in self._wanted}
        return {
            "since": self._since,
            "detects": "quality",
            "events": self._events,
            "checks": {
                check: {
                    "columns": len(live),
                    "ready": sum(c.ready for c in live),
                    "idle": sum(c.idle for c in live),
                    "tripped": sum(c.ever for c in live),
                }
                for check, live in kinds.items()
            },
            "not_watched": self._refused,
            "frozen": self._frozen,
            "new_values": self._new_values(),
            "notes": self._notes(),
        }

    def _notes(self) -> list[str]:
        notes = []
        if "duplicate_ids" in self._wanted:
            notes.append(
                "duplicate ids are counted and dropped at the intake; the check sees those that get past it, as in "
                f"recorded files, within {REMEMBERED:,} events"
            )
        many = [c for (c, _), live in sorted(self._checks.items()) if isinstance(live, NewValues) and live.overflow]
        if many:
            notes.append(f"too many different values to tell a new one: {', '.join(many[:20])}")
        return notes

    def _new_values(self) -> dict[str, list[str]]:
        """Values never seen before the set of a column had settled, the first five of each."""
        live = ((column, check) for (column, _), check in sorted(self._checks.items()) if isinstance(check, NewValues))
        return {column: [clean(value) for value in list(check.new)[:5]] for column, check in live if check.new}


def _make(check: str) -> Check:
    if check == "new_category":
        return NewValues()
    if check == "vanished":
        return Run(GONE, share=0.05, longest=GONE - 1)
    if check == "constant":
        return Run(STUCK - 1, share=0.5, longest=STUCK // 4, short=STILL - 1)
    return Burst(declared=check == "out_of_range")
