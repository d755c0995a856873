"""What the machine refuses: names that do not resolve, locks that others hold, descriptors and memory that run out."""

from __future__ import annotations

import os
import resource
import socket
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from daemon_process import Daemon, Receiver, alive, until

Make = Callable[..., Daemon]


def events(first: int, count: int, confidence: float = 0.9, size: int = 0) -> list[dict[str, Any]]:
    filler = {"inputs": {"text": os.urandom(size // 2).hex()}} if size else {}
    rest = {"model": "m", "output": {"confidence": confidence}, **filler}
    return [{"id": f"e{i}", **rest} for i in range(first, first + count)]


def limit(pid: int, what: int, soft: int) -> None:
    """Change one limit of a running process; the hard one stays, so that it can be taken back."""
    resource.prlimit(pid, what, (soft, resource.prlimit(pid, what)[1]))


# -- names ----------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_name_that_does_not_resolve_holds_up_nobody_else_and_is_told_by_another_receiver(
    make_daemon: Make, receiver: Receiver
) -> None:
    environ = {"NOWHERE": "json://receiver.invalid/hook", "GOOD": receiver.url}
    toml = (
        '[receivers.nowhere]\nurl_env = "NOWHERE"\n[receivers.good]\nurl_env = "GOOD"\n[notices]\ngroup_wait = "0s"\n'
    )
    daemon = make_daemon(environ=environ, toml=toml).start()
    daemon.accept(*events(0, 10, 0.1))
    incident = daemon.incident()
    until(lambda: receiver.messages, "the good receiver is not told")

    def states() -> dict[str, str]:
        notices = daemon.ask(f"/v1/incidents/{incident['id']}")[1]["notices"]
        return {notice["target"]: notice["state"] for notice in notices}

    until(lambda: states() == {"good": "delivered", "nowhere": "retry"}, "the attempts are not on record")
    assert daemon.is_ready()
    failed = daemon.said("notice_retry")[0]
    assert failed["receiver"] == "nowhere" and "tried again" in failed["event"]
    daemon.observed(10)
    assert daemon.stop() == 0


# -- locks ----------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_shell_that_holds_the_ledger_holds_up_observing_and_people_and_no_sender(daemon: Daemon) -> None:
    """`BEGIN IMMEDIATE` of another program, which knows nothing of our lock."""
    daemon.start()
    daemon.accept(*events(0, 10, 0.1))
    incident, family = daemon.incident(), daemon.family()
    other = sqlite3.connect(daemon.home / "ledger.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        daemon.accept(*events(10, 50))
        until(lambda: daemon.said("waiting_ledger"), "nobody says what is waited for")
        assert "another program holds a lock on it" in daemon.said("waiting_ledger")[0]["event"]
        daemon.accept(*events(60, 5))
        assert daemon.incident()["state"] == "open"
        status, answer = daemon.ask(f"/v1/incidents/{incident['id']}/acknowledge", {})
        assert status == 503 and answer["detail"], answer
    finally:
        other.execute("ROLLBACK")
        other.close()
    daemon.observed(65)
    assert daemon.ask(f"/v1/incidents/{incident['id']}/acknowledge", {})[0] == 200
    assert all(alive(pid) for pid in family)
    assert daemon.stop() == 0


@pytest.mark.slow
def test_a_shell_that_holds_the_spool_has_posts_answered_503_with_the_time_to_come_again(daemon: Daemon) -> None:
    daemon.start()
    daemon.accept(*events(0, 10))
    other = sqlite3.connect(max((daemon.home / "spool" / "0").glob("*.db")), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        status, answer = daemon.post(*events(10, 5))
        assert status == 503 and answer["detail"], answer
    finally:
        other.execute("ROLLBACK")
        other.close()
    until(lambda: daemon.post(*events(10, 5))[0] == 202, "posts are still refused")
    daemon.observed(15)
    assert daemon.accounting()["refused"] >= 1


# -- descriptors and memory -----------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_front_without_descriptors_goes_on_once_it_has_some(daemon: Daemon) -> None:
    daemon.start()
    daemon.accept(*events(0, 10))
    daemon.observed(10)
    front = daemon.child("front")
    limit(front, resource.RLIMIT_NOFILE, len(list(Path(f"/proc/{front}/fd").iterdir())) + 8)
    held = []
    for _ in range(40):  # more than it may have
        held.append(socket.socket())
        held[-1].settimeout(1.0)
        held[-1].connect(("127.0.0.1", daemon.port))
    time.sleep(1.0)
    assert alive(front)
    for one in held:
        one.close()
    until(lambda: daemon.post(*events(10, 5))[0] == 202, "posts are still refused")
    daemon.observed(15)
    assert daemon.child("front") == front and daemon.is_ready()
    assert daemon.stop() == 0


def address_space(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.slow
@pytest.mark.parametrize("role", ["engine", "front"])
def test_a_process_that_runs_out_of_memory_is_started_again_or_refuses_and_nothing_is_lost(
    daemon: Daemon, role: str
) -> None:
    daemon.start()
    daemon.accept(*events(0, 10))
    daemon.observed(10)
    victim = daemon.child(role)
    limit(victim, resource.RLIMIT_AS, address_space(victim) + (4 << 20))
    body = events(10, 1500, size=8000)
    status = daemon.post(*body)[0]
    if status != 202:
        assert role == "front" and status in (0, 500, 503), status
    if alive(victim):
        limit(victim, resource.RLIMIT_AS, resource.RLIM_INFINITY)  # its neighbour on the machine is gone
    until(lambda: daemon.post(*body)[0] == 202, "posts are still refused")
    daemon.observed(1510)
    daemon.ready()
    assert daemon.stop() == 0
