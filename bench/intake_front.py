"""The front process as the daemon runs it, with no engine beside it: what intake is measured on."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

TICK = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Site:
    """A front that listens on loopback."""

    port: int
    token: str
    pid: int
    home: Path

    def cpu(self) -> float:
        """Seconds of processor time that it has used so far, all threads."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICK

    def head(self, path: str = "/v1/events", method: str = "POST") -> bytes:
        """The first lines of a request; a body's length and the empty line come behind them."""
        host = f"127.0.0.1:{self.port}"
        return f"{method} {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {self.token}\r\n".encode()


@contextmanager
def alone() -> Iterator[Site]:
    """A front on a fresh home, durability on, of which nothing is ever observed."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "bench.intake_front", folder]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            try:
                port = int(process.stdout.readline())
                yield Site(port, (Path(folder) / "token").read_text().strip(), process.pid, Path(folder))
            finally:
                process.terminate()


def main() -> None:
    from monitor.app.front import FrontProcess, serve
    from monitor.app.home import Home, fill, make
    from monitor.settings import Settings

    home: Home = make(Path(sys.argv[1]))
    fill(home)
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    with socket.create_server(("127.0.0.1", 0), backlog=4096) as listener:
        port = listener.getsockname()[1]
        process = FrontProcess(home, Settings(home=home.path, listen=f"127.0.0.1:{port}"), listener)

        def told(word: str) -> None:
            if word == "ready":
                print(port, flush=True)

        serve(process, stop, told)


if __name__ == "__main__":
    main()
