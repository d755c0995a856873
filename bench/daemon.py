"""A daemon of the bench's own: `overloop run` in a folder, and what its processes cost, from /proc."""

from __future__ import annotations

import http.client
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from monitor.cli.http import Daemon

TICKS = os.sysconf("SC_CLK_TCK")  # of /proc's processor times, a second


@dataclass(slots=True)
class Running:
    """A daemon that answers. `ready` is how long it took from its start, in seconds."""

    url: str
    home: Path
    process: subprocess.Popen[bytes]
    ready: float = 0.0

    @property
    def api(self) -> Daemon:
        return Daemon(self.url, self.home)

    def post(self, bodies: Sequence[bytes]) -> None:
        """Post bodies of NDJSON one after the other over one connection."""
        token = self.api.token
        connection = http.client.HTTPConnection(self.url.removeprefix("http://"))
        for body in bodies:
            connection.request("POST", "/v1/events", body, {"Authorization": f"Bearer {token}"})
            answer = connection.getresponse()
            text = answer.read()
            if answer.status != 202:
                raise RuntimeError(f"The daemon answered {answer.status} to a post: {text.decode(errors='replace')}")
        connection.close()

    def observed(self) -> int:
        return int(self.api.json("/v1/accounting")["observed"])

    def wait_observed(self, events: int, seconds: float = 600.0) -> None:
        """Wait until that many events were observed in all."""
        until = time.monotonic() + seconds
        while self.observed() < events:
            if time.monotonic() > until:
                raise RuntimeError(f"Only {self.observed():,} of {events:,} events were observed in {seconds:.0f} s.")
            time.sleep(0.02)

    def processes(self) -> dict[int, str]:
        """Every process of the daemon by its id, with the words that tell which it is."""
        found, left = {}, [self.process.pid]
        while left:
            pid = left.pop()
            try:
                words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
                left += map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
            except OSError:
                continue  # it has ended
            found[pid] = _role(b" ".join(words).decode(errors="replace"))
        return found

    def memory(self, what: str = "Pss") -> dict[str, float]:
        """Megabytes by process, from smaps_rollup: Pss shares out what several map, Rss counts it in each."""
        return {role: _rollup(pid, what) / 1e3 for pid, role in self.processes().items()}

    def cpu(self) -> float:
        """Seconds of processor time that all processes have used, their ended children included."""
        return sum(_cpu(pid) for pid in self.processes())


@contextmanager
def running(
    home: Path, rules: Path | None = None, *more: str, environment: Mapping[str, str] | None = None
) -> Iterator[Running]:
    """A daemon that is ready, stopped in the end as a person stops one."""
    url = f"http://127.0.0.1:{free_port()}"
    command = [sys.executable, "-m", "monitor.cli", "run", "--home", str(home), "--listen", url.removeprefix("http://")]
    command += [*more, *([] if rules is None else ["--rules", str(rules)])]
    began = time.monotonic()
    with subprocess.Popen(command, stderr=subprocess.DEVNULL, env={**os.environ, **(environment or {})}) as process:
        daemon = Running(url, home, process)
        try:
            daemon.api.wait_ready(120.0, process)
            daemon.ready = time.monotonic() - began
            yield daemon
        finally:
            process.terminate()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _role(command: str) -> str:
    known = {"child engine": "engine", "child front": "front", "apprise_helper": "messages"}
    return next((role for words, role in known.items() if words in command), "parent")


def _rollup(pid: int, what: str) -> float:
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0.0
    return next(float(line.split()[1]) for line in text.splitlines() if line.startswith(f"{what}:"))


def _cpu(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(map(int, fields[11:15])) / TICKS
