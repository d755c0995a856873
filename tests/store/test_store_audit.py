from __future__ import annotations

import base64
import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from monitor.core.audit.entry import decode, encode, timestamp
from monitor.core.audit.merkle import Frontier, leaf_hash
from monitor.core.audit.proofs import inclusion_proof, verify_inclusion
from monitor.store.database import Database
from monitor.store.trail import audit_bytes, audit_leaves, audit_page, head, keep_checkpoint
from monitor.store.verify import Verdict, parse_head, verify


def write(database: Database, count: int, first: int = 0) -> None:
    for number in range(first, first + count):
        with database.write(1000.0 + number) as tx:
            tx.audit("note", f"person-{number % 3}", {"number": number})


def verdict(database: Database, against: tuple[int, bytes] | None = None) -> Verdict:
    with database.read() as connection:
        return verify(connection, against)


def now_head(database: Database) -> tuple[int, bytes]:
    with database.read() as connection:
        return head(connection)


# -- writing ------------------------------------------------------------------------------------------------------


def test_entries_are_numbered_from_zero_and_their_bytes_are_what_was_hashed(database: Database) -> None:
    write(database, 20)
    with database.read() as connection:
        stored = list(audit_bytes(connection))
        leaves = audit_leaves(connection, 20)
        size, root = head(connection)
    assert [seq for seq, _ in stored] == list(range(20))
    assert stored[7][1] == encode(7, 1007.0, "note", "person-1", {"number": 7})
    assert leaves == [leaf_hash(data) for _, data in stored]
    assert (size, root) == (20, Frontier().extend(leaves).root)
    assert verify_inclusion(leaves[7], 7, 20, inclusion_proof(leaves, 7), root)


def test_many_entries_of_one_transaction_have_one_head(database: Database) -> None:
    with database.write(5.0) as tx:
        assert tx.head == (0, Frontier().root)
        assert [tx.audit("note", "ann", {"n": n}) for n in range(10)] == list(range(10))
        inside = tx.head
    assert now_head(database) == inside
    assert inside[0] == 10
    assert verdict(database).code == 0


def test_an_unknown_kind_fails_the_whole_transaction(database: Database) -> None:
    with pytest.raises(ValueError, match="no kind of audit entry"), database.write(5.0) as tx:
        tx.audit("note", "ann", {})
        tx.audit("invented", "ann", {})
    assert now_head(database)[0] == 0


def test_text_that_no_database_takes_is_written_and_verifies(database: Database) -> None:
    with database.write(5.0) as tx:
        tx.audit("note", "a\0nn\ud800" + "x" * 200, {"t\0ext": "\0\ud800", "n": 2**70})
    assert verdict(database).code == 0
    with database.read() as connection:
        page, _ = audit_page(connection)
    assert page[0]["body"] == {"t\0ext": "\0\ufffd", "n": str(2**70)}
    assert len(page[0]["actor"]) == 100


def test_pages_go_back_from_the_newest(database: Database) -> None:
    write(database, 5)
    with database.read() as connection:
        first, following = audit_page(connection, limit=2)
        second, last = audit_page(connection, before=following, limit=3)
        none, _ = audit_page(connection, kind="override")
        some = list(audit_bytes(connection, 1, 3))
    assert [entry["seq"] for entry in first] == [4, 3]
    assert [entry["seq"] for entry in second] == [2, 1, 0]
    assert last is None
    assert none == []
    assert [seq for seq, _ in some] == [1, 2]
    assert first[0] == {
        "seq": 4,
        "at": "1970-01-01T00:16:44Z",
        "kind": "note",
        "actor": "person-1",
        "body": {"number": 4},
        "leaf": leaf_hash(encode(4, 1004.0, "note", "person-1", {"number": 4})).hex(),
    }


# -- the guards ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit SET actor = 'x' WHERE seq = 1",
        "DELETE FROM audit WHERE seq = 2",
        "DELETE FROM audit",
        "INSERT INTO audit (seq, at, kind, actor, leaf) VALUES (4, 1.0, 'note', 'x', 'y')",
        "INSERT INTO audit (seq, at, kind, actor, leaf) VALUES (1, 1.0, 'note', 'x', 'y')",
        "UPDATE audit_frontier SET size = 2",
        "UPDATE audit_frontier SET peaks = 'x'",
        "DELETE FROM audit_frontier",
    ],
)
def test_the_guards_refuse_what_is_not_appending(database: Database, statement: str) -> None:
    write(database, 3)
    with pytest.raises(DBAPIError), database.write(5.0) as tx:
        tx.connection.execute(text(statement))
    assert verdict(database).size == 3
    assert verdict(database).code == 0


@pytest.mark.parametrize("verb", ["INSERT OR REPLACE", "REPLACE", "INSERT OR IGNORE"])
def test_replacing_an_entry_does_not_slip_past_the_guards(sqlite_ledger: Path, verb: str) -> None:
    with Database.open(sqlite_ledger) as database:
        write(database, 3)
        statement = f"{verb} INTO audit (seq, at, kind, actor, leaf) VALUES (1, 1.0, 'note', 'x', 'y')"
        with pytest.raises(DBAPIError, match="next one"), database.write(5.0) as tx:
            tx.connection.execute(text(statement))
        refused = pytest.raises(sqlite3.IntegrityError, match="next one")
        with closing(sqlite3.connect(sqlite_ledger)) as raw, refused:  # nor past them with default settings
            raw.execute(statement)
        assert verdict(database).code == 0


@pytest.mark.postgres
@pytest.mark.parametrize("name", ["audit", "audit_frontier"])
def test_truncate_is_refused_on_postgresql(postgres_ledger: Database, name: str) -> None:
    write(postgres_ledger, 3)
    with pytest.raises(DBAPIError), postgres_ledger.write(5.0) as tx:
        tx.connection.execute(text(f"TRUNCATE {name}"))
    assert verdict(postgres_ledger).code == 0


# -- verifying ----------------------------------------------------------------------------------------------------

Tamper = Callable[[sqlite3.Connection], object]


@pytest.fixture
def log(sqlite_ledger: Path) -> Iterator[Database]:
    """Eleven entries: peaks over 8, 2 and 1."""
    with Database.open(sqlite_ledger) as database:
        write(database, 11)
        yield database


def behind_its_back(database: Database, change: Tamper) -> None:
    """With a connection of one's own and the triggers dropped."""
    with closing(sqlite3.connect(database.name)) as raw, raw:
        for (name,) in raw.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            raw.execute(f"DROP TRIGGER {name}")
        change(raw)


def forged(seq: int, **given: Any) -> tuple[Any, ...]:
    """A row that agrees with itself."""
    entry = {"at": 1000.0 + seq, "kind": "note", "actor": "mallory", "body": {"number": 99}, **given}
    data = encode(seq, entry["at"], entry["kind"], entry["actor"], entry["body"])
    return (seq, entry["at"], entry["kind"], entry["actor"], data, leaf_hash(data))


def put(raw: sqlite3.Connection, row: tuple[Any, ...]) -> None:
    raw.execute("INSERT OR REPLACE INTO audit (seq, at, kind, actor, body, leaf) VALUES (?, ?, ?, ?, ?, ?)", row)


def swap(raw: sqlite3.Connection) -> None:
    raw.execute("UPDATE audit SET seq = -1 WHERE seq = 3")
    raw.execute("UPDATE audit SET seq = 3 WHERE seq = 4")
    raw.execute("UPDATE audit SET seq = 4 WHERE seq = -1")


def renumber(raw: sqlite3.Connection) -> None:
    """Delete an entry and close the gap."""
    raw.execute("DELETE FROM audit WHERE seq = 5")
    for seq in range(6, 11):
        raw.execute("UPDATE audit SET seq = ? WHERE seq = ?", (seq - 1, seq))


def regrow(raw: sqlite3.Connection, size: int) -> None:
    """A frontier that fits the leaves as they now stand."""
    leaves = [leaf for (leaf,) in raw.execute("SELECT leaf FROM audit ORDER BY seq LIMIT ?", (size,))]
    frontier = Frontier().extend(leaves)
    raw.execute("UPDATE audit_frontier SET size = ?, peaks = ?", (frontier.size, frontier.pack()))


def truncate(raw: sqlite3.Connection) -> None:
    raw.execute("DELETE FROM audit WHERE seq >= 8")
    regrow(raw, 8)


def rewrite(raw: sqlite3.Connection) -> None:
    put(raw, forged(9))
    regrow(raw, 11)


@pytest.mark.parametrize(
    ("change", "code", "first_bad", "words"),
    [
        pytest.param(
            lambda raw: raw.execute(
                "UPDATE audit SET body = cast(replace(body, 'number\":5', 'number\":6') AS blob) WHERE seq = 5"
            ),
            *(1, 5, "Entry 5 of the audit log was changed"),
            id="edit the bytes",
        ),
        pytest.param(
            lambda raw: raw.execute("UPDATE audit SET body = 'text' WHERE seq = 5"),
            *(1, 5, "Entry 5 of the audit log has lost its body"),
            id="another type for the bytes",
        ),
        pytest.param(
            lambda raw: raw.execute("UPDATE audit SET at = 'never' WHERE seq = 5"),
            *(1, 5, "at is not"),
            id="another type for the time",
        ),
        pytest.param(
            lambda raw: raw.execute("UPDATE audit_frontier SET size = 'many'"),
            *(1, 0, "The record of the log's size was changed"),
            id="another type for the size",
        ),
        pytest.param(
            lambda raw: raw.execute("UPDATE audit SET leaf = zeroblob(32) WHERE seq = 4"),
            *(1, 4, "Entry 4 of the audit log was changed"),
            id="edit the hash",
        ),
        pytest.param(
            lambda raw: raw.execute("UPDATE audit SET actor = 'bob' WHERE seq = 6"),
            *(1, 6, "actor is not 'person-0'"),
            id="edit who",
        ),
        pytest.param(
            lambda raw: raw.execute("UPDATE audit SET kind = 'login' WHERE seq = 6"),
            *(1, 6, "kind is not 'note'"),
            id="edit what",
        ),
        pytest.param(
            lambda raw: raw.execute("UPDATE audit SET at = at + 1 WHERE seq = 6"),
            *(1, 6, "at is not '1970-01-01T00:16:46Z'"),
            id="edit when",
        ),
        pytest.param(
            lambda raw: raw.execute("UPDATE audit SET body = NULL WHERE seq = 2"),
            *(1, 2, "lost its body"),
            id="empty an entry",
        ),
        pytest.param(
            lambda raw: raw.execute("UPDATE audit SET body = x'ff', leaf = x'00' WHERE seq = 2"),
            *(1, 2, "Entry 2 of the audit log was changed"),
            id="bytes that are no text",
        ),
        pytest.param(
            lambda raw: raw.execute("DELETE FROM audit WHERE seq = 7"),
            *(1, 7, "Entry 7 of the audit log is missing"),
            id="delete in the middle",
        ),
        pytest.param(
            lambda raw: raw.execute("DELETE FROM audit WHERE seq = 0"),
            *(1, 0, "Entry 0 of the audit log is missing"),
            id="delete the first",
        ),
        pytest.param(swap, 1, 3, "Entry 3 of the audit log was changed", id="reorder"),
        pytest.param(renumber, 1, 5, "Entry 5 of the audit log was changed", id="delete and close the gap"),
        pytest.param(lambda raw: put(raw, forged(11)), 1, 11, "Entry 11 .* added behind its back", id="append a row"),
        pytest.param(lambda raw: put(raw, forged(-1)), 1, -1, "Entry -1", id="insert before the first"),
        pytest.param(lambda raw: put(raw, forged(3)), 1, 0, "An entry from 0 to 7 .* was replaced", id="replace a row"),
        pytest.param(
            lambda raw: put(raw, forged(9)), 1, 8, "An entry from 8 to 9 .* was replaced", id="replace a late row"
        ),
        pytest.param(
            lambda raw: raw.execute("UPDATE audit_frontier SET peaks = x'00'"),
            *(1, 0, "The record of the log's peaks was changed"),
            id="spoil the frontier",
        ),
        pytest.param(
            lambda raw: raw.execute("DELETE FROM audit_frontier"), 1, 0, "was deleted", id="delete the frontier"
        ),
        pytest.param(
            lambda raw: raw.execute("DELETE FROM audit WHERE seq >= 8"),
            *(2, 8, "ends before entry 8, but it had 11 entries"),
            id="cut off the end",
        ),
        pytest.param(
            lambda raw: raw.execute("DELETE FROM audit"), 2, 0, "ends before entry 0, but it had 11", id="empty it"
        ),
    ],
)
def test_tampering_is_found_and_placed(log: Database, change: Tamper, code: int, first_bad: int, words: str) -> None:
    assert verdict(log).code == 0
    behind_its_back(log, change)
    found = verdict(log)
    assert (found.code, found.first_bad) == (code, first_bad)
    assert re.search(words, found.sentence), found.sentence


@pytest.mark.parametrize(
    ("change", "code", "first_bad", "words"),
    [
        pytest.param(truncate, 2, 8, "has 8 entries, but the head given had 11", id="truncate and roll back"),
        pytest.param(rewrite, 1, 0, "the head given .* is not what the log had then", id="rewrite everything"),
    ],
)
def test_what_only_a_head_kept_elsewhere_can_show(
    log: Database, change: Tamper, code: int, first_bad: int, words: str
) -> None:
    kept = now_head(log)
    behind_its_back(log, change)
    assert verdict(log).code == 0  # nothing inside the ledger contradicts it
    for against in (kept, (kept[0], kept[1][:4])):
        found = verdict(log, against)
        assert (found.code, found.first_bad) == (code, first_bad)
        assert re.search(words, found.sentence), found.sentence


def test_a_head_from_before_the_change_says_how_far_the_log_can_be_trusted(log: Database) -> None:
    early = (6, b"")
    with log.read() as connection:
        early = (6, Frontier().extend(audit_leaves(connection, 6)).root)
    behind_its_back(log, rewrite)
    assert verdict(log, early).code == 0  # entry 9 lies behind it: that head cannot know


def test_kept_checkpoints_narrow_down_where_an_entry_was_replaced(sqlite_ledger: Path) -> None:
    with Database.open(sqlite_ledger) as database:
        for first in (0, 4, 8):
            write(database, 4, first)
            with database.write(2000.0) as tx:
                assert keep_checkpoint(tx)[0] == first + 4
        behind_its_back(database, lambda raw: put(raw, forged(6)))
        found = verdict(database)
        assert (found.code, found.first_bad) == (1, 4)
        assert "An entry from 4 to 7" in found.sentence
        behind_its_back(database, lambda raw: regrow(raw, 12))
        assert verdict(database).first_bad == 4  # the checkpoint still knows


def test_a_checkpoint_beyond_the_end_shows_a_truncation(sqlite_ledger: Path) -> None:
    with Database.open(sqlite_ledger) as database:
        write(database, 11)
        with database.write(2000.0) as tx:
            keep_checkpoint(tx)
        behind_its_back(database, truncate)
        found = verdict(database)
        assert (found.code, found.first_bad) == (2, 8)
        assert "a checkpoint had 11" in found.sentence


def test_an_intact_log_agrees_with_every_head_it_ever_had(database: Database) -> None:
    heads = [now_head(database)]
    for number in range(9):
        write(database, 1, number)
        heads.append(now_head(database))
    for kept in heads:
        found = verdict(database, kept)
        assert found.code == 0
        assert found.size == 9
        assert "contains all that the head given stands for" in found.sentence
        short = verdict(database, (kept[0], kept[1][:5]))
        assert short.code == 0
        assert "agrees in the 10 hex digits that it has" in short.sentence
    wrong = verdict(database, (9, bytes(32)))
    assert wrong.code == 1


@pytest.mark.postgres
def test_tampering_is_found_on_postgresql_too(postgres_ledger: Database) -> None:
    write(postgres_ledger, 11)
    with postgres_ledger.write(5.0) as tx:
        tx.connection.execute(text("SET LOCAL session_replication_role = replica"))  # skips triggers
        tx.connection.execute(text("UPDATE audit SET actor = 'bob' WHERE seq = 4"))
    found = verdict(postgres_ledger)
    assert (found.code, found.first_bad) == (1, 4)


# -- heads as text ------------------------------------------------------------------------------------------------

ROOT_BYTES = bytes(range(32))


@pytest.mark.parametrize(
    ("given", "root"),
    [
        (f"12:{ROOT_BYTES.hex()}", ROOT_BYTES),
        (f"12:{ROOT_BYTES.hex().upper()}", ROOT_BYTES),
        (f"12 {ROOT_BYTES.hex()[:8]}", ROOT_BYTES[:4]),
        (f" 12:{ROOT_BYTES.hex()[:20]} ", ROOT_BYTES[:10]),
        (f"12:{base64.b64encode(ROOT_BYTES).decode()}", ROOT_BYTES),
    ],
)
def test_heads_are_read_in_every_form_they_are_printed_in(given: str, root: bytes) -> None:
    assert parse_head(given) == (12, root)


@pytest.mark.parametrize(
    "given",
    ["", "12", "12:", ":abcd1234", "x:abcd1234", "-1:abcd1234", "12:abc", "12:abcdef", "12:zz", "12:" + "ab" * 33],
)
def test_a_head_that_is_none_is_refused_with_the_reason(given: str) -> None:
    with pytest.raises(ValueError, match=r"is no (head|root)"):
        parse_head(given)


def test_the_bytes_of_an_entry_can_be_read_by_anybody(database: Database) -> None:
    write(database, 1)
    with database.read() as connection:
        ((_, data),) = audit_bytes(connection)
    assert decode(data) == {
        "seq": 0,
        "at": timestamp(1000.0),
        "kind": "note",
        "actor": "person-0",
        "body": {"number": 0},
    }
