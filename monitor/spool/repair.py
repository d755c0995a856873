"""Putting a damaged segment aside: what can be read is kept, what is lost is written down.

And going on behind what a spool has lost as a whole, because it is older than those who read it.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import zstandard

from monitor.spool import segment
from monitor.spool.errors import SpoolDamaged, SpoolError, SpoolUnusable
from monitor.spool.lock import writer_lock
from monitor.spool.model import Totals
from monitor.spool.reading import losses, path_of, segments
from monitor.spool.standing import Standing, enter

# Nobody knows how many answered lines a newest file has lost: offsets go on so far behind it that none is used twice.
LEAP = 1_000_000_000


class Loss(NamedTuple):
    """Offsets `from_` to `to` (excluded) can no longer be read. `records` and `lines` of the file were kept."""

    holes: list[tuple[int, int]]
    records: int
    lines: int
    moved_to: Path


def set_aside(path: Path, now: float) -> Loss:
    """Replace a segment by what can be read of it; the damaged file moves into `damaged/`. No writer may run."""
    lock = writer_lock(path.parent.parent)
    try:
        return _set_aside(path, now)
    finally:
        os.close(lock)


def _set_aside(path: Path, now: float) -> Loss:
    folder = path.parent
    firsts = segments(folder)
    if not path.stem.isdecimal() or int(path.stem) not in firsts:
        raise SpoolError(f"{path} is no segment of a spool: name a file such as {path_of(folder, 0).name}.")
    first = int(path.stem)
    rows, totals = _salvaged(path)
    lines = sum(row[1] for row in rows)
    following = [other for other in firsts if other > first]
    end = rows[-1][0] + rows[-1][1] if rows else first
    next_ = following[0] if following else _next(path, end, totals)
    holes = _holes(first, rows, next_)
    moved = _move(path)
    counted = totals[1] if totals else Totals(accepted=rows[-1][5] + _events(rows[-1]) if rows else 0)
    recorded_at = rows[-1][3] if rows else 0.0
    segment.create(path, next_, recorded_at, counted, [])
    with segment.explained(path), closing(segment.open_for_writing(path)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany("INSERT INTO records VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
        connection.execute("COMMIT")
        segment.close_cleanly(connection, path)
    _write_down(folder, [{"from": a, "to": b, "file": str(moved), "at": now} for a, b in holes])
    return Loss(holes, len(rows), lines, moved)


def move_up(folder: Path, to: int, accepted: int, now: float) -> None:
    """Go on at offset `to` in a partition's folder that ends before it, with at least so many events accepted.

    The offsets that are skipped are written down as lost. No writer may run.
    """
    with segment.explained(folder):
        folder.mkdir(parents=True, exist_ok=True)
    lock = writer_lock(folder.parent)
    try:
        if not segments(folder):
            segment.create(path_of(folder, to), to, 0.0, Totals(accepted=accepted), [])
            return
        standing, _ = enter(folder)
        try:
            _move_up(folder, standing, to, accepted, now)
        finally:
            segment.close_cleanly(standing.connection, standing.path)
    finally:
        os.close(lock)


def _move_up(folder: Path, standing: Standing, to: int, accepted: int, now: float) -> None:
    totals = standing.totals._replace(accepted=max(standing.totals.accepted, accepted))
    with segment.explained(standing.path):
        if standing.next >= to:
            standing.connection.execute("UPDATE totals SET accepted = ?", (totals.accepted,))
            return
        producers = standing.connection.execute("SELECT * FROM producers").fetchall()
    _write_down(folder, [{"from": standing.next, "to": to, "file": "", "at": now}])
    segment.create(path_of(folder, to), to, standing.recorded_at, totals, producers)


def _salvaged(path: Path) -> tuple[list[tuple[Any, ...]], tuple[int, Totals] | None]:
    """Every record that is whole, in order, and the offset and totals that the file knew last."""
    rows: dict[int, tuple[Any, ...]] = {}
    totals = None
    inflate = zstandard.ZstdDecompressor()
    try:
        with closing(segment.open_for_reading(path)) as connection:
            for direction in ("", " DESC"):  # from both ends up to what is broken
                for row in _until_broken(connection, f"SELECT * FROM records ORDER BY first{direction}"):
                    try:
                        segment.record_of(row, 0, path, inflate)
                    except SpoolDamaged:
                        continue
                    rows[row[0]] = row
            for row in _until_broken(connection, "SELECT * FROM totals"):
                totals = (int(row[1]), Totals(*row[3:]))
    except (SpoolDamaged, SpoolUnusable):
        pass  # not a database any more: nothing of it can be read
    return [rows[first] for first in sorted(rows)], totals


def _until_broken(connection: sqlite3.Connection, sql: str) -> Iterator[tuple[Any, ...]]:
    try:
        yield from connection.execute(sql)
    except sqlite3.DatabaseError:
        return


def _next(path: Path, end: int, totals: tuple[int, Totals] | None) -> int:
    """Where a newest segment goes on: where it said, if its journal is there and agrees; else far behind."""
    journal = segment.companions(path)[0]
    whole = totals is not None and journal.exists() and journal.stat().st_size > 0
    return max(end, totals[0]) if whole and totals else end + LEAP


def _holes(first: int, rows: list[tuple[Any, ...]], next_: int) -> list[tuple[int, int]]:
    holes = []
    at = first
    for row in rows:
        if row[0] > at:
            holes.append((at, row[0]))
        at = row[0] + row[1]
    return [*holes, (at, next_)] if next_ > at else holes


def _events(row: tuple[Any, ...]) -> int:
    return int(row[1]) if row[2] == 0 else 0


def _move(path: Path) -> Path:
    aside = path.parent / "damaged"
    aside.mkdir(exist_ok=True)
    number = 0
    while (aside / f"{path.stem}.{number}").exists():
        number += 1
    target = aside / f"{path.stem}.{number}"
    target.mkdir()
    for file in (path, *segment.companions(path)):
        if file.exists():
            file.rename(target / file.name)
    return target / path.name


def _write_down(folder: Path, new: list[dict[str, Any]]) -> None:
    text = json.dumps([*losses(folder), *new])
    unfinished = folder / "losses.new"
    unfinished.write_text(text)
    unfinished.rename(folder / "losses.json")
    segment.sync_folder(folder)
