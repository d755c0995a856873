from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from monitor.spool import Limits, Options, Post, Receipt, Spool, SpoolBusy, SpoolDamaged, SpoolUnusable
from monitor.spool.repair import LEAP, set_aside

Make = Callable[..., Post]

WRITER = """
import sys
from pathlib import Path
from monitor.spool import Limits, Options, Post, Spool, id_hash

with Spool.open(Path(sys.argv[1]), options=Options(limits=Limits(segment_bytes=50_000))) as spool:
    number = spool.end(0)
    while True:
        ids = [f"id-{number + n}-{(number + n) * 7919}" for n in range(7)]
        post = Post("events", [i.encode() for i in ids], [id_hash("m", i) for i in ids], rejected=1,
                    producer="p", sequence=number + 1, digest=b"")
        spool.append(0, [post], float(number))
        number += 7
        print(number, flush=True)
"""


def filled(folder: Path, events: Make, options: Options, until: int = 1_000) -> list[Path]:
    """A spool of several closed segments; answers their files."""
    with Spool.open(folder, options=options) as spool:
        for start in range(0, until, 50):
            spool.append(0, [events(*(f"a-longer-id-{n * 7919}" for n in range(start, start + 50)))], float(start))
    return sorted((folder / "0").glob("*.db"))


def overwrite(path: Path, at: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(data)


def test_sigkill_in_the_middle_of_appending_loses_nothing_that_was_answered(folder: Path) -> None:
    for _ in range(2):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, str(folder)], stdout=subprocess.PIPE, text=True)
        assert writer.stdout is not None
        for _ in range(40):
            answered = int(writer.stdout.readline())
        writer.send_signal(signal.SIGKILL)
        answered = max([answered, *map(int, writer.stdout.read().split())])
        writer.wait()
        writer.stdout.close()
        with Spool.open(folder) as spool:
            records = spool.read(0, 0, 10**6)
            totals = spool.totals(0)
            assert spool.end(0) in (answered, answered + 7)  # the last commit may have lost its answer
            assert sum(record.count for record in records) == totals.accepted == spool.end(0)
            assert totals.rejected == totals.accepted // 7
            lines = [line for record in records for line in record.payload.split(b"\n")]
            assert lines == [f"id-{n}-{n * 7919}".encode() for n in range(spool.end(0))]


def test_a_reader_in_another_thread_sees_only_whole_groups(folder: Path, events: Make) -> None:
    options = Options(limits=Limits(segment_bytes=40_000))
    with Spool.open(folder, options=options) as spool, Spool.open(folder, write=False) as reader:
        done = threading.Event()

        def write() -> None:
            for start in range(0, 1_400, 7):
                spool.append(0, [events(*range(start, start + 7))], 1.0)
            done.set()

        thread = threading.Thread(target=write)
        thread.start()
        at = 0
        while not (done.is_set() and at == 1_400):
            for record in reader.read(0, at, 500):
                assert record.first == at and record.count == 7
                at = record.end
        thread.join()


def test_a_torn_file_is_named_with_what_to_do(folder: Path, events: Make, small: Options) -> None:
    newest = filled(folder, events, small)[-1]
    os.truncate(newest, newest.stat().st_size // 2)
    with pytest.raises(SpoolDamaged, match=rf"{newest} is damaged: .*overloop events set-aside {newest}"):
        Spool.open(folder)


@pytest.mark.parametrize("content", [b"", b"not a database at all, but long enough to be looked at" * 100])
def test_a_file_that_is_no_database_is_named(folder: Path, events: Make, small: Options, content: bytes) -> None:
    newest = filled(folder, events, small)[-1]
    newest.write_bytes(content)
    with pytest.raises(SpoolDamaged, match="is damaged"):
        Spool.open(folder)


def test_a_missing_journal_is_not_passed_over(folder: Path) -> None:
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(folder)], stdout=subprocess.PIPE)
    assert writer.stdout is not None
    writer.stdout.readline()
    writer.kill()  # it never closed its file
    writer.wait()
    writer.stdout.close()
    for journal in folder.glob("0/*-wal"):
        journal.unlink()
    with Spool.open(folder, write=False) as reader:
        assert reader.end(0) == 0  # a reader leaves an empty journal behind, which is none
    with pytest.raises(SpoolDamaged, match=r"0\.db-wal, which held the last posts answered, is missing or empty"):
        Spool.open(folder)


def test_a_corrupt_page_stops_reading_there_and_not_before(folder: Path, events: Make, small: Options) -> None:
    damaged = filled(folder, events, small)[1]
    payload = sqlite3.connect(damaged).execute("SELECT payload FROM records ORDER BY first").fetchall()[-1][0]
    at = damaged.read_bytes().index(payload[10:60])
    overwrite(damaged, at, b"\xff" * 20)
    with Spool.open(folder, options=small) as spool:
        good = spool.read(0, 0, 10**6)
        assert good and good[-1].end > int(damaged.stem)
        with pytest.raises(
            SpoolDamaged, match=rf"{damaged} .*record at offset {good[-1].end} does not match its check"
        ):
            spool.read(0, good[-1].end, 10**6)


def test_setting_aside_keeps_what_is_whole_and_writes_down_what_is_lost(
    folder: Path, events: Make, small: Options
) -> None:
    files = filled(folder, events, small)
    damaged = files[1]
    firsts = [row[0] for row in sqlite3.connect(damaged).execute("SELECT first FROM records ORDER BY first")]
    payload = sqlite3.connect(damaged).execute("SELECT payload FROM records ORDER BY first").fetchall()[1][0]
    overwrite(damaged, damaged.read_bytes().index(payload[10:60]), b"\xff" * 20)
    loss = set_aside(damaged, now=5.0)
    assert loss.holes == [(firsts[1], firsts[1] + 50)]
    assert loss.lines == 50 * (len(firsts) - 1)
    assert loss.moved_to.exists()
    with Spool.open(folder, options=small) as spool:
        records = spool.read(0, 0, 10**6)
        assert sum(record.count for record in records) == 950
        assert spool.hole(0, firsts[1]) == (firsts[1], firsts[1] + 50)
        assert spool.hole(0, firsts[1] + 49) == (firsts[1] + 49, firsts[1] + 50)
        assert [spool.hole(0, at) for at in (0, 49, firsts[1] - 1, firsts[1] + 50, spool.end(0))] == [None] * 5
        assert spool.read(0, firsts[1], 1)[0].first == firsts[1] + 50
        assert spool.append(0, [events("new")], 2_000.0) == [Receipt(1, 0)]
        assert spool.end(0) == 1_001


def test_a_newest_file_set_aside_never_gives_an_offset_twice(folder: Path, events: Make, small: Options) -> None:
    newest = filled(folder, events, small)[-1]
    overwrite(newest, 0, b"\xff" * newest.stat().st_size)
    loss = set_aside(newest, now=5.0)
    assert loss.holes == [(int(newest.stem), int(newest.stem) + LEAP)]
    with Spool.open(folder, options=small) as spool:
        start, end = int(newest.stem), int(newest.stem) + LEAP
        assert spool.end(0) == end and spool.read(0, start, 10) == []
        assert spool.hole(0, start) == (start, end)  # also while nothing stands behind it
        spool.append(0, [events("new")], 2_000.0)
        assert spool.hole(0, start) == (start, end) and spool.hole(0, end) is None
        assert spool.read(0, int(newest.stem) + 10, 10)[0].first == int(newest.stem) + LEAP
        assert spool.end(0) == int(newest.stem) + LEAP + 1


def test_a_whole_segment_set_aside_is_a_hole_and_so_is_what_was_trimmed(
    folder: Path, events: Make, small: Options
) -> None:
    files = filled(folder, events, small)
    overwrite(files[1], 0, b"\xff" * files[1].stat().st_size)
    set_aside(files[1], now=5.0)
    with Spool.open(folder, options=small, write=False) as spool:
        lost = int(files[1].stem), int(files[2].stem)
        assert spool.hole(0, lost[0]) == lost and spool.read(0, lost[0], 1)[0].first == lost[1]
        assert spool.hole(0, lost[0] - 1) is None
        spool.trim(0, 10**6, now=1e9)
        assert spool.hole(0, 0) == (0, spool.oldest_replayable(0).offset)
    with Spool.open(folder.parent / "none", write=False) as empty:
        assert empty.hole(0, 0) is None


def test_a_hole_nobody_wrote_down_is_damage(folder: Path, events: Make, small: Options) -> None:
    files = filled(folder, events, small)
    files[1].unlink()
    with Spool.open(folder, options=small) as spool:
        end = spool.read(0, 0, 10**6)[-1].end
        assert end == int(files[1].stem)
        with pytest.raises(SpoolDamaged, match=rf"lines from offset {end} to {int(files[2].stem)} are missing"):
            spool.read(0, end, 10)


def test_a_full_disk_refuses_and_recovers(folder: Path) -> None:
    """A real limit of the operating system, in a process of its own: files may not grow beyond 300 kB."""
    script = """
import resource, sys
from pathlib import Path
from monitor.spool import Options, Post, Spool, SpoolFull, id_hash
import random
def post(n):
    ids = [f"{n}-{k}" for k in range(500)]
    lines = [random.Random(f"{n}-{k}").randbytes(100).hex().encode() for k in range(500)]
    return Post("events", lines, [id_hash("m", i) for i in ids])
with Spool.open(Path(sys.argv[1])) as spool:
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, resource.RLIM_INFINITY))
    accepted = 0
    try:
        for n in range(100):
            accepted += spool.append(0, [post(n)], 1.0)[0].accepted
    except SpoolFull as problem:
        assert "free some disk space" in str(problem), problem
    else:
        raise SystemExit("never full")
    assert spool.totals(0).accepted == accepted == sum(r.count for r in spool.read(0, 0, 10**9))
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    accepted += spool.append(0, [post(1_000)], 1.0)[0].accepted
    print(accepted)
"""
    done = subprocess.run([sys.executable, "-c", script, str(folder)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    with Spool.open(folder) as spool:
        assert spool.totals(0).accepted == int(done.stdout) == sum(r.count for r in spool.read(0, 0, 10**9))


def test_a_locked_file_is_busy_and_the_failed_append_changes_nothing(folder: Path, events: Make) -> None:
    with Spool.open(folder) as spool:
        spool.append(0, [events("a")], 1.0)
        other = sqlite3.connect(next((folder / "0").glob("*.db")), isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(SpoolBusy, match="locked by another program: close it, then try again"):
            spool.append(0, [events("b", producer="p", sequence=1)], 1.0)
        other.execute("ROLLBACK")
        other.close()
        # Neither its id nor its number were remembered.
        assert spool.append(0, [events("b", producer="p", sequence=1)], 1.0) == [Receipt(1, 0)]
        assert spool.totals(0)[:4] == (2, 0, 0, 0)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SpoolUnusable, match=r"cannot be written .*check its owner, its permissions and the disk"):
        Spool.open(tmp_path / "file" / "spool")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_may_not_be_read_is_named(folder: Path, events: Make) -> None:
    Spool.open(folder).close()
    (folder / "0").chmod(0)
    try:
        with pytest.raises(SpoolUnusable, match="cannot be read: check its owner and permissions"):
            Spool.open(folder)
    finally:
        (folder / "0").chmod(0o700)


def test_a_format_of_another_version_is_refused(folder: Path) -> None:
    Spool.open(folder).close()
    file = next((folder / "0").glob("*.db"))
    with sqlite3.connect(file) as connection:
        connection.execute("UPDATE about SET version = 99")
    connection.close()
    with pytest.raises(SpoolUnusable, match="has format 99 and this version of Overloop reads format 1"):
        Spool.open(folder)


def test_half_made_segments_are_cleared_away(folder: Path, events: Make, small: Options) -> None:
    filled(folder, events, small)
    next_ = folder / "0" / "00000000000000001000.new"
    next_.write_bytes(b"half")
    with Spool.open(folder, options=small) as spool:
        for start in range(1_000, 2_000, 50):
            spool.append(0, [events(*(f"a-longer-id-{n * 7919}" for n in range(start, start + 50)))], 1e4)
        assert sum(record.count for record in spool.read(0, 0, 10**6)) == 2_000


def test_files_that_are_not_ours_are_left_alone(folder: Path, events: Make) -> None:
    with Spool.open(folder) as spool:
        spool.append(0, [events("a")], 1.0)
    for name in ("99999999999999999999999.db", "7.db", "notes.db"):
        (folder / "0" / name).write_text("not ours")
    with Spool.open(folder) as spool:
        assert spool.end(0) == 1 and len(spool.read(0, 0, 10)) == 1


@pytest.mark.parametrize("text", ["{not json", '[{"from": 1}]', "7"])
def test_a_damaged_note_of_losses_is_named(folder: Path, events: Make, small: Options, text: str) -> None:
    files = filled(folder, events, small)
    files[1].unlink()
    (folder / "0" / "losses.json").write_text(text)
    told = pytest.raises(SpoolUnusable, match=r"losses.json, which says what was set aside, cannot be read")
    with Spool.open(folder, options=small, write=False) as spool, told:
        spool.read(0, int(files[1].stem), 10)
