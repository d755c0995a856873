"""What people outside are given can be checked with nothing but the files, and shows what was touched."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from hashlib import sha256
from pathlib import Path

import pytest

from monitor.core.audit.note import NoteError
from monitor.runtime.evidence import EvidenceError, check, export, open_signer, prove, signed_by
from monitor.signing import Signer
from monitor.store import facts, schema
from monitor.store.database import Database
from monitor.store.trail import audit_bytes, keep_checkpoint, newest_note, wants_checkpoint
from monitor.store.verify import verify

AT = 1_760_000_000.0


@pytest.fixture
def home(tmp_path: Path) -> Path:
    path = tmp_path / "home"
    path.mkdir()
    schema.upgrade(path / "ledger.db")
    return path


@pytest.fixture
def database(home: Path) -> Iterator[Database]:
    with Database.open(home / "ledger.db") as opened:
        with opened.write(AT) as tx:
            facts.ensure_fact(tx, "home_id", "h-1")
        yield opened


@pytest.fixture
def signer(home: Path, database: Database) -> Signer:
    with database.read() as connection:
        return open_signer(home, connection)


def write(database: Database, count: int, kind: str = "note", at: float = AT) -> None:
    with database.write(at) as tx:
        for n in range(count):
            tx.audit(kind, "kim", {"incident": "i-1", "note": f"n° {n}"})


def test_an_entry_is_proved_by_a_file_and_a_key(database: Database, signer: Signer, home: Path, tmp_path: Path) -> None:
    write(database, 21)
    file = tmp_path / "e.tlog-proof"
    file.write_text(str(prove(database, signer, 7, AT)))
    said = check(file, signer.verifier)
    assert said == "Entry 7 (note by kim at 2025-10-09T08:53:20Z) is in the log overloop/h-1 of 21 entries."
    with pytest.raises(EvidenceError, match="Nothing says which key"):
        check(file, None)
    (tmp_path / "audit.vkey").write_text(str(signer.verifier))
    assert "compare it with one" in check(file, None)
    with pytest.raises(EvidenceError, match="no entry 21: the log has 21"):
        prove(database, signer, 21, AT)


def test_a_proof_that_was_touched_is_refused(database: Database, signer: Signer, tmp_path: Path) -> None:
    write(database, 9)
    text = str(prove(database, signer, 3, AT))
    lines = text.split("\n")
    other = str(prove(database, signer, 4, AT)).split("\n")
    file = tmp_path / "p"
    changed = [
        "\n".join([lines[0], other[1], *lines[2:]]),  # another entry
        text.replace("index 3", "index 4"),
        "\n".join([*lines[:3], other[3], *lines[4:]]),  # another path
        text.replace("\n9\n", "\n8\n"),  # another size
    ]
    for said in changed:
        assert said != text
        file.write_text(said)
        with pytest.raises(EvidenceError):
            check(file, signer.verifier)


def test_an_export_is_checked_without_the_ledger_and_is_an_entry_itself(
    database: Database, signer: Signer, tmp_path: Path
) -> None:
    write(database, 30)
    given = export(database, signer, tmp_path / "out", 5, 12, AT, "kim")
    assert (given.start, given.stop, given.size) == (5, 12, 30)
    assert len((tmp_path / "out" / "entries.ndjson").read_bytes().splitlines()) == 7
    said = check(tmp_path / "out", signer.verifier)
    assert said == "Entries 5 to 11 are in the log overloop/h-1 of 30 entries, unchanged."
    with database.read() as connection:
        body = json.loads(dict(audit_bytes(connection, 30))[30])["body"]
    assert body["manifest"] == given.manifest and (body["from"], body["to"]) == (5, 11)
    with pytest.raises(EvidenceError, match="not empty"):
        export(database, signer, tmp_path / "out", 0, None, AT, "kim")
    with pytest.raises(EvidenceError, match="no entries from 31"):
        export(database, signer, tmp_path / "out2", 31, None, AT, "kim")


def remake(folder: Path, name: str, change: Callable[[bytes], bytes]) -> None:
    """Change a file as somebody would who also puts the manifest right."""
    file = folder / name
    file.write_bytes(change(file.read_bytes()))
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"][name] = sha256(file.read_bytes()).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(manifest))


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("entries.ndjson", lambda data: data.replace(b'"kim"', b'"tim"', 1)),
        ("entries.ndjson", lambda data: b"".join(data.splitlines(True)[:2] + data.splitlines(True)[:1])),
        ("leaves.txt", lambda data: data[65:]),
        ("leaves.txt", lambda data: data[65:130] + data[:65] + data[130:]),
        ("checkpoint.txt", lambda data: data.replace(b"\n30\n", b"\n29\n")),
        ("audit.vkey", lambda data: data.replace(b"overloop", b"overlook")),
    ],
)
def test_an_export_that_was_touched_is_refused(
    database: Database, signer: Signer, tmp_path: Path, name: str, change: Callable[[bytes], bytes]
) -> None:
    write(database, 30)
    folder = tmp_path / "out"
    export(database, signer, folder, 0, None, AT, "kim")
    before = (folder / name).read_bytes()
    remake(folder, name, change)
    assert (folder / name).read_bytes() != before
    if name == "audit.vkey":
        with pytest.raises(EvidenceError):
            check(folder, None)
    else:
        with pytest.raises(EvidenceError):
            check(folder, signer.verifier)
    (folder / name).unlink()
    with pytest.raises(EvidenceError, match="missing"):
        check(folder, signer.verifier)


def test_entries_that_lost_their_body_are_counted(
    database: Database, signer: Signer, home: Path, tmp_path: Path
) -> None:
    write(database, 4)
    with closing(sqlite3.connect(home / "ledger.db")) as raw, raw:
        for trigger in raw.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            raw.execute(f"DROP TRIGGER {trigger[0]}")
        raw.execute("UPDATE audit SET body = NULL WHERE seq = 1")
    export(database, signer, tmp_path / "out", 0, None, AT, "kim")
    assert check(tmp_path / "out", signer.verifier).endswith("unchanged. 1 of them are here as hashes only.")
    with pytest.raises(EvidenceError, match="not kept"):
        prove(database, signer, 1, AT)


def test_heads_are_signed_when_it_is_worth_it(database: Database, signer: Signer) -> None:
    def wanted(now: float) -> bool:
        with database.read() as connection:
            return wants_checkpoint(connection, now)

    def sign(now: float) -> None:
        with database.write(now) as tx:
            keep_checkpoint(tx, signer.sign)

    assert not wanted(AT), "an empty log"
    write(database, 1)
    assert wanted(AT), "the first"
    sign(AT)
    assert not wanted(AT + 3600), "nothing new"
    write(database, 1)
    assert not wanted(AT + 5) and wanted(AT + 60)
    write(database, 1, "override")
    assert wanted(AT + 5), "what people do about answers is signed at once"
    sign(AT + 5)
    write(database, 1000)
    assert wanted(AT + 6), "many"
    with database.read() as connection:
        assert newest_note(connection) is not None and newest_note(connection, 4) is None


def test_a_signed_head_that_does_not_fit_is_found(
    database: Database, signer: Signer, home: Path, tmp_path: Path
) -> None:
    write(database, 5)
    with database.write(AT) as tx:
        keep_checkpoint(tx, signer.sign)
    with database.read() as connection:
        good = verify(connection, None, signed_by(home))
    assert good.code == 0 and "Signed heads of it: 1, the newest of size 5." in good.sentence
    thief = Signer.open(tmp_path / "thief", signer.verifier.name)
    for note, why in (
        (signer.sign(5, bytes(32)), "the head signed at size 5 has another root"),
        (thief.sign(5, good.root), "No key that is trusted"),
        ("rubbish", "no signed note"),
    ):
        with closing(sqlite3.connect(home / "ledger.db")) as raw, raw:
            raw.execute("UPDATE checkpoints SET note = ?", (note,))
        with database.read() as connection:
            verdict = verify(connection, None, signed_by(home))
        assert verdict.code == 1 and why in verdict.sentence
    with database.read() as connection:
        assert verify(connection).code == 0, "without a key no signature is looked at"


def test_a_home_that_never_signed_has_no_key_to_check_with(tmp_path: Path) -> None:
    assert signed_by(tmp_path) is None
    (tmp_path / "audit.vkey").write_text("rubbish")
    with pytest.raises(NoteError, match="no Ed25519 verifier key"):
        signed_by(tmp_path)
