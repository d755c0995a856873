"""Two engines, two couriers: one that stood still finds that another has taken over, and changes nothing any more."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any

import pytest
from breakage import FENCED, twin
from daemon_process import Daemon, descendants, until

Make = Callable[..., Daemon]
WEBHOOK = '[receivers.oncall]\ntype = "webhook"\nurl_env = "HOOK"\n[notices]\ngroup_wait = "0s"\n'
LEASE = 90.0  # seconds for which a courier has a message to itself


def low(first: int, count: int) -> list[dict[str, Any]]:
    return [{"id": f"e{i}", "model": "m", "output": {"confidence": 0.1}} for i in range(first, first + count)]


class Slow(ThreadingHTTPServer):
    """Takes each message at once and answers it only when `answers` is set."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.keys = list[str]()
        self.answers = Event()
        Thread(target=self.serve_forever, daemon=True).start()


class _Handler(BaseHTTPRequestHandler):
    server: Slow

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.keys.append(str(self.headers["Idempotency-Key"]))
        self.server.answers.wait(300)
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def slow() -> Iterator[Slow]:
    with Slow() as server:
        yield server
        server.answers.set()
        server.shutdown()


def stand_still(daemon: Daemon) -> int:
    """Stop the engine and its helpers where they are, at a moment when they hold no lock."""
    engine = daemon.child("engine")
    for pid in (engine, *descendants(engine)):
        os.kill(pid, signal.SIGSTOP)
    return engine


def go_on(engine: int) -> None:
    for pid in (*descendants(engine), engine):
        os.kill(pid, signal.SIGCONT)


def epoch(daemon: Daemon) -> int:
    entries = daemon.ask("/v1/audit?limit=1000")[1]["entries"]
    return max(entry["body"]["epoch"] for entry in entries if entry["kind"] == "engine_started")


@pytest.mark.slow
def test_an_engine_that_stood_still_while_another_took_over_is_refused_and_says_why(daemon: Daemon) -> None:
    daemon.start()
    daemon.accept(*low(0, 20))
    daemon.observed(20)
    first = stand_still(daemon)
    with twin(daemon) as other:
        daemon.accept(*low(20, 30))
        daemon.observed(50)  # the other's first step
        assert epoch(daemon) == 2
        go_on(first)
        stops = until(lambda: daemon.said("engine_stops"), "the first engine goes on")
        assert stops[0]["event"] == (
            "Partition 0 was taken by another engine (its epoch is 2, ours 1); this engine stops, the other goes on."
        )
        ends = until(lambda: daemon.said("child_ended"), "the first engine does not end")
        assert f"The engine ended with code {FENCED};" in ends[0]["event"]
        daemon.observed(50)
        until(lambda: epoch(daemon) == 3, "the parent starts no engine again")  # which is the newest now
        daemon.accept(*low(50, 10))
        assert other.process.wait(40) == FENCED
    daemon.observed(60)
    assert len(daemon.incidents()) == 1
    assert daemon.stop() == 0


def hung_up(make_daemon: Make, slow: Slow) -> tuple[Daemon, int]:
    """A daemon whose only message is on its way to a receiver that does not answer, standing still."""
    environ = {"HOOK": f"http://127.0.0.1:{slow.server_port}/"}
    daemon = make_daemon(environ=environ, toml=WEBHOOK).start()
    daemon.accept(*low(0, 10))
    until(lambda: slow.keys, "nobody is called")
    return daemon, stand_still(daemon)


def notice(daemon: Daemon) -> dict[str, Any]:
    return dict(daemon.incident()["notices"][0])


@pytest.mark.slow
def test_a_courier_that_stands_still_has_its_message_to_itself_until_its_lease_ends(
    make_daemon: Make, slow: Slow
) -> None:
    daemon, first = hung_up(make_daemon, slow)
    with twin(daemon) as other:
        daemon.accept(*low(10, 5))
        daemon.observed(15)
        until(lambda: other.said("restored"), "the other engine does not work")
        time.sleep(3.0)  # many turns of its courier
        assert len(slow.keys) == 1 and notice(daemon)["state"] == "sending"
        slow.answers.set()
        go_on(first)
        until(lambda: notice(daemon)["state"] == "delivered", "the outcome is not on record")
    daemon.ready()
    assert len(slow.keys) == 1


@pytest.mark.survival
def test_after_the_lease_another_courier_sends_it_again_by_the_same_key_and_the_first_one_writes_nothing(
    make_daemon: Make, slow: Slow
) -> None:
    daemon, first = hung_up(make_daemon, slow)
    began = time.monotonic()
    os.kill(daemon.pid, signal.SIGSTOP)  # or it would replace an engine that says nothing for a minute
    with twin(daemon) as other:
        until(lambda: len(slow.keys) == 2, "nobody takes the message up", seconds=LEASE + 40)
        assert time.monotonic() - began > LEASE - 5
        assert len(set(slow.keys)) == 1  # a receiver that knows the key tells the call only once
        slow.answers.set()
        until(lambda: notice(daemon)["state"] == "delivered", "the outcome is not on record")
        go_on(first)
        lost = until(lambda: daemon.said("lease_lost") or daemon.said("engine_stops"), "the first one says nothing")
        assert lost
        until(lambda: not other.said("courier_failed"), "the other one fails")
        assert notice(daemon)["state"] == "delivered" and len(slow.keys) == 2
    os.kill(daemon.pid, signal.SIGCONT)
