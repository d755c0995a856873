"""`python -m bench.quality`: the evaluation of detection, or with --streams, a folder of streams of your own."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from bench.quality import short
from bench.quality.evaluate import Wish, run_parts
from bench.quality.jobs import Job, Size
from bench.quality.page import write
from bench.quality.plan import PARTS
from bench.quality.progress import with_progress
from bench.quality.results import Result, Table
from bench.quality.run import Found, cores, run_all
from bench.quality.score import Row
from bench.quality.stream import Stream
from bench.quality.streams.folder import Folder
from bench.quality.systems.base import System
from bench.quality.systems.catalogue import CATALOGUE, DEFAULT, systems
from bench.quality.systems.overloop import Overloop
from bench.quality.tables import null_table, precise_delay


def main(words: Sequence[str] | None = None) -> int:
    asked = _parser().parse_args(words)
    if asked.streams is not None:
        try:
            picked = systems(asked.systems)
        except ValueError as problem:
            _parser().error(str(problem))
        return watch_folder(asked.streams, picked, asked.json, asked.jobs)
    if asked.short:
        return short_form(asked.jobs)
    size = Size().scaled(asked.scale)
    try:
        wish = Wish(
            size, asked.data, asked.jobs, [part for part in asked.parts.split(",") if part], asked.again, asked.without
        )
        results = run_parts(asked.results, wish, _watch)
    except ValueError as problem:
        _parser().error(str(problem))
    write(results, asked.out, f"python -m bench.quality --scale {asked.scale:g}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.quality", description=__doc__)
    parser.add_argument(
        "--streams", type=Path, metavar="PATH", help="a folder of streams, each a folder with events.ndjson, truth.json"
    )
    parser.add_argument("--systems", metavar="NAMES", help=f"of {', '.join(CATALOGUE)}; default {','.join(DEFAULT)}")
    parser.add_argument("--json", type=Path, metavar="OUT", help="where the rows of --streams are written")
    parser.add_argument("--jobs", type=int, default=cores(), help="processes (default: one a core)")
    parser.add_argument("--short", action="store_true", help="a few minutes; exit code 1 if the budget does not hold")
    parser.add_argument("--out", type=Path, default=Path("docs/detection-quality.md"), help="the page to write")
    parser.add_argument(
        "--results", type=Path, default=Path("build/quality"), help="where rows are kept, a file a part"
    )
    parser.add_argument(
        "--parts", default=",".join(PARTS), help="whose missing rows to make (default: all; '': none, only the page)"
    )
    parser.add_argument("--again", metavar="NAME", help="of --parts, make the rows of systems called NAME… anew")
    parser.add_argument("--without", metavar="NAME", help="do not run systems called NAME…")
    parser.add_argument("--only", metavar="NAME", help="run systems called NAME… only")
    parser.add_argument("--scale", type=float, default=1.0, help="how many of the streams (default 1: all)")
    data = os.environ.get("OVERLOOP_BENCH_DATA")
    parser.add_argument(
        "--data", type=Path, default=Path(data) if data else None, metavar="PATH",
        help="a folder with nab/ and electricity.csv.gz (default $OVERLOOP_BENCH_DATA)",
    )  # fmt: skip
    return parser


def short_form(processes: int, system: System | None = None) -> int:
    """The evaluation for every change, of the product or of another system that is called so: 1 if something does not
    hold."""
    found = []
    work = [(job, job.stream, job.systems) for job in short.jobs(system or Overloop())]
    for job, rows in with_progress("short form", run_all(work, processes), len(work)):
        if isinstance(rows, str):
            raise ValueError(f"{job.stream.name}: {rows}")
        found += [Result.of(job.part, job.group, row) for row in rows]
    table = Table(found, "null")
    print(null_table(table, "overloop", ()))
    print(f"shift of 2 sd: {precise_delay(Table(found, 'change').delay('shift-2sd', 'overloop'))} values")
    said = short.broken(found)
    for sentence in said:
        print(sentence, file=sys.stderr)
    return 1 if said else 0


def _watch(part: str, found: Iterable[tuple[Job, Found]], todo: Sequence[Job]) -> Iterable[tuple[Job, Found]]:
    return with_progress(part, found, sum(job.work for job in todo), lambda job: job.work)


def watch_folder(folder: Path, picked: Sequence[System], out: Path | None, jobs: int) -> int:
    """The pinned command. Bad streams are named and left out; then the exit code is 1."""
    streams, bad = find(folder)
    rows: list[Row] = []
    work = [(stream.name, stream, picked) for stream in streams]
    for name, found in with_progress("streams", run_all(work, jobs), len(streams)):
        if isinstance(found, str):
            bad.append((name, found))
        else:
            rows += found
    place = {system.name: i for i, system in enumerate(picked)}
    rows.sort(key=lambda row: (row.stream, place[row.system]))
    text = json.dumps([row.to_json() for row in rows], indent=1) + "\n"
    if out is None:
        sys.stdout.write(text)
    else:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(text)
    for name, why in sorted(bad):
        print(f"{name}: {why} It is left out.", file=sys.stderr)
    return 1 if bad else 0


def find(folder: Path) -> tuple[list[Stream], list[tuple[str, str]]]:
    """The streams in a folder, by name, and what is no stream, with the reason."""
    if not folder.is_dir():
        return [], [(str(folder), "There is no such folder.")]
    streams: list[Stream] = []
    bad: list[tuple[str, str]] = []
    for path in sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")):
        try:
            streams.append(Folder.open(path))
        except (ValueError, OSError) as problem:
            bad.append((path.name, str(problem)))
    if not streams and not bad:
        bad.append((str(folder), "The folder holds no streams."))
    return streams, bad


if __name__ == "__main__":
    sys.exit(main())
