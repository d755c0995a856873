"""A target that misbehaves on demand, and a pool of real helper processes."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator

import pytest

from monitor.delivery.apprise_pool import HelperPool
from monitor.delivery.protocol import Outgoing


class Target:
    """Listens on loopback. Serves the behaviours of `script` one connection each, the last one for ever."""

    def __init__(self) -> None:
        self.script: list[str] = ["200"]
        self.bodies: list[bytes] = []
        self.arrived = threading.Event()
        self._over = threading.Event()
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self._threads: list[threading.Thread] = []
        self._start(self._accept)

    @property
    def url(self) -> str:
        return f"json://planted-user:planted-pass@127.0.0.1:{self.port}/planted-path"

    def close(self) -> None:
        self._over.set()
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for thread in self._threads:
            thread.join(5)

    def _start(self, run: object, *args: object) -> None:
        self._threads.append(threading.Thread(target=run, args=args))  # type: ignore[arg-type]
        self._threads[-1].start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            how = self.script.pop(0) if len(self.script) > 1 else self.script[0]
            self._start(self._serve, connection, how)

    def _serve(self, connection: socket.socket, how: str) -> None:
        with connection:
            self.bodies.append(_request_body(connection))
            self.arrived.set()
            if how == "hang":
                self._over.wait(30)
            elif how.startswith("drip"):
                connection.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: " if how == "drip headers" else b"")
                while not self._over.wait(0.2):
                    try:
                        connection.sendall(b"H")
                    except OSError:
                        return
            elif how == "reset":
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            else:
                status, _, headers = how.partition("|")
                lines = [f"HTTP/1.1 {status} X", "Content-Length: 0", "Connection: close", *headers.split("|")]
                connection.sendall("\r\n".join([*filter(None, lines), "", ""]).encode())


def _request_body(connection: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        part = connection.recv(65536)
        if not part:
            return data
        data += part
    head, _, body = data.partition(b"\r\n\r\n")
    length = int(next(x for x in head.lower().split(b"\r\n") if x.startswith(b"content-length:")).split(b":")[1])
    while len(body) < length:
        body += connection.recv(65536)
    return body


@pytest.fixture
def target() -> Iterator[Target]:
    server = Target()
    yield server
    server.close()


@pytest.fixture(scope="session")
def pool() -> Iterator[HelperPool]:
    helpers = HelperPool(size=2)
    yield helpers
    helpers.close()


@pytest.fixture
def fresh_pool() -> Iterator[HelperPool]:
    """For tests that kill, count or starve helpers."""
    helpers = HelperPool(size=1)
    yield helpers
    helpers.close()


@pytest.fixture
def message() -> Outgoing:
    return Outgoing("A title", "What happened, in words.", "high", "3b1e", "opened")
