from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from monitor.store import schema
from monitor.store.database import Database, LedgerUnavailable
from monitor.store.facts import get_fact, set_fact
from monitor.store.lock import LockTimeout, ThreadQueue
from monitor.store.trail import head

ROOT = Path(__file__).parents[2]


def value(database: Database, name: str = "x") -> str | None:
    with database.read() as connection:
        return get_fact(connection, name)


def test_a_block_that_ends_is_committed_and_one_that_raises_is_not(database: Database) -> None:
    with database.write(1.0) as tx:
        set_fact(tx, "x", "kept")
    with pytest.raises(KeyError), database.write(2.0) as tx:
        set_fact(tx, "x", "lost")
        tx.audit("note", "ann", {})
        raise KeyError("after writing")
    assert value(database) == "kept"
    with database.read() as connection:
        assert head(connection)[0] == 0


def test_a_reader_sees_one_state_while_others_write(database: Database) -> None:
    with database.write(1.0) as tx:
        set_fact(tx, "x", "old")
    with database.read() as connection:
        assert get_fact(connection, "x") == "old"
        with database.write(2.0) as tx:
            set_fact(tx, "x", "new")
        assert get_fact(connection, "x") == "old"
    assert value(database) == "new"


def test_a_reader_cannot_write(database: Database) -> None:
    with pytest.raises((SQLAlchemyError, LedgerUnavailable)), database.read() as connection:
        connection.execute(text("DELETE FROM facts"))


def test_a_thread_that_is_writing_is_told_so_instead_of_waiting_for_itself(database: Database) -> None:
    with database.write(1.0), pytest.raises(RuntimeError, match="already writing"), database.write(1.0):
        pass
    with database.write(1.0) as tx:  # and nothing is left locked
        set_fact(tx, "x", "1")


def test_foreign_keys_are_enforced(database: Database) -> None:
    with pytest.raises(IntegrityError), database.write(1.0) as tx:
        tx.connection.execute(text("INSERT INTO notes (incident, at, author, text) VALUES ('nobody', 1.0, 'a', 'b')"))


def test_threads_write_one_after_another(database: Database) -> None:
    def add() -> None:
        for _ in range(10):
            with database.write(1.0) as tx:
                set_fact(tx, "x", str(int(get_fact(tx.connection, "x") or 0) + 1))
                tx.audit("note", "ann", {})

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert value(database) == "40"
    with database.read() as connection:
        assert head(connection)[0] == 40


COUNT = """
import sys
from monitor.store.database import Database
from monitor.store.facts import get_fact, set_fact
with Database.open(sys.argv[1]) as database:
    for _ in range(int(sys.argv[2])):
        with database.write(1.0) as tx:
            set_fact(tx, "x", str(int(get_fact(tx.connection, "x") or 0) + 1))
            tx.audit("note", "ann", {"who": sys.argv[3]})
"""


def python(code: str, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finished(process: subprocess.Popen[str]) -> str:
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    return out


def test_processes_write_one_after_another(ledger_url: str, database: Database) -> None:
    for process in [python(COUNT, ledger_url, "60", str(number)) for number in range(2)]:
        finished(process)
    assert value(database) == "120"
    with database.read() as connection:
        seqs = connection.execute(text("SELECT seq FROM audit ORDER BY seq")).scalars().all()
        assert seqs == list(range(120))
        assert head(connection)[0] == 120


def in_child(work: Callable[[], None]) -> int:
    """Fork, do `work` there, and answer 0 if it did not raise."""
    child = os.fork()
    if child == 0:  # pragma: no cover
        try:
            work()
            os._exit(0)
        except BaseException:
            os._exit(1)
    return os.waitpid(child, 0)[1]


def write_x(database: Database, text: str) -> None:
    with database.write(2.0) as tx:
        set_fact(tx, "x", text)


def test_a_ledger_that_was_open_before_a_fork_is_refused_in_the_child(database: Database) -> None:
    """SQLite's locks do not survive it: the child would believe it held its parent's."""
    write_x(database, "parent")

    def work() -> None:
        with pytest.raises(RuntimeError, match="before this process was forked"):
            write_x(database, "child")
        with pytest.raises(RuntimeError, match="before this process was forked"):
            value(database)
        database.close()  # touches nothing of the parent's

    assert in_child(work) == 0
    assert value(database) == "parent"
    write_x(database, "again")
    assert value(database) == "again"


def test_a_ledger_not_used_before_a_fork_works_in_parent_and_child(database: Database) -> None:
    assert in_child(lambda: write_x(database, "child")) == 0
    assert value(database) == "child"
    write_x(database, "parent")
    assert value(database) == "parent"


PUMP = """
import sys
from monitor.store.database import Database
from monitor.store.facts import get_fact, set_fact
number, stop = 0, None
with Database.open(sys.argv[1]) as database:
    while stop is None:
        with database.write(1.0) as tx:
            number += 1
            set_fact(tx, "loop", str(number))
            for _ in range(20):
                tx.audit("note", "machine", {"n": number})
            stop = get_fact(tx.connection, "stop")
print(number)
"""


def test_a_person_does_not_starve_beside_a_busy_pump(ledger_url: str, database: Database) -> None:
    pump = python(PUMP, ledger_url)
    try:
        while value(database, "loop") is None:
            assert pump.poll() is None
            time.sleep(0.01)
        waits = []
        for number in range(60):
            began = time.perf_counter()
            with database.write(2.0) as tx:
                set_fact(tx, "person", str(number))
            waits.append(time.perf_counter() - began)
            time.sleep(0.005)
        with database.write(2.0) as tx:
            set_fact(tx, "stop", "1")
        steps = int(finished(pump))
    finally:
        pump.kill()
        pump.communicate()
    waits.sort()
    p50, p95 = waits[len(waits) // 2], waits[int(len(waits) * 0.95)]
    print(f"a person's commit beside {steps} of a pump: p50 {p50 * 1e3:.1f} ms, p95 {p95 * 1e3:.1f} ms")
    assert steps > 60  # it was busy
    assert p95 < 0.5


def test_threads_of_one_process_get_the_lock_in_the_order_they_ask() -> None:
    queue, order = ThreadQueue(), list[int]()

    def take(number: int) -> None:
        queue.acquire(30.0)
        order.append(number)
        queue.release()

    queue.acquire(30.0)
    threads = [threading.Thread(target=take, args=(number,)) for number in range(5)]
    for number, thread in enumerate(threads):
        thread.start()
        while queue.waiting <= number:
            time.sleep(0.001)
    queue.release()
    for thread in threads:
        thread.join()
    assert order == [0, 1, 2, 3, 4]
    assert queue.waiting == 0


def test_a_thread_that_gave_up_waiting_is_passed_over() -> None:
    queue, outcome = ThreadQueue(), list[str]()

    def give_up() -> None:
        try:
            queue.acquire(0.01)
        except LockTimeout:
            outcome.append("gave up")

    queue.acquire(30.0)
    thread = threading.Thread(target=give_up)
    thread.start()
    thread.join()
    queue.release()
    queue.acquire(0.01)  # free again
    assert outcome == ["gave up"]


# -- trouble ------------------------------------------------------------------------------------------------------


def test_a_locked_ledger_is_a_sentence_and_later_it_works(sqlite_ledger: Path) -> None:
    with Database.open(sqlite_ledger, patience=0.1) as database:
        with closing(sqlite3.connect(sqlite_ledger)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(LedgerUnavailable, match="another program holds a lock") as caught, database.write(1.0):
                pass
            assert not caught.value.disk_full
        with database.write(1.0) as tx:
            set_fact(tx, "x", "1")
        assert value(database) == "1"


@pytest.mark.postgres
def test_a_locked_ledger_is_a_sentence_on_postgresql_too(postgres_ledger_url: str) -> None:
    url = postgres_ledger_url
    with Database.open(url) as holder, Database.open(url, patience=0.2) as database:
        with (
            holder.write(1.0),
            pytest.raises(LedgerUnavailable, match="locked by another process"),
            database.write(1.0),
        ):
            pass
        with database.write(1.0) as tx:
            set_fact(tx, "x", "1")
        assert value(database) == "1"


def test_a_lock_held_by_another_process_too_long_is_a_sentence(sqlite_ledger: Path) -> None:
    with Database.open(sqlite_ledger) as holder, Database.open(sqlite_ledger, patience=0.1) as database:
        with holder.write(1.0), pytest.raises(LedgerUnavailable, match=r"locked for 0\.1 seconds"), database.write(1.0):
            pass
        with database.write(1.0) as tx:
            set_fact(tx, "x", "1")


def fill(database: Database) -> None:
    """Let SQLite find the disk full: it may not add a page any more."""
    with database.write(1.0) as tx:
        pages = tx.connection.execute(text("PRAGMA page_count")).scalar()
        tx.connection.execute(text(f"PRAGMA max_page_count = {pages}"))


def test_a_full_disk_is_a_sentence_and_nothing_is_half_written(sqlite_ledger: Path) -> None:
    with Database.open(sqlite_ledger) as database:
        fill(database)
        full = pytest.raises(LedgerUnavailable, match="the disk is full; free some space")
        with full as caught, database.write(2.0) as tx:
            tx.audit("note", "ann", {"text": "x" * 100_000})
        assert caught.value.disk_full
        with database.read() as connection:
            assert head(connection)[0] == 0
        with database.write(3.0) as tx:
            tx.connection.execute(text("PRAGMA max_page_count = 1000000"))
        with database.write(3.0) as tx:
            assert tx.audit("note", "ann", {"text": "x" * 100_000}) == 0


def test_a_ledger_that_is_gone_does_not_come_back_empty(tmp_path: Path) -> None:
    database = Database.open(tmp_path / "ledger.db")
    with pytest.raises(LedgerUnavailable, match="cannot be opened"), database.write(1.0):
        pass
    with pytest.raises(LedgerUnavailable, match="cannot be opened"), database.read() as connection:
        connection.execute(text("SELECT 1"))
    database.close()
    assert not (tmp_path / "ledger.db").exists()


def test_a_lock_folder_that_cannot_be_made_is_a_sentence(sqlite_ledger: Path) -> None:
    database = Database.open(sqlite_ledger, sqlite_ledger / "run")
    refused = pytest.raises(LedgerUnavailable, match=r"lock of the ledger .* cannot be opened")
    with refused, database.write(1.0):
        pass


@pytest.mark.postgres
def test_a_server_that_went_away_is_a_sentence_and_its_return_is_noticed(postgres_ledger_url: str) -> None:
    with Database.open(postgres_ledger_url) as database, Database.open(postgres_ledger_url) as other:
        with database.write(1.0) as tx:
            set_fact(tx, "x", "1")
        with other.write(1.0) as tx:
            tx.connection.execute(
                text(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
                    " AND application_name = 'overloop' AND pid <> pg_backend_pid()"
                )
            )
        with pytest.raises(LedgerUnavailable, match="cannot be used"), database.write(2.0) as tx:
            set_fact(tx, "x", "2")
        with database.write(3.0) as tx:
            set_fact(tx, "x", "3")
        assert value(database) == "3"


def test_more_readers_than_connections_are_told_to_try_again(sqlite_ledger: Path) -> None:
    with Database.open(sqlite_ledger, patience=0.05) as database, ExitStack() as stack:
        for _ in range(16):
            stack.enter_context(database.read())
        with pytest.raises(LedgerUnavailable, match="all reading connections are in use"), database.read():
            pass
        stack.close()
        assert value(database) is None


# -- the write-ahead log ------------------------------------------------------------------------------------------


def log_size(path: Path) -> int:
    log = Path(f"{path}-wal")
    return log.stat().st_size if log.exists() else 0


def test_the_log_is_moved_into_the_file_before_it_grows_large(sqlite_ledger: Path) -> None:
    with Database.open(sqlite_ledger) as database:
        largest = 0
        for number in range(40):
            with database.write(1.0) as tx:
                set_fact(tx, "x", f"{number}" * 200_000)
            largest = max(largest, log_size(sqlite_ledger))
        assert 1_000_000 < largest < 8_000_000


def test_a_reader_only_delays_the_move_and_never_blocks_it(sqlite_ledger: Path) -> None:
    with Database.open(sqlite_ledger) as database:
        with database.write(1.0) as tx:
            set_fact(tx, "x", "1")
        with database.read() as connection:
            get_fact(connection, "x")
            with database.write(1.0) as tx:
                set_fact(tx, "x", "2")
            began = time.monotonic()
            assert database.checkpoint() is False
            assert time.monotonic() - began < 2.0
        assert database.checkpoint() is True
        assert log_size(sqlite_ledger) == 0


def test_the_last_one_out_leaves_one_file(sqlite_ledger: Path) -> None:
    with Database.open(sqlite_ledger, sqlite_ledger.parent / "run") as database:
        with database.write(1.0) as tx:
            set_fact(tx, "x", "1")
        assert value(database) == "1"
    assert {path.name for path in sqlite_ledger.parent.iterdir()} == {"ledger.db", "run"}
    with Database.open(sqlite_ledger) as database:
        assert value(database) == "1"


def test_what_was_committed_survives_a_killed_writer(sqlite_ledger: Path) -> None:
    process = python(PUMP, str(sqlite_ledger))
    with Database.open(sqlite_ledger) as database:
        while int(value(database, "loop") or 0) < 50:
            assert process.poll() is None
            time.sleep(0.005)
        process.kill()
        process.communicate()
        done = int(value(database, "loop") or 0)
        with database.read() as connection:
            assert head(connection)[0] == 20 * done  # each commit wrote its twenty entries, or none
        with database.write(1.0) as tx:
            assert tx.audit("note", "ann", {}) == 20 * done


def test_the_settings_that_promises_rest_on_are_in_force(sqlite_ledger: Path) -> None:
    with Database.open(sqlite_ledger) as database:
        with database.write(1.0) as tx:
            asked = ("journal_mode", "synchronous", "foreign_keys", "recursive_triggers", "wal_autocheckpoint")
            found = {name: tx.connection.execute(text(f"PRAGMA {name}")).scalar() for name in asked}
        assert found == {
            "journal_mode": "wal",
            "synchronous": 2,
            "foreign_keys": 1,
            "recursive_triggers": 1,
            "wal_autocheckpoint": 0,
        }
        with database.read() as connection:
            assert connection.execute(text("PRAGMA query_only")).scalar() == 1
            assert connection.execute(text("PRAGMA wal_autocheckpoint")).scalar() == 0


def test_upgrades_at_the_same_moment_do_not_disturb_each_other(bare_url: str) -> None:
    problems: list[BaseException] = []

    def run() -> None:
        try:
            schema.upgrade(bare_url)
        except BaseException as problem:
            problems.append(problem)

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    schema.check(bare_url)
