"""When snapshots are written: as soon as bringing a model back would cost more than a moment's work."""

from __future__ import annotations

import time

import structlog

from monitor.core.bank import Bank
from monitor.runtime.restore import INDEX
from monitor.store.snapshots import SnapshotError, Snapshots

log = structlog.get_logger("snapshots")

WORK = 2.0  # seconds of replay a restart may cost
PAUSE = 5.0  # seconds between turns, so that small models do not write all the time
AT_ONCE = 50  # models written in one turn, or a tenth of them if that is more


class Rotation:
    """Snapshots of the models of one bank, the ones with most unsaved work first."""

    def __init__(self, snapshots: Snapshots, bank: Bank) -> None:
        self.snapshots, self.bank = snapshots, bank
        self.unsaved: dict[str, float] = {}  # model -> seconds of work since its last snapshot
        self.failing = False
        self._last = time.monotonic()
        self._saved: dict[str, int] = {}  # model -> step as of which it was last written

    def worked(self, models: set[str], seconds: float) -> None:
        """Note what a step cost. Shared equally: which model was dear does not matter, only the sum."""
        for model in models:
            self.unsaved[model] = self.unsaved.get(model, 0.0) + seconds / len(models)

    def turn(self) -> None:
        """Write what is due, if anything is. Call between steps only."""
        now = time.monotonic()
        due = sum(self.unsaved.values()) > WORK and now - self._last > PAUSE
        if due or (self.unsaved and now - self._last > 60.0):
            self._last = now
            # then the ones written longest ago: ticks change them too, and a restart replays from the oldest
            order = sorted(self.bank.models, key=lambda m: (-self.unsaved.get(m, 0.0), self._saved.get(m, 0), m))
            self._write(order[: max(AT_ONCE, len(order) // 10)])

    def all(self) -> None:
        """Write everything that is not saved yet."""
        self._write(list(self.bank.models))

    def _write(self, models: list[str]) -> None:
        try:
            for model in models:
                # a part that an older step touched last is as of the bank's newest step all the same
                self.snapshots.write(model, self.bank.seq, self.bank.dump(model))
                self._saved[model] = self.bank.seq
            self.unsaved = {m: work for m, work in self.unsaved.items() if m in self.bank.models and m not in models}
            self.snapshots.write(INDEX, self.bank.seq, self.bank.dump_index())
            self.failing = False
        except SnapshotError as problem:
            self.failing = True
            log.error(str(problem), action="snapshot_failed")
