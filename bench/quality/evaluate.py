"""Runs the parts of the evaluation and keeps the rows of each, so that an interrupted run can be gone on with."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import monitor.core
from bench.quality.jobs import Job, Size, only
from bench.quality.plan import PARTS, jobs
from bench.quality.results import Result, line, load, save
from bench.quality.run import Found, run_all
from bench.quality.score import Row
from bench.quality.streams.nab import Nab

Watch = Callable[[str, Iterable[tuple[Job, Found]], Sequence[Job]], Iterable[tuple[Job, Found]]]


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be run: of `parts` the rows that are not there, on `processes`. Those of systems whose name begins
    with `again` are made anew, those of systems whose name begins with `without` are not made, and with `just` only
    those of systems whose name begins so."""

    size: Size
    data: Path | None
    processes: int
    parts: Sequence[str] = PARTS
    again: str | None = None
    without: str | None = None
    just: str | None = None

    def jobs(self, part: str) -> Sequence[Job]:
        todo = jobs(part, self.size, self.data)
        if self.just is not None:
            todo = only(todo, self.just)
        return todo if self.without is None else only(todo, self.without, others=True)

    def anew(self, result: Result) -> bool:
        return self.again is not None and result.system.startswith(self.again)


def run_parts(folder: Path, wish: Wish, watch: Watch) -> list[Result]:
    """The results of all parts, each kept in a file of its own in `folder`. A part that was interrupted goes on where
    it was, so do not change the code before it is done. Raises ValueError."""
    unknown = sorted(set(wish.parts) - set(PARTS))
    if unknown:
        raise ValueError(f"There is no part {', '.join(unknown)}; there are {', '.join(PARTS)}.")
    found: list[Result] = []
    for part in PARTS:
        path, journal = folder / f"{part}.ndjson", folder / f"{part}.partial"
        kept = load(path) if path.exists() else []
        if part in wish.parts:
            rows = {_key(row): row for row in kept if not wish.anew(row)}
            rows |= {_key(row): row for row in (load(journal) if journal.exists() else ())}
            _run(journal, rows, wish, watch, _missing(wish.jobs(part), rows))
            kept = _ordered(jobs(part, wish.size, wish.data), rows)
            save(kept, path)
            journal.unlink(missing_ok=True)
        found += kept
    return found


Place = tuple[str, str, str, str]  # part, group, stream, system


def _key(row: Result) -> Place:
    return row.part, row.group, row.stream, row.system


def _places(job: Job) -> list[Place]:
    return [(job.part, job.group, job.stream.name, system.name) for system in job.systems]


def _missing(todo: Iterable[Job], rows: Mapping[Place, Result]) -> list[Job]:
    """The jobs with those of their systems that have no row."""
    left = []
    for job in todo:
        lacking = tuple(s for s, place in zip(job.systems, _places(job), strict=True) if place not in rows)
        if lacking:
            left.append(replace(job, systems=lacking))
    return left


def _ordered(plan: Iterable[Job], rows: Mapping[Place, Result]) -> list[Result]:
    """All rows, those of the plan first and in its order."""
    first = [place for job in plan for place in _places(job) if place in rows]
    return [rows[place] for place in dict.fromkeys([*first, *rows])]


def _run(journal: Path, rows: dict[Place, Result], wish: Wish, watch: Watch, left: Sequence[Job]) -> None:
    """Add the rows of these jobs to `rows`, and to the journal as soon as they are there."""
    journal.parent.mkdir(parents=True, exist_ok=True)
    with journal.open("a") as lines:
        work = ((job, job.stream, job.systems) for job in left)
        for job, made in watch(journal.stem, run_all(work, wish.processes), left):
            if isinstance(made, str):
                print(f"{job.stream.name}: {made} It is left out.", file=sys.stderr)
                continue
            found = [Result.of(job.part, job.group, row, _extra(job, row)) for row in made]
            lines.write("".join(map(line, found)))
            lines.flush()
            rows.update((_key(result), result) for result in found)


def _extra(job: Job, row: Row) -> dict[str, Any]:
    said = {"detector": _detector()} if row.system.startswith("overloop") else {}
    if not isinstance(job.stream, Nab):
        return said
    return said | {"rows": job.stream.length(), "windows": job.stream.windows(), "pages": row.page_rows}


@lru_cache(maxsize=1)
def _detector() -> str:
    """A digest of the product's core: rows of another one are not rows of this detector."""
    core = Path(monitor.core.__file__).parent
    sources = b"".join(path.read_bytes() for path in sorted(core.rglob("*.py")))
    return hashlib.sha256(sources).hexdigest()[:12]
