from __future__ import annotations

import json
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from monitor.core.changes import Changes
from monitor.spool import Post, Spool, id_hash
from monitor.store import queries, schema
from monitor.store.backup import BackupError, backup, read_manifest, restore
from monitor.store.database import Database, LedgerUnavailable
from monitor.store.facts import draw_gate_epoch, get_fact, set_fact
from monitor.store.reserve import Reserve
from monitor.store.snapshots import Snapshots
from monitor.store.verify import verify


def post(*ids: str) -> Post:
    lines = [f'{{"id":"{id_}","model":"m","output":{{"x":1}}}}'.encode() for id_ in ids]
    return Post("events", lines, [id_hash("m", id_) for id_ in ids])


@pytest.fixture
def home(sqlite_ledger: Path, make: Any) -> Path:
    """A home as it lies there when nothing runs."""
    home = sqlite_ledger.parent
    with Database.open(sqlite_ledger, home / "run") as database, database.write(100.0) as tx:
        tx.apply(Changes(incidents={"i-1": make.incident()}, gates={"m": make.gate("m")}))
        draw_gate_epoch(tx)
        tx.audit("note", "ann", {"incident": "i-1"})
    with Spool.open(home / "spool") as spool:
        spool.append(0, [post("a", "b")], 100.0)
    Snapshots(home / "snapshots" / "0").write("m", 1, b"state")
    for name in ("token", "secret.key", "clock.json", "overloop.toml"):
        (home / name).write_text(name)
    Reserve(home / "reserve", 1 << 16).ensure()
    return home


def texts(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_a_home_comes_back_as_it_was_and_the_return_is_on_record(home: Path, tmp_path: Path, make: Any) -> None:
    manifest = backup(home, tmp_path / "copy", 200.0)
    assert manifest == read_manifest(tmp_path / "copy")
    assert manifest.created_at == "1970-01-01T00:03:20Z"
    assert manifest.revision == schema.REVISION
    restore(tmp_path / "copy", tmp_path / "new", 300.0)
    with Database.open(tmp_path / "new" / "ledger.db") as database, database.read() as connection:
        assert queries.load_incident(connection, "i-1") == make.incident()
        (restored, note), _ = queries.audit_page(connection)
        assert verify(connection, (manifest.audit[0], bytes.fromhex(manifest.audit[1]))).code == 0
        epoch = get_fact(connection, "gate_epoch")
        assert queries.gate(connection, "m")["epoch"] == epoch
    with Database.open(home / "ledger.db") as database, database.read() as connection:
        assert get_fact(connection, "gate_epoch") != epoch
        assert queries.head(connection) == (1, bytes.fromhex(manifest.audit[1]))
    assert note["kind"] == "note"
    assert restored["kind"] == "restored"
    assert restored["body"] == {
        "taken_at": "1970-01-01T00:03:20Z",
        "audit_size": 1,
        "audit_root": manifest.audit[1],
        "gate_epoch": epoch,
    }
    with Spool.open(tmp_path / "new" / "spool") as spool:
        (record,) = spool.read(0, 0, 100)
        assert record.count == 2
        assert spool.append(0, [post("b", "c")], 400.0)[0].duplicates == 1
    assert Snapshots(tmp_path / "new" / "snapshots" / "0").newest("m", 1) is not None
    for name in ("token", "secret.key", "clock.json", "overloop.toml"):
        assert (tmp_path / "new" / name).read_text() == name


def test_a_backup_holds_what_matters_for_its_owner_only(home: Path, tmp_path: Path) -> None:
    (home / "ledger.db.0000.bak").write_bytes(b"kept by an upgrade")
    backup(home, tmp_path / "copy", 200.0)
    found = texts(tmp_path / "copy")
    assert found == {
        "manifest.json",
        "ledger.db",
        "token",
        "secret.key",
        "clock.json",
        "overloop.toml",
        *(name for name in texts(home) if name.endswith((".snap", ".db")) and "/" in name),
    }
    assert stat.S_IMODE((tmp_path / "copy").stat().st_mode) == 0o700
    assert {stat.S_IMODE((tmp_path / "copy" / name).stat().st_mode) for name in found} == {0o600}


def test_a_backup_of_a_running_daemon_is_one_state_of_it(home: Path, tmp_path: Path) -> None:
    with Spool.open(home / "spool") as spool, Database.open(home / "ledger.db", home / "run") as database:
        with database.write(150.0) as tx:  # in the write-ahead log only
            set_fact(tx, "x", "before")
        spool.append(0, [post("c")], 150.0)
        with database.write(160.0) as tx:  # a writer in the middle of it keeps nobody waiting
            set_fact(tx, "x", "unfinished")
            backup(home, tmp_path / "copy", 200.0)
        spool.append(0, [post("d")], 250.0)
    restore(tmp_path / "copy", tmp_path / "new", 300.0)
    with Database.open(tmp_path / "new" / "ledger.db") as database, database.read() as connection:
        assert get_fact(connection, "x") == "before"
    with Spool.open(tmp_path / "new" / "spool") as spool:
        assert [record.count for record in spool.read(0, 0, 100)] == [2, 1]
        spool.append(0, [post("e")], 400.0)
        assert spool.end(0) == 4


def test_a_home_whose_daemon_was_killed_is_backed_up_with_all_it_had_answered(home: Path, tmp_path: Path) -> None:
    code = (
        "import os, sys\nfrom pathlib import Path\n"
        "from monitor.spool import Post, Spool, id_hash\n"
        "from monitor.store.database import Database\nfrom monitor.store.facts import set_fact\n"
        "home = Path(sys.argv[1])\nspool = Spool.open(home / 'spool')\n"
        "spool.append(0, [Post('events', [b'{\"id\":\"z\",\"model\":\"m\"}'], [id_hash('m', 'z')])], 150.0)\n"
        "database = Database.open(home / 'ledger.db', home / 'run')\n"
        "with database.write(150.0) as tx: set_fact(tx, 'x', 'killed')\n"
        "os.kill(os.getpid(), 9)\n"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code, str(home)], cwd=root, check=False, capture_output=True)
    assert done.returncode == -9, done.stderr
    backup(home, tmp_path / "copy", 200.0)
    restore(tmp_path / "copy", tmp_path / "new", 300.0)
    with Database.open(tmp_path / "new" / "ledger.db") as database, database.read() as connection:
        assert get_fact(connection, "x") == "killed"
    with Spool.open(tmp_path / "new" / "spool", write=False) as spool:
        assert spool.end(0) == 3


def test_a_home_with_its_ledger_elsewhere_is_backed_up_without_it(home: Path, tmp_path: Path) -> None:
    (home / "ledger.db").unlink()
    manifest = backup(home, tmp_path / "copy", 200.0)
    assert (manifest.revision, manifest.audit) == (None, None)
    restore(tmp_path / "copy", tmp_path / "new", 300.0)
    assert "ledger.db" not in texts(tmp_path / "new")
    assert (tmp_path / "new" / "token").read_text() == "token"


def damage(folder: Path, name: str) -> None:
    path = folder / name
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda copy: damage(copy, "ledger.db"), r"is damaged: ledger\.db"),
        (lambda copy: damage(copy, "token"), "is damaged: token"),
        (lambda copy: (copy / "secret.key").unlink(), r"is not whole: secret\.key is missing"),
        (lambda copy: (copy / "manifest.json").unlink(), r"is no finished backup: it has no manifest\.json"),
        (lambda copy: (copy / "manifest.json").write_text("{}"), "cannot be read"),
        (lambda copy: (copy / "manifest.json").write_text("[]"), "cannot be read"),
        (lambda copy: (copy / "manifest.json").write_text('{"format": 9}'), "has the format 9, this program reads 1"),
        (lambda copy: name_outside(copy, "../outside"), "names a file outside of itself: '../outside'"),
        (lambda copy: name_outside(copy, "/etc/passwd"), "names a file outside of itself"),
    ],
)
def test_a_backup_that_is_not_what_it_was_is_refused_before_anything_is_touched(
    home: Path, tmp_path: Path, spoil: Any, words: str
) -> None:
    copy = tmp_path / "copy"
    backup(home, copy, 200.0)
    spoil(copy)
    with pytest.raises(BackupError, match=words):
        restore(copy, tmp_path / "new", 300.0)
    assert not (tmp_path / "new").exists()


def name_outside(copy: Path, name: str) -> None:
    manifest = json.loads((copy / "manifest.json").read_text())
    manifest["files"][name] = [0, ""]
    (copy / "manifest.json").write_text(json.dumps(manifest))


def test_folders_that_hold_something_are_refused(home: Path, tmp_path: Path) -> None:
    with pytest.raises(BackupError, match=r"A backup goes into a new or empty folder, and .* holds"):
        backup(home, home, 200.0)
    backup(home, tmp_path / "copy", 200.0)
    with pytest.raises(BackupError, match="is restored into a new or empty home folder"):
        restore(tmp_path / "copy", home, 300.0)
    with pytest.raises(BackupError, match="There is no home folder"):
        backup(tmp_path / "nowhere", tmp_path / "other", 200.0)


def test_a_backup_of_a_newer_program_is_refused_in_words(home: Path, tmp_path: Path) -> None:
    with closing(sqlite3.connect(home / "ledger.db")) as raw, raw:
        raw.execute("UPDATE alembic_version SET version_num = '9999'")
    backup(home, tmp_path / "copy", 200.0)
    with pytest.raises(BackupError, match="a newer program"):
        restore(tmp_path / "copy", tmp_path / "new", 300.0)


def test_a_ledger_that_cannot_be_read_fails_the_backup_in_words(home: Path, tmp_path: Path) -> None:
    (home / "ledger.db").write_bytes(b"not a database" * 100)
    with pytest.raises(BackupError, match="restore it from a backup"):
        backup(home, tmp_path / "copy", 200.0)


# -- a disk that is really full ----------------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Eight megabytes; only root can make one."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = os.geteuid() == 0 and shutil.which("mount")
    options = ["-t", "tmpfs", "-o", "size=8m", "overloop-test", str(folder)]
    if not mounted or subprocess.run(["mount", *options], check=False, capture_output=True).returncode:
        pytest.skip("a small file system cannot be mounted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_on_a_full_disk_the_reserve_keeps_the_record_going(small_disk: Path) -> None:
    schema.upgrade(small_disk / "ledger.db", small_disk / "run")
    reserve = Reserve(small_disk / "reserve", 2 << 20)
    with Database.open(small_disk / "ledger.db", small_disk / "run", reserve) as database:
        assert database.checkpoint() and reserve.held
        with (small_disk / "hog").open("wb") as hog, pytest.raises(OSError, match="No space left"):
            while True:
                hog.write(b"x" * 65536)
                hog.flush()
        with pytest.raises(LedgerUnavailable, match="the disk is full") as caught, database.write(100.0) as tx:
            tx.audit("note", "ann", {"text": "x" * 500_000})
        assert caught.value.disk_full
        assert not reserve.held
        with database.write(101.0) as tx:
            assert tx.audit("acknowledged", "ann", {"incident": "i-1"}) == 0
        (small_disk / "hog").unlink()
        database.checkpoint()
        assert reserve.held
        with database.read() as connection:
            assert verify(connection).code == 0
