"""Couriers as real processes that are killed and stopped. The target's own log is the evidence."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WAIT = 20  # seconds

# Arguments: ledger, lease in seconds, then name=url of each receiver. Prints a line for each attempt.
COURIER = """
import sys, threading
import structlog
from pathlib import Path
from monitor.clock import Clock
from monitor.core.notices.pace import Rate
from monitor.core.notices.render import Links
from monitor.delivery.apprise_pool import HelperPool
from monitor.delivery.apprise_sender import apprise_senders
from monitor.runtime.courier import Courier, Terms
from monitor.store.database import Database

structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
ledger, lease = Path(sys.argv[1]), float(sys.argv[2])
pool = HelperPool(size=2)
found = apprise_senders(dict(pair.split("=", 1) for pair in sys.argv[3:]), pool)
assert not found.problems, found.problems
terms = Terms(workers=4, lease=lease, drain=0.2, rate=Rate(1e3, 1e3))
told = lambda d: print(d.target, d.outcome, d.attempt, d.recorded, flush=True)
courier = Courier(Database.open(ledger), found.usable, Clock(ledger.parent), Links(), terms, told=told, cut=pool.close)
print("ready", flush=True)
stop = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), stop.set()), daemon=True).start()
class Sleeper:
    def wait(self, timeout):
        return stop.wait(min(timeout, 0.05))
courier.run(stop, Sleeper())
pool.close()
"""


class Target(ThreadingHTTPServer):
    """Logs what arrives, whole, before it answers; with the gate closed it logs and does not answer."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.log: list[dict[str, str]] = []
        self.arrived = threading.Semaphore(0)
        self.gate = threading.Event()
        self.gate.set()

    @property
    def receiver(self) -> str:
        return f"oncall=json://127.0.0.1:{self.server_port}/hook"

    def arrival(self) -> None:
        assert self.arrived.acquire(timeout=WAIT), "nothing arrived"


class Handler(BaseHTTPRequestHandler):
    server: Target

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.log.append(json.loads(body))
        self.server.arrived.release()
        self.server.gate.wait(WAIT)
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def handle(self) -> None:
        try:
            super().handle()
        except OSError:  # the other side was killed
            self.close_connection = True

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def target() -> Iterator[Target]:
    server = Target()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield server
    server.gate.set()
    server.shutdown()
    thread.join()
    server.server_close()


@contextmanager
def courier_process(path: Path, lease: float, *receivers: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", COURIER, str(path), str(lease), *receivers],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert process.stdin is not None and process.stdout is not None
    try:
        assert process.stdout.readline() == "ready\n"
        yield process
        if process.poll() is None:
            process.stdin.close()
            process.wait(WAIT)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        process.stdin.close()


def now(path: Path) -> float:
    from monitor.clock import Clock

    return Clock(path.parent).now()


def owe(office, count: int = 1) -> list[str]:
    """Due by the real clock, which these processes use."""
    office.clock.at = now(office.path)
    return office.owe("oncall", repeats=count, reason="repeat", at=office.clock.at)


def test_killed_between_sending_and_recording_it_is_delivered_after_the_restart(office, target):
    (key,) = owe(office)
    target.gate.clear()
    with courier_process(office.path, 2.5, target.receiver) as first:
        target.arrival()  # the target has the whole message and has not answered: nothing can be on record
        first.kill()
    assert office.row(key).state == "sending"
    target.gate.set()
    with courier_process(office.path, 2.5, target.receiver) as second:
        assert second.stdout.readline() == "oncall delivered 2 True\n"
    assert office.row(key).state == "delivered"
    assert len(target.log) == 2 and all(key.split("/")[0] in message["message"] for message in target.log)


def test_two_processes_on_one_ledger_send_no_attempt_twice(office, target):
    keys = owe(office, 30)
    with (
        courier_process(office.path, 60.0, target.receiver) as one,
        courier_process(office.path, 60.0, target.receiver) as two,
    ):
        for _ in keys:
            target.arrival()
        told = []
        for process in (one, two):
            process.stdin.close()
            process.wait(WAIT)
            told += process.stdout.read().splitlines()
    assert Counter(told) == {"oncall delivered 1 True": len(keys)}
    assert len(target.log) == len(keys)
    assert {office.row(key).state for key in keys} == {"delivered"}


def test_a_process_stopped_past_its_lease_loses_its_say(office, target):
    (key,) = owe(office)
    target.gate.clear()
    with courier_process(office.path, 2.5, target.receiver) as stopped:
        target.arrival()
        stopped.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, stopped.pid, os.WSTOPPED)  # on a busy machine its threads run on for a moment
        target.gate.set()
        with courier_process(office.path, 2.5, target.receiver) as other:
            assert other.stdout.readline() == "oncall delivered 2 True\n"
        before = office.row(key)
        stopped.send_signal(signal.SIGCONT)
        line = stopped.stdout.readline()
    assert line.startswith("oncall ") and line.endswith(" 1 False\n")
    assert office.row(key) == before
