"""Rows with the part and group of the evaluation that they belong to, on disk and grouped for tables."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from bench.quality.limits import Rate, mean_limits, rate
from bench.quality.score import Row


@dataclass(frozen=True, slots=True)
class Result:
    """One system on one stream of one part. `extra` holds what a part needs besides (NAB: rows, windows, pages)."""

    part: str
    group: str
    stream: str
    system: str
    weeks: float
    refused: bool
    pages: int
    false_pages: int
    detected: int
    missed: int
    delays_events: list[int]
    delays_seconds: list[float]
    alarms: int
    why: str | None
    watched: bool = True
    extra: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, part: str, group: str, row: Row, extra: dict[str, Any] | None = None) -> Result:
        return cls(part, group, alarms=row.alarms, why=row.why, watched=row.watched, extra=extra or {}, **row.to_json())


def save(results: Iterable[Result], path: Path) -> None:
    """One line a result."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(map(line, results)))


def line(result: Result) -> str:
    return json.dumps(asdict(result)) + "\n"


def load(path: Path) -> list[Result]:
    return [Result(**json.loads(line)) for line in path.read_text().splitlines()]


class Table:
    """Results of one part by (group, system), in the order in which they came."""

    def __init__(self, results: Iterable[Result], *parts: str) -> None:
        self.cells: dict[tuple[str, str], list[Result]] = defaultdict(list)
        for result in results:
            if result.part in parts:
                self.cells[result.group, result.system].append(result)
        self.groups = list(dict.fromkeys(group for group, _ in self.cells))
        self.systems = list(dict.fromkeys(system for _, system in self.cells))

    def false(self, group: str, system: str) -> Rate | None:
        """False pages a week over all streams that were watched, be it in part."""
        watched = [r for r in self.cells.get((group, system), []) if r.watched]
        return rate([r.false_pages for r in watched], [r.weeks for r in watched]) if watched else None

    def alarms(self, group: str, system: str) -> float:
        """Alarms a week before de-duplication."""
        watched = [r for r in self.cells.get((group, system), []) if r.watched]
        weeks = sum(r.weeks for r in watched)
        return sum(r.alarms for r in watched) / weeks if weeks else float("nan")

    def refused(self, group: str, system: str) -> tuple[int, int]:
        """How many streams were refused, of how many."""
        cells = self.cells.get((group, system), [])
        return sum(r.refused for r in cells), len(cells)

    def delay(self, group: str, system: str) -> Delay | None:
        """Refused streams are missed changes."""
        cells = self.cells.get((group, system), [])
        events = [d for r in cells for d in r.delays_events]
        if not events:
            return None
        missed = sum(r.missed for r in cells)
        return Delay(*mean_limits(events), missed / len(events), len(events), _median(events))


@dataclass(frozen=True, slots=True)
class Delay:
    """Values until a change was found: mean with 95 % limits (a miss counts as the horizon), share missed, median."""

    mean: float
    low: float
    high: float
    missed: float
    n: int
    median: float


def _median(values: list[int]) -> float:
    ordered = sorted(values)
    middle = len(ordered) // 2
    return float(ordered[middle]) if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2
