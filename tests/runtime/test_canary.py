"""The event that goes round: a model for each partition, seen by no rule, told once the ledger says it was observed."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from deciding import T0

from monitor.clock import ScriptedClock
from monitor.core.canary import canary_id, canary_models, is_canary, newest_canary
from monitor.core.changes import Changes
from monitor.core.step import Step
from monitor.runtime.canary import Canary, Lost
from monitor.spool import partition_of
from monitor.store import schema
from monitor.store.database import Database
from monitor.store.facts import CANARY_DELIVERED, get_fact
from monitor.store.ledger import commit_step, take_partition


@pytest.fixture(scope="module")
def upgraded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("canary") / "ledger.db"
    schema.upgrade(path)
    return path


class Intake(ThreadingHTTPServer):
    """Answers as the front does, with the status it is told."""

    daemon_threads = True
    status = 202

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Door)
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()


class _Door(BaseHTTPRequestHandler):
    server: Intake

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(self.server.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def intake() -> Iterator[Intake]:
    server = Intake()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def database(upgraded: Path, tmp_path: Path) -> Iterator[Database]:
    shutil.copyfile(upgraded, tmp_path / "ledger.db")
    with Database.open(tmp_path / "ledger.db") as found:
        yield found


@pytest.fixture
def home(tmp_path: Path, intake: Intake) -> Path:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "url").write_text(f"http://127.0.0.1:{intake.server_port}\n")
    (tmp_path / "token").write_text("secret\n")
    return tmp_path


def observed(database: Database, number: int) -> None:
    taken = take_partition(database, 0, T0)
    step = Step(0, taken.seq + 1, taken.epoch, taken.cursor, taken.cursor + 1, T0, "")
    commit_step(database, step, Changes(), {"observed": 1, "canary": 1, "canary_newest": number}, taken.desk_seq)


@pytest.mark.parametrize("partitions", [1, 3, 16])
def test_each_partition_has_a_model_of_its_own(partitions: int) -> None:
    models = canary_models(partitions, lambda model: partition_of(model, partitions))
    assert [partition_of(model, partitions) for model in models] == list(range(partitions))
    assert all(map(is_canary, models)) and not is_canary("overloop") and not is_canary("fraud-eu")


def test_of_ids_the_largest_number_counts_and_what_is_none_is_left_out() -> None:
    assert newest_canary([canary_id(7), canary_id(5), "canary-x", "other", "canary-" + "9" * 30]) == 7
    assert newest_canary([canary_id(7)], before=9) == 9 and newest_canary([]) == 0


def test_it_has_come_round_when_the_ledger_says_observed_and_the_courier_has_delivered(
    database: Database, home: Path
) -> None:
    clock, told = ScriptedClock(T0), []
    canary = Canary(home, database, clock, 1, told=lambda seconds, at: told.append((seconds, at)), patience=20.0)
    done: list[float] = []
    going = threading.Thread(target=lambda: done.append(canary.round()))
    going.start()
    try:
        assert canary.errand() is None  # nobody has observed it yet
        observed(database, int(T0 * 1e3))
        errand = None
        for _ in range(200):
            if (errand := canary.errand()) is not None:
                break
            going.join(0.02)
        assert errand is not None
        errand()
    finally:
        going.join(25.0)
    assert len(done) == 1 and done == [seconds for seconds, _ in told]
    assert canary.errand() is None
    with database.read() as connection:
        assert get_fact(connection, CANARY_DELIVERED) == str(int(T0 * 1e3))


def test_one_that_does_not_come_round_says_how_far_it_came(database: Database, home: Path) -> None:
    canary = Canary(home, database, ScriptedClock(T0), 1, patience=0.2)
    with pytest.raises(Lost, match="was accepted, and not observed within"):
        canary.round()
    observed(database, int(T0 * 1e3))
    with pytest.raises(Lost, match="was observed, and its message was not delivered within"):
        canary.round()


def test_one_that_cannot_be_sent_or_is_refused_says_so(database: Database, home: Path, intake: Intake) -> None:
    intake.status = 503
    with pytest.raises(Lost, match="refused by the intake with status 503"):
        Canary(home, database, ScriptedClock(T0), 1).round()
    (home / "run" / "url").unlink()
    with pytest.raises(Lost, match="could not be sent"):
        Canary(home, database, ScriptedClock(T0), 1).round()
