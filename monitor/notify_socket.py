"""systemd's notification protocol (sd_notify(3)): says ready, stopping, alive. Without systemd it does nothing.

Never raises and never blocks: a supervisor that does not listen must not stop the daemon.
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Mapping


class Notifier:
    """Speaks to the supervisor that `$NOTIFY_SOCKET` names. `watchdog_interval` is how often it wants to hear of us."""

    def __init__(self, environ: Mapping[str, str] = os.environ, pid: int | None = None) -> None:
        self._address = _address(environ.get("NOTIFY_SOCKET", ""))
        self.watchdog_interval = _watchdog(environ, pid or os.getpid())

    def ready(self, status: str = "") -> None:
        self._send("READY=1", _status(status))

    def status(self, text: str) -> None:
        """One line for `systemctl status`."""
        self._send(_status(text))

    def reloading(self) -> None:
        """Call `ready` when the reload is over."""
        self._send("RELOADING=1", f"MONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")

    def stopping(self, status: str = "") -> None:
        self._send("STOPPING=1", _status(status))

    def watchdog(self) -> None:
        """Still at work. Call it after completed work, at least every `watchdog_interval` seconds."""
        self._send("WATCHDOG=1")

    def extend_timeout(self, seconds: float) -> None:
        """Starting or stopping takes this much longer."""
        self._send(f"EXTEND_TIMEOUT_USEC={int(seconds * 1e6)}")

    def _send(self, *fields: str) -> None:
        if self._address is None:
            return
        message = "\n".join(field for field in fields if field)
        kind = socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, kind) as out:
            out.sendto(message.encode(errors="replace"), self._address)


def _address(name: str) -> bytes | None:
    """A path, or an abstract name written with a leading @. Other families (vsock) are not spoken."""
    raw = os.fsencode(name)
    if raw.startswith(b"@"):
        return b"\0" + raw[1:]
    return raw if raw.startswith(b"/") else None


def _watchdog(environ: Mapping[str, str], pid: int) -> float | None:
    """Half the time after which systemd takes us for dead; None if it does not watch this process."""
    meant_for, after = environ.get("WATCHDOG_PID"), environ.get("WATCHDOG_USEC", "")
    if (meant_for is not None and meant_for != str(pid)) or not after.isascii() or not after.isdigit():
        return None
    return int(after) / 2e6 or None


def _status(text: str) -> str:
    """A newline would start another field, so a status is one line; control characters do not belong there either."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return f"STATUS={line}" if line else ""
