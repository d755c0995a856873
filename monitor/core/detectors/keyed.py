"""The live detectors of one watcher: bounded, addressed by version, segment and column, changed by marks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, Generic, Protocol, TypeVar

from monitor.core.watcher import Mark

Key = tuple[str, str, str]  # version, segment, column


class Entry(Protocol):
    """What `Keyed` holds: `Series` or a learned model of several columns."""

    state: str
    note: str

    def rearm(self) -> None: ...

    def doubt(self) -> None: ...

    def disable(self, why: str) -> None: ...

    def save(self) -> Any: ...

    def load(self, saved: Any) -> None: ...

    def memory(self) -> int: ...


E = TypeVar("E", bound=Entry)


class Keyed(Generic[E]):
    """At most `cap` entries; what does not fit is counted in `refused` and told once.

    `again` makes an entry that is to load a saved state, where its key alone does not say what it was.
    """

    def __init__(self, make: Callable[[Key], E], cap: int, again: Callable[[Key, Any], E] | None = None) -> None:
        self._make = make
        self._again = again
        self.cap = cap
        self.entries: dict[Key, E] = {}
        self.refused = False
        self.frozen: list[str] = []  # segments in maintenance; "" is all of them

    def admit(self, wanted: Iterable[tuple[int, Key]]) -> int | None:
        """Make the entries that are new, those with the earliest rows first.

        Returns the row at which the first one was refused, if none had been before.
        """
        told = None
        for row, key in sorted(item for item in wanted if item[1] not in self.entries):
            if len(self.entries) < self.cap:
                self.entries[key] = self._make(key)
            elif not self.refused:
                self.refused, told = True, row
        return told

    def is_frozen(self, segment: str) -> bool:
        return "" in self.frozen or segment in self.frozen

    def forget(self, version: str | None) -> None:
        """Drop the entries of a version, or all."""
        self.entries = {key: e for key, e in self.entries.items() if version is not None and key[0] != version}

    def apply(self, mark: Mark) -> None:
        """rearm: watch again, same reference. promote: the same, and what is still so is reported again. reference:
        learn a new one. freeze: neither learn nor find, until unfreeze. Other marks change nothing here."""
        mine = [key for key in self.entries if mark.segment in ("", key[1])]
        if mark.kind == "rearm":
            for key in mine:
                self.entries[key].rearm()
        elif mark.kind == "promote":
            self.refused = False
            for key in mine:
                self.entries[key].doubt()
        elif mark.kind == "reference":
            self.entries = {key: e for key, e in self.entries.items() if key not in set(mine)}
            self.refused = False
        elif mark.kind == "freeze" and mark.segment not in self.frozen:
            self.frozen = sorted([*self.frozen, mark.segment])
        elif mark.kind == "unfreeze":
            self.frozen = [s for s in self.frozen if mark.segment not in ("", s)]

    def save(self) -> Any:
        return {
            "entries": [[*key, self.entries[key].save()] for key in sorted(self.entries)],
            "refused": self.refused,
            "frozen": self.frozen,
        }

    def load(self, saved: Any) -> None:
        self.entries = {}
        for version, segment, column, state in saved["entries"]:
            key = (version, segment, column)
            entry = self._make(key) if self._again is None else self._again(key, state)
            entry.load(state)
            self.entries[key] = entry
        self.refused, self.frozen = saved["refused"], list(saved["frozen"])

    def memory(self) -> int:
        return sum(e.memory() + 300 for e in self.entries.values())

    def describe(self) -> dict[str, Any]:
        notes = sorted({e.note for e in self.entries.values() if e.note})
        return {
            "series": dict(sorted(Counter(e.state for e in self.entries.values()).items())),
            "cap": self.cap,
            "not_watched": self.refused,
            "frozen": self.frozen,
            "notes": notes[:20],
        }
