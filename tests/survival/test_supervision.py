"""The parent: what it tells systemd, children that hang, starts that are refused, one process instead of three."""

from __future__ import annotations

import os
import signal
import socket
import sqlite3
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from daemon_process import Daemon, Receiver, alive, until

Make = Callable[..., Daemon]
EVENTS = [{"id": f"e{i}", "model": "m", "output": {"confidence": 0.1}} for i in range(20)]

# `overloop run` with a parent that has less patience. Arguments: home, address, rules, seconds.
IMPATIENT = """
import sys
from functools import partial
from pathlib import Path
from monitor.app.home import lock, make
from monitor.app.parent import Parent
from monitor.app.start import bind
from monitor.settings import load
from monitor.telemetry.logs import configure_logging

home, listen, rules, hung = sys.argv[1:]
settings = load({"home": Path(home), "listen": listen, "rules": (Path(rules),)})
configure_logging()
made = make(settings.home)
held = lock(made)
listener = bind(settings)
sys.exit(Parent(settings.to_json(), listener, held, hung=float(hung)).run())
"""


class Systemd:
    """The other end of $NOTIFY_SOCKET."""

    def __init__(self, path: Path) -> None:
        self.path, self.words = path, list[str]()
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        self.socket.setblocking(False)

    def heard(self, word: str) -> bool:
        try:
            while True:
                self.words += self.socket.recv(4096).decode().splitlines()
        except BlockingIOError:
            return word in self.words


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[Systemd]:
    made = Systemd(tmp_path / "notify")
    yield made
    made.socket.close()


def refused(daemon: Daemon) -> str:
    """What a daemon says that does not start."""
    assert daemon.process is not None
    assert daemon.process.wait(40) not in (0, None)
    text = daemon.log.read_text()
    assert "Traceback" not in text
    return text


# -- systemd --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", [(), ("--single",)])
def test_systemd_is_told_when_both_halves_are_ready_and_while_they_work(
    make_daemon: Make, systemd: Systemd, mode: tuple[str, ...]
) -> None:
    environ = {"NOTIFY_SOCKET": str(systemd.path), "WATCHDOG_USEC": "40000000"}
    daemon = make_daemon(environ=environ).launch(*mode)
    until(lambda: systemd.heard("READY=1"), "systemd is never told")
    assert daemon.is_ready()
    assert any(word.startswith("EXTEND_TIMEOUT_USEC=") for word in systemd.words[: systemd.words.index("READY=1")])
    until(lambda: systemd.heard("WATCHDOG=1"), "the watchdog is not patted")
    assert daemon.stop() == 0
    assert systemd.heard("STOPPING=1")


@pytest.mark.slow
def test_the_watchdog_is_not_patted_for_an_engine_that_stands_still(make_daemon: Make, systemd: Systemd) -> None:
    environ = {"NOTIFY_SOCKET": str(systemd.path), "WATCHDOG_USEC": "12000000"}
    daemon = make_daemon(environ=environ).start()
    until(lambda: systemd.heard("WATCHDOG=1"), "the watchdog is not patted")
    engine = daemon.child("engine")
    os.kill(engine, signal.SIGSTOP)

    def silent() -> bool:
        systemd.words.clear()
        return until_quiet(systemd, 8.0)

    assert silent()
    os.kill(engine, signal.SIGCONT)
    until(lambda: systemd.heard("WATCHDOG=1"), "the watchdog is not patted again")


def until_quiet(systemd: Systemd, seconds: float) -> bool:
    """Whether there are so many seconds in a row without a pat, soon."""
    import time

    end = time.monotonic() + 30
    since = time.monotonic()
    while time.monotonic() < end:
        if systemd.heard("WATCHDOG=1"):
            systemd.words.clear()
            since = time.monotonic()
        if time.monotonic() - since > seconds:
            return True
        time.sleep(0.05)
    return False


# -- children that hang ---------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_child_that_hangs_is_replaced(daemon: Daemon) -> None:
    script = [sys.executable, "-c", IMPATIENT, daemon.home, f"127.0.0.1:{daemon.port}", daemon.rules, "8"]
    daemon.launch(command=[str(part) for part in script])
    daemon.ready()
    engine = daemon.child("engine")
    os.kill(engine, signal.SIGSTOP)
    until(lambda: daemon.said("child_hung"), "nobody notices")
    until(lambda: not alive(engine), "it is still there")
    assert daemon.said("child_hung")[0]["event"] == "The engine made no progress for 8 s and is replaced."
    daemon.accept(*EVENTS)
    daemon.observed(len(EVENTS))
    assert daemon.stop() == 0


# -- one process ----------------------------------------------------------------------------------------------------


def test_one_process_does_the_same(make_daemon: Make, receiver: Receiver) -> None:
    daemon = make_daemon(environ={"OVERLOOP_NOTIFY": receiver.url}, toml='[notices]\ngroup_wait = "1s"\n')
    daemon.start("--single")
    daemon.accept(*EVENTS)
    daemon.observed(len(EVENTS))
    incident = daemon.incident()
    until(lambda: receiver.messages, "nobody was told")
    assert daemon.ask(f"/v1/incidents/{incident['id']}/acknowledge", {})[0] == 200
    daemon.kill()
    daemon.start("--single")
    daemon.observed(len(EVENTS))
    assert daemon.incident()["state"] == "acknowledged"
    os.kill(daemon.pid, signal.SIGHUP)
    until(lambda: daemon.said("reloaded"), "the rules are not loaded")
    assert daemon.stop() == 0


# -- starts that are refused ----------------------------------------------------------------------------------------


def test_starts_that_cannot_be_are_refused_in_a_sentence(make_daemon: Make, tmp_path: Path) -> None:
    first = make_daemon().start()
    second = make_daemon()
    second.home = first.home
    taken = make_daemon()
    taken.port = first.port
    nowhere = make_daemon()
    nowhere.home.write_text("a file where a folder should be")
    rules = make_daemon(pack="pack: tests\nmodels: [\n")
    for daemon in (second, taken, nowhere, rules):
        daemon.launch()
    assert f"Another daemon (process {first.pid}) runs on {first.home}" in refused(second)
    assert f"cannot listen on 127.0.0.1:{first.port} (Address already in use)" in refused(taken)
    assert f"The home folder {nowhere.home} cannot be used" in refused(nowhere)
    assert "The rules cannot be used" in refused(rules)
    assert first.is_ready()
    first.kill()

    with sqlite3.connect(first.home / "ledger.db") as ledger:
        ledger.execute("UPDATE alembic_version SET version_num = '0000'")
    ledger.close()
    first.launch()
    assert "run `overloop db upgrade`" in refused(first)


def test_fewer_partitions_than_there_were_are_refused(make_daemon: Make) -> None:
    daemon = make_daemon(toml="partitions = 3\n").start()
    daemon.accept(*({"id": f"e{i}", "model": f"m{i}", "output": {"confidence": 0.9}} for i in range(30)))
    daemon.observed(30)
    assert daemon.stop() == 0
    daemon.config.write_text("partitions = 1\n")
    daemon.launch()
    assert "start with at least 3" in refused(daemon)
