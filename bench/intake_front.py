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

from monitor.cli.http import Daemon

PACK = Path(__file__).parent / "pack"
TICK = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Site:
    """A front that listens on loopback."""

    port: int
    token: str
    pid: int
    home: Path
    engine: int = 0  # its process, if there is one

    @contextmanager
    def engine_stopped(self) -> Iterator[None]:
        """So that what is posted meanwhile waits for it."""
        os.kill(self.engine, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self.engine, signal.SIGCONT)

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


@contextmanager
def working() -> Iterator[Site]:
    """A whole daemon on a fresh home, with the rules of `bench/pack`: what is posted is observed beside the front."""
    with tempfile.TemporaryDirectory() as folder, socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
        free.close()
        command = [sys.executable, "-m", "monitor.cli", "run", "--home", folder, "--listen", f"127.0.0.1:{port}"]
        daemon = Daemon(f"http://127.0.0.1:{port}", Path(folder))
        with subprocess.Popen([*command, "--rules", str(PACK)], stderr=subprocess.DEVNULL) as process:
            try:
                daemon.wait_ready(60.0, process)
                front, engine = (_child(process.pid, role) for role in (b"front", b"engine"))
                yield Site(port, (Path(folder) / "token").read_text().strip(), front, Path(folder), engine)
            finally:
                process.terminate()


def _child(parent: int, role: bytes) -> int:
    """The daemon's process of that role."""
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    return next(int(pid) for pid in children if role in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0"))


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
