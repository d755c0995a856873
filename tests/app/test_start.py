"""What stands before a daemon runs: the home's lock, the address, the rules, and what it says it can see."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from daemon_process import PACK, ROOT, free_port
from pumping import heard
from sqlalchemy import insert, update

from monitor.app import home as homes
from monitor.app.errors import StartError
from monitor.app.home import Home, HomeError, fill, lock, make
from monitor.app.prepare import can_detect, prepare, take_book
from monitor.app.start import bind
from monitor.runtime.books import EMPTY
from monitor.settings import Settings
from monitor.spool import Spool
from monitor.store import queries
from monitor.store.ledger import take_partition, wanted_marks
from monitor.store.tables import books, partitions


def settings_for(folder: Path, **more: object) -> Settings:
    rules = folder / "rules" / "tests"
    rules.mkdir(parents=True, exist_ok=True)
    (rules / "pack.yaml").write_text(PACK)
    values = {"home": folder / "home", "listen": "127.0.0.1:0", "rules": (folder / "rules",)}
    return Settings(**{**values, **more})  # type: ignore[arg-type]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_for(tmp_path)


@pytest.fixture
def home(settings: Settings) -> Home:
    made = make(settings.home)
    fill(made)
    return made


def test_a_home_is_locked_for_one_daemon(tmp_path: Path) -> None:
    made = make(tmp_path / "home")
    held = lock(made)
    script = (
        "import sys; from pathlib import Path; from monitor.app.home import HomeError, lock, make\n"
        "try:\n    lock(make(Path(sys.argv[1])))\nexcept HomeError as problem:\n    print(problem)"
    )
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", script, made.path],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        timeout=60,
    )
    assert f"Another daemon (process {os.getpid()}) runs on {made.path}" in done.stdout, done.stderr
    assert time.monotonic() - began < homes.PATIENCE  # it is there, so there is no point in waiting for long
    os.close(held)
    os.close(lock(made))


def test_a_home_that_is_no_folder_is_refused_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(HomeError, match=r"cannot be used \(Not a directory\).*--home"):
        make(tmp_path / "file" / "home")


def test_an_address_in_use_is_refused_in_a_sentence(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = settings_for(tmp_path, listen=f"127.0.0.1:{other.getsockname()[1]}")
        with pytest.raises(StartError, match=r"cannot listen on .*Address already in use"):
            bind(taken)


def test_the_listening_socket_is_there_for_children(tmp_path: Path) -> None:
    with bind(settings_for(tmp_path, listen=f"127.0.0.1:{free_port()}")) as listener:
        assert listener.get_inheritable()


def test_rules_are_put_in_force_once(home: Home, settings: Settings) -> None:
    book, models = take_book(home, settings)
    assert (models, len(book.packs)) == (0, 1)
    again, _ = take_book(home, settings)
    assert again.digest == book.digest
    with home.database() as database, database.read() as connection:
        assert len(wanted_marks(connection, 0)) == 1
        assert queries.get_fact(connection, "book") == book.digest


def test_bad_rules_refuse_a_fresh_home_and_leave_the_old_ones_in_force_otherwise(
    home: Home, settings: Settings
) -> None:
    path = settings.rules[0] / "tests" / "pack.yaml"
    path.write_text("pack: [\n")
    with pytest.raises(StartError, match="The rules cannot be used"):
        take_book(home, settings)
    path.write_text(PACK)
    book, _ = take_book(home, settings)
    path.write_text("pack: [\n")
    kept, _ = take_book(home, settings)
    assert kept.digest == book.digest
    with home.database() as database, database.write(0.0) as tx:
        tx.connection.execute(update(books).values(source='{"v": 99}'))
    with pytest.raises(StartError, match="Neither the rules in the folders nor those that were in force"):
        take_book(home, settings)


def test_partitions_that_are_added_later_are_seen_at_the_start(home: Home, settings: Settings) -> None:
    prepare(home, settings)
    with home.database() as database:
        assert take_partition(database, 0, 1.0).book == ""
        with database.read() as connection:
            assert wanted_marks(connection, 0) and not wanted_marks(connection, 1)  # its pump asks for the book itself


def test_a_quiet_daemon_says_what_it_can_see_and_what_it_needs_to_see_more(home: Home, settings: Settings) -> None:
    book, models = take_book(home, settings)
    sentence = can_detect(book, models)
    assert sentence.startswith(
        "No model is known yet; 2 live rules in force, each for the models that its pack matches"
    )
    assert "(1 with limits, 0 with detectors, 1 for silence)" in sentence and "POST /v1/events" in sentence
    assert can_detect(EMPTY, 1).startswith("1 model is known; 0 live rules")


def test_a_damaged_spool_refuses_the_start_with_what_to_do(settings: Settings, home: Home) -> None:
    folder = home.spool / "0"
    folder.mkdir(parents=True)
    (folder / f"{0:020d}.db").write_bytes(b"\xff" * 9000)
    with pytest.raises(StartError, match=r"is damaged: .* run `overloop events set-aside"):
        prepare(home, settings)


def test_a_spool_older_than_the_ledger_is_told_at_the_start(settings: Settings, home: Home) -> None:
    with home.database() as database, database.write(1.0) as tx:
        tx.connection.execute(insert(partitions), {
            "partition": 0, "epoch": 1, "seq": 1, "cursor": 7, "at": 1.0, "book": "", "desk_seq": 0,
            "totals": '{"observed": 7}',
        })  # fmt: skip
    with heard() as logs:
        prepare(home, settings)
    (line,) = [entry for entry in logs if entry["action"] == "spool_older"]
    assert "ends at offset 0, and 7 were observed" in line["event"]
    with Spool.open(home.spool, write=False) as spool:
        assert (spool.end(0), spool.totals(0).accepted) == (7, 7)


def test_what_stands_in_the_place_of_a_file_is_told_in_a_sentence(settings: Settings, home: Home) -> None:
    home.token.unlink()
    home.token.mkdir()
    with pytest.raises(StartError, match=r"token cannot be used \(Is a directory\): see what it is"):
        prepare(home, settings)


def test_a_ledger_that_was_lost_is_missed(settings: Settings, home: Home) -> None:
    with heard() as logs:
        prepare(home, settings)
        with Spool.open(home.spool):
            home.ledger.unlink()
        prepare(home, settings)
    (line,) = [entry for entry in logs if entry["action"] == "ledger_lost"]
    assert "a new one is made" in line["event"]
