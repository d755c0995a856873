"""`python -m bench.quality`: the evaluation of detection, or with --streams, a folder of streams of your own."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from bench.quality.run import Result, cores, run_all
from bench.quality.score import Row
from bench.quality.stream import Stream
from bench.quality.streams.folder import Folder
from bench.quality.systems.base import System
from bench.quality.systems.catalogue import CATALOGUE, DEFAULT, systems


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.quality", description=__doc__)
    parser.add_argument(
        "--streams", type=Path, metavar="PATH", help="a folder of streams, each a folder with events.ndjson, truth.json"
    )
    parser.add_argument("--systems", metavar="NAMES", help=f"of {', '.join(CATALOGUE)}; default {','.join(DEFAULT)}")
    parser.add_argument("--json", type=Path, metavar="OUT", help="where the rows are written")
    parser.add_argument("--jobs", type=int, default=cores(), help="processes (default: one a core)")
    asked = parser.parse_args(words)
    try:
        picked = systems(asked.systems)
    except ValueError as problem:
        parser.error(str(problem))
    if asked.streams is None:
        parser.error("Give a folder with --streams.")
    return watch_folder(asked.streams, picked, asked.json, asked.jobs)


def watch_folder(folder: Path, picked: Sequence[System], out: Path | None, jobs: int) -> int:
    """The pinned command. Bad streams are named and left out; then the exit code is 1."""
    streams, bad = find(folder)
    rows: list[Row] = []
    for name, found in with_progress(run_all([(s, picked) for s in streams], jobs), len(streams)):
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


def with_progress(results: Iterable[Result], count: int) -> Iterator[Result]:
    """The same results, with a bar on a terminal's standard error."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("streams", total=count)
        for result in results:
            yield result
            bar.advance(task)


if __name__ == "__main__":
    sys.exit(main())
