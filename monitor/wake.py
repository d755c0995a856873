"""A datagram that wakes another process of the same home. It carries nothing: what is new stands in spool and ledger.

Losing one costs a poll interval, so sending never blocks and never fails; whoever sleeps also wakes by itself.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import select
import socket
from pathlib import Path
from types import TracebackType

LONGEST = 107  # bytes of a path that fit into sockaddr_un beside its final NUL


class Waker:
    """Wakes whoever sleeps at `path`. Any thread may call it; nobody need be asleep there, or exist."""

    def __init__(self, path: Path) -> None:
        self._address = _address(path)

    def wake(self) -> None:
        # Nobody there, or a full queue: whoever is there is being woken already.
        with contextlib.suppress(OSError), _datagram_socket() as way:
            way.sendto(b"\n", self._address)


class Sleeper:
    """Sleeps at `path` until woken; takes the place of a sleeper that died, or of an older one that lives on.

    Raises OSError if the folder of `path` cannot be written to. (Where the path is too long for a socket, an older
    sleeper that lives on keeps its place, and that is an OSError too.)
    """

    def __init__(self, path: Path) -> None:
        address = _address(path)
        self._path = None if address.startswith(b"\0") else path
        self._socket = _datagram_socket()
        try:
            if self._path:
                self._path.unlink(missing_ok=True)
            self._socket.bind(address)
        except OSError:
            self._socket.close()
            raise
        self._inode = self._path.stat().st_ino if self._path else 0

    def fileno(self) -> int:
        """For an event loop: readable when woken. Call `drain` then."""
        return self._socket.fileno()

    def wait(self, timeout: float) -> bool:
        """True if woken within `timeout` seconds, or since the last wait. One wait answers any number of wakes."""
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        return bool(poll.poll(max(0.0, timeout) * 1000)) and self.drain()

    def drain(self) -> bool:
        """Take all that is pending; True if there was anything."""
        woken = False
        with contextlib.suppress(BlockingIOError):
            while self._socket.recv(16):
                woken = True
        return woken

    def close(self) -> None:
        self._socket.close()
        with contextlib.suppress(OSError):  # the file may already be a successor's
            if self._path and self._path.stat().st_ino == self._inode:
                self._path.unlink()

    def __enter__(self) -> Sleeper:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


def _datagram_socket() -> socket.socket:
    return socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)


def _address(path: Path) -> bytes:
    """The path itself, or for one that is too long an abstract name that both sides derive from it."""
    full = os.fsencode(path.absolute())
    return full if len(full) <= LONGEST else b"\0overloop-" + hashlib.sha256(full).hexdigest().encode()
