"""The notification protocol against a real datagram socket, by path and by abstract name."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from monitor.notify_socket import Notifier


@pytest.fixture(params=["path", "abstract"])
def supervisor(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Notifier, socket.socket]]:
    name = str(tmp_path / "notify") if request.param == "path" else f"@overloop-test-{uuid4()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear:
        ear.bind(name.replace("@", "\0") if request.param == "abstract" else name)
        ear.settimeout(5.0)
        yield Notifier({"NOTIFY_SOCKET": name}), ear


def test_it_says_ready_with_a_status(supervisor: tuple[Notifier, socket.socket]) -> None:
    notifier, ear = supervisor
    notifier.ready("Watching 3 models.")
    assert ear.recv(4096) == b"READY=1\nSTATUS=Watching 3 models."


def test_it_says_the_rest_of_the_protocol(supervisor: tuple[Notifier, socket.socket]) -> None:
    notifier, ear = supervisor
    notifier.ready()
    notifier.watchdog()
    notifier.stopping("Writing snapshots.")
    notifier.extend_timeout(1.5)
    heard = [ear.recv(4096) for _ in range(4)]
    assert heard == [
        b"READY=1",
        b"WATCHDOG=1",
        b"STOPPING=1\nSTATUS=Writing snapshots.",
        b"EXTEND_TIMEOUT_USEC=1500000",
    ]


def test_a_reload_carries_the_monotonic_clock(supervisor: tuple[Notifier, socket.socket]) -> None:
    notifier, ear = supervisor
    before = time.monotonic_ns() // 1000
    notifier.reloading()
    first, second = ear.recv(4096).decode().split("\n")
    assert first == "RELOADING=1"
    assert before <= int(second.removeprefix("MONOTONIC_USEC=")) <= time.monotonic_ns() // 1000


def test_a_status_cannot_smuggle_a_field_in(supervisor: tuple[Notifier, socket.socket]) -> None:
    notifier, ear = supervisor
    notifier.status("all well\nWATCHDOG=trigger\r\n\x1b[31m \ud800")
    assert ear.recv(4096) == b"STATUS=all well WATCHDOG=trigger [31m"


@pytest.mark.parametrize("name", ["", "@", "vsock:2:1234", "relative", "/nobody/listens/here", "/" + "x" * 300])
def test_it_is_silent_where_nobody_listens(name: str) -> None:
    Notifier({"NOTIFY_SOCKET": name}).ready()


def test_a_supervisor_that_does_not_read_holds_nothing_up(tmp_path: Path) -> None:
    name = str(tmp_path / "deaf")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear:
        ear.bind(name)
        notifier = Notifier({"NOTIFY_SOCKET": name})
        started = time.monotonic()
        for _ in range(5000):
            notifier.watchdog()
        assert time.monotonic() - started < 2.0


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "30000000"}, 15.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "77"}, 15.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "78"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({"WATCHDOG_USEC": "-5"}, None),
        ({"WATCHDOG_USEC": "٣"}, None),
    ],
)
def test_the_watchdog_interval_is_ours_only_if_meant_for_us(environ: dict[str, str], expected: float | None) -> None:
    assert Notifier(environ, pid=77).watchdog_interval == expected
