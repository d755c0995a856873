"""Runs the parts of the evaluation and keeps the rows of each, so that an interrupted run can be gone on with."""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from bench.quality import calibrate
from bench.quality.plan import PARTS, Job, Size, jobs
from bench.quality.results import Result, Table, line, load, save
from bench.quality.run import Found, run_all
from bench.quality.score import Row
from bench.quality.streams.nab import Nab

Watch = Callable[[str, Iterable[tuple[Job, Found]], int], Iterable[tuple[Job, Found]]]


def run_parts(
    folder: Path,
    size: Size,
    data: Path | None,
    processes: int,
    watch: Watch,
    parts: Sequence[str] = PARTS,
    again: str | None = None,
) -> list[Result]:
    """The results of all parts. Those whose file is in `folder` already are read from it; but of `parts`, the rows of
    systems whose name begins with `again` are made anew: the others need not be run for each change of one. A part that
    was interrupted goes on where it was, so do not change the code before it is done. Raises ValueError."""
    found: list[Result] = []
    for part in PARTS:
        path = folder / f"{part}.ndjson"
        kept = load(path) if path.exists() else None
        journal = folder / f"{part}.partial"
        run = partial(_run, journal, processes, watch)
        if kept is not None and (again is None or part not in parts):
            found += kept
        elif part in parts:
            if part == "equal":
                made = _equal(size, found, run)
            elif again is not None and kept is not None:
                others = [result for result in kept if not result.system.startswith(again)]
                made = [*run(only(jobs(part, size, data), again)), *others]
            else:
                made = run(jobs(part, size, data))
            save(made, path)
            journal.unlink(missing_ok=True)
            found += made
    return found


def only(todo: Sequence[Job], name: str) -> list[Job]:
    """The same jobs for the systems whose name begins with `name`."""
    less = [replace(job, systems=tuple(s for s in job.systems if s.name.startswith(name))) for job in todo]
    return [job for job in less if job.systems]


def _equal(size: Size, found: list[Result], run: Callable[[Sequence[Job]], list[Result]]) -> list[Result]:
    """Sweep, choose, and run what was chosen."""
    table = Table(found, "null")
    if not table.groups:
        raise ValueError("Equal rates need the part `null` first.")
    targets = {}
    for family in calibrate.families():
        realised = table.false(family, "overloop")
        targets[family] = max(calibrate.FLOOR, realised.value if realised else calibrate.FLOOR)
    picked = calibrate.chosen(run(list(calibrate.sweep(size))), targets)
    told = [
        Result("chosen", family, "", name, 0.0, False, 0, 0, 0, 0, [], [], 0, None, True,
               {"value": value, "rate": rate, "target": targets[family]})
        for (family, name), (value, rate) in picked.items()
    ]  # fmt: skip
    return [*told, *run(list(calibrate.equal(size, picked)))]


def _run(journal: Path, processes: int, watch: Watch, todo: Sequence[Job]) -> list[Result]:
    """The results of all jobs in their order. Those in the journal are not run again; what is run is added to it."""
    done: dict[str, list[Result]] = defaultdict(list)
    for result in load(journal) if journal.exists() else ():
        done[_key(result.part, result.group, result.stream)].append(result)
    left = [job for job in todo if _key(job.part, job.group, job.stream.name) not in done]
    journal.parent.mkdir(parents=True, exist_ok=True)
    with journal.open("a") as lines:
        work = ((job, job.stream, job.systems) for job in left)
        for job, rows in watch(journal.stem, run_all(work, processes), len(left)):
            if isinstance(rows, str):
                print(f"{job.stream.name}: {rows} It is left out.", file=sys.stderr)
                continue
            found = [Result.of(job.part, job.group, row, _extra(job, row)) for row in rows]
            lines.write("".join(map(line, found)))
            lines.flush()
            done[_key(job.part, job.group, job.stream.name)] = found
    return [result for job in todo for result in done[_key(job.part, job.group, job.stream.name)]]


def _key(part: str, group: str, stream: str) -> str:
    return f"{part}/{group}/{stream}"


def _extra(job: Job, row: Row) -> dict[str, Any]:
    if not isinstance(job.stream, Nab):
        return {}
    return {"rows": job.stream.length(), "windows": job.stream.windows(), "pages": row.page_rows}
