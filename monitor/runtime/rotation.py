"""When snapshots are written: as soon as bringing the bank back would cost more than a moment's work."""

from __future__ import annotations

import time
from collections.abc import Callable

import structlog

from monitor.core.bank import Bank
from monitor.runtime.restore import INDEX
from monitor.store.snapshots import SnapshotError, Snapshots

log = structlog.get_logger("snapshots")

WORK = 2.0  # seconds of replay a restart may cost
READ = 0.0007  # seconds to read one step back, about
PAUSE = 5.0  # seconds between turns, so that a busy pump does not write all the time
OLDEST = 3600.0  # seconds without a turn after which one is due however little was done
AT_ONCE = 50  # models written in one turn, or a tenth of them if that is more
AT_END = 10.0  # seconds that writing may take when the pump stops


class Rotation:
    """Snapshots of the models of one bank, in turn. Call it between steps only: all parts are as of the last one.

    A restart runs again all steps since the oldest of the newest snapshots, so the one that is oldest comes first.
    `owed` seconds of work are in no snapshot yet. `told` hears of each turn: how long it took.
    """

    def __init__(
        self, snapshots: Snapshots, bank: Bank, owed: float = 0.0, told: Callable[[float], None] = lambda seconds: None
    ) -> None:
        self.snapshots, self.bank, self.told = snapshots, bank, told
        self.failing = False
        self._done = owed  # seconds of work so far
        self._covered = {name: owed for name, part in bank.models.items() if part.as_of == bank.seq}
        self._last = time.monotonic()

    @property
    def owed(self) -> float:
        """Seconds of work that a restart would do again, at most."""
        return self._done - min((self._covered.get(name, 0.0) for name in self.bank.models), default=self._done)

    def worked(self, seconds: float) -> None:
        """Note what observing one step cost; to do it again it must also be read."""
        self._done += seconds + READ

    def turn(self) -> None:
        """Write what is due, if anything is."""
        passed = time.monotonic() - self._last
        if passed > PAUSE and (self.owed > WORK or passed > OLDEST):
            self._last = time.monotonic()
            self._write(self._order()[: max(AT_ONCE, len(self.bank.models) // 10)], float("inf"))

    def all(self) -> None:
        """Write everything, so that the next start is quick; what does not fit into `AT_END` is left."""
        self._write(self._order(), time.monotonic() + AT_END)

    def covered(self) -> int:
        """The step up to which nothing need be run again, even if the newest snapshots are lost. Any thread may ask.

        Each of the others has two that can be read, or its model is younger than that.
        """
        parts = list(self.bank.models.values())
        return min(
            [
                self.snapshots.covered([INDEX]),
                *(max(self.snapshots.covered([part.name]), part.born - 1) for part in parts),
            ]
        )

    def forget(self, model: str) -> None:
        """A model was retired: first the index must no longer name it."""
        self._write([], float("inf"))
        if not self.failing:
            self.snapshots.forget(model)

    def _order(self) -> list[str]:
        return sorted(self.bank.models, key=lambda name: (self._covered.get(name, 0.0), name))

    def _write(self, models: list[str], until: float) -> None:
        began, seq = time.monotonic(), self.bank.seq
        try:
            for model in models:
                if time.monotonic() > until:
                    break
                self.snapshots.write(model, seq, self.bank.dump(model))
                self._covered[model] = self._done
            self.snapshots.write(INDEX, seq, self.bank.dump_index())
            self.failing = False
        except (SnapshotError, TypeError, ValueError) as problem:  # the latter two: a watcher's state that is none
            if not self.failing:
                log.error(str(problem), action="snapshot_failed")
            self.failing = True
        self._covered = {name: done for name, done in self._covered.items() if name in self.bank.models}
        self.told(time.monotonic() - began)
