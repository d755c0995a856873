"""A failure passes: the writer goes on from what the disk has, and its answers are true."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from monitor.spool import Limits, Options, Post, Receipt, Spool, SpoolDamaged, SpoolError, SpoolUnusable
from monitor.spool.writing import Writing

Make = Callable[..., Post]
FULL = Options(limits=Limits(segment_bytes=1))  # each record is due for a file of its own


@contextmanager
def broken(path: Path) -> Iterator[None]:
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("ALTER TABLE records RENAME TO away")
        yield
        other.execute("ALTER TABLE away RENAME TO records")


def files(folder: Path) -> list[Path]:
    return sorted((folder / "0").glob("*.db"))


def ids(spool: Spool) -> list[str]:
    return [line.split(b'"')[3].decode() for r in spool.read(0, 0, 9_999) for line in r.payload.split(b"\n")]


def test_a_new_segment_that_cannot_be_made_does_not_fail_the_post(folder: Path, events: Make, caplog: Any) -> None:
    with Spool.open(folder, options=FULL) as spool:
        blocked = folder / "0" / f"{1:020d}.new"
        (blocked / "in the way").mkdir(parents=True)
        assert spool.append(0, [events("a")], 1.0) == [Receipt(1, 0)]
        assert spool.append(0, [events("b")], 2.0) == [Receipt(1, 0)]
        assert "The spool goes on in 00000000000000000000.db" in caplog.text
        (blocked / "in the way").rmdir()
        blocked.rmdir()
        assert spool.append(0, [events("c")], 61.9) == [Receipt(1, 0)]
        assert len(files(folder)) == 1  # not tried at every post
        assert spool.append(0, [events("d")], 62.0) == [Receipt(1, 0)]
        assert [path.stem for path in files(folder)] == [f"{0:020d}", f"{3:020d}"]
        assert ids(spool) == ["a", "b", "c", "d"] and spool.totals(0).accepted == 4


def test_a_new_segment_that_cannot_be_opened_keeps_nothing_and_gives_no_offset_twice(
    folder: Path, events: Make
) -> None:
    with Spool.open(folder, options=FULL) as spool, Spool.open(folder, write=False) as reader:
        spool.append(0, [events("a", producer="p", sequence=1)], 1.0)
        journal = folder / "0" / f"{1:020d}.db-wal"
        journal.mkdir()
        for _ in range(2):
            with pytest.raises(SpoolError):
                spool.append(0, [events("b", producer="p", sequence=2)], 2.0, refused=1)
        journal.rmdir()
        assert (reader.end(0), reader.totals(0).accepted, reader.totals(0).refused) == (1, 1, 0)
        assert spool.append(0, [events("a", "b", producer="p", sequence=2)], 3.0, refused=1) == [Receipt(1, 1)]
        assert spool.append(0, [events("c", producer="p", sequence=1)], 3.0) == [Receipt(0, 1)]
        assert ids(reader) == ["a", "b"] and reader.totals(0)[:4] == (2, 0, 2, 1)
    with Spool.open(folder, options=FULL) as spool:
        assert ids(spool) == ["a", "b"]


def test_a_failed_append_is_followed_by_one_that_works(folder: Path, events: Make) -> None:
    with Spool.open(folder) as spool:
        spool.append(0, [events("a")], 1.0)
        with broken(files(folder)[0]), pytest.raises(SpoolDamaged, match="no such table: records"):
            spool.append(0, [events("b", producer="p", sequence=1)], 2.0, refused=3)
        assert spool.append(0, [events("a", "b", producer="p", sequence=1)], 2.0) == [Receipt(1, 1)]
        assert ids(spool) == ["a", "b"] and spool.totals(0)[:4] == (2, 0, 1, 0)
    with Spool.open(folder) as spool:
        assert ids(spool) == ["a", "b"]


def test_what_reached_the_disk_though_it_seemed_not_to_is_found_again(folder: Path, events: Make) -> None:
    folder.mkdir()
    first, other = (Writing(folder, 0, Limits()) for _ in range(2))
    other.append([events("a", producer="p", sequence=1)], 1.0)  # as if the commit of `first` had gone through
    with broken(folder / f"{0:020d}.db"), pytest.raises(SpoolDamaged):
        first.append([events("a")], 1.0)
    assert first.append([events("a", "b")], 2.0) == [Receipt(1, 1)]
    assert first.append([events("c", producer="p", sequence=1)], 2.0) == [Receipt(0, 1)]
    assert first.totals[:4] == (2, 0, 2, 0)
    other.close()
    first.close()


def test_a_newest_file_that_is_gone_is_said_and_offsets_are_not_given_again(folder: Path, events: Make) -> None:
    with Spool.open(folder, options=Options(limits=Limits(segment_seconds=10.0))) as spool:
        for at in (0.0, 20.0, 40.0):
            spool.append(0, [events(at)], at)
        newest = files(folder)[-1]
        with broken(newest), pytest.raises(SpoolDamaged):
            spool.append(0, [events("d")], 41.0)
        away = [file.rename(folder / file.name) for file in (folder / "0").glob(f"{newest.stem}*")]
        for _ in range(2):
            with pytest.raises(SpoolUnusable, match=r"1\.db ends at offset 2, and lines up to offset 3 were answered"):
                spool.append(0, [events("d")], 41.0)
        for file in away:
            file.rename(folder / "0" / file.name)
        assert spool.append(0, [events("d")], 41.0) == [Receipt(1, 0)]
        assert ids(spool) == ["0.0", "20.0", "40.0", "d"]


def test_running_out_of_file_handles_for_a_while_costs_nothing(folder: Path) -> None:
    """A real limit of the operating system, in a process of its own."""
    script = """
import os, resource, sys
from pathlib import Path
from monitor.spool import Limits, Options, Post, Spool, SpoolError, id_hash
folder = Path(sys.argv[1])
def post(n):
    return Post("events", [b"x%d" % n], [id_hash("m", str(n))])
with Spool.open(folder, options=Options(limits=Limits(segment_bytes=1))) as spool:
    spool.append(0, [post(0)], 0.0)
    most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(map(int, os.listdir("/proc/self/fd"))), most[1]))
    assert [spool.append(0, [post(n)], float(n))[0].accepted for n in range(1, 4)] == [1, 1, 1]
    try:
        spool.read(0, 0, 9)
    except SpoolError:
        pass
    else:
        raise SystemExit("there were handles left")
    resource.setrlimit(resource.RLIMIT_NOFILE, most)
    assert spool.append(0, [post(4)], 100.0)[0].accepted == 1
    assert len(list(folder.glob("0/*.db"))) == 2
    print(sum(record.count for record in spool.read(0, 0, 9)))
"""
    done = subprocess.run([sys.executable, "-c", script, str(folder)], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "5\n"), done.stderr


def test_a_folder_that_is_gone_is_a_spool_error(folder: Path, events: Make) -> None:
    with Spool.open(folder) as spool:
        (folder / "0").rename(folder / "away")
        with pytest.raises(SpoolUnusable, match=r"cannot be used \(No such file or directory\)"):
            spool.append(0, [events("a")], 1.0)
        (folder / "away").rename(folder / "0")
        assert spool.append(0, [events("a")], 1.0) == [Receipt(1, 0)]
