"""`overloop run` as real processes, for tests that kill them."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
# Seconds a test waits for what must happen, on a machine that is busy; on one that is busier, more.
WAIT = float(os.environ.get("OVERLOOP_TEST_WAIT") or 40.0)

PACK = """
pack: tests
models: ["*"]
rules:
- alert: Low
  count: {of: output.confidence < 0.2, above: 3, over: 10m}
  severity: high
- alert: Silent
  absent: {for: 20m}
  severity: low
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def until(what: Callable[[], Any], why: str, seconds: float = WAIT) -> Any:
    """The first answer that is true; asks again until then. A test fails with `why` if there is none in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = what()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError(f"waited {seconds:.0f} s in vain: {why}")


class Daemon:
    """One home and the daemon on it. `start` and `kill` may be called again and again."""

    def __init__(
        self, folder: Path, pack: str = PACK, toml: str = "", environ: Mapping[str, str] | None = None
    ) -> None:
        self.home, self.folder = folder / "home", folder
        self.rules = folder / "rules"
        self.pack(pack)
        self.config = folder / "overloop.toml"
        self.config.write_text(toml)
        self.environ = {**os.environ, "PYTHONPATH": str(ROOT), **(environ or {})}
        self.environ.pop("NOTIFY_SOCKET", None)
        self.environ |= environ or {}
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None
        self.log = folder / "log"

    def pack(self, text: str) -> None:
        path = self.rules / "tests" / "pack.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    # -- life ---------------------------------------------------------------------------------------------------

    @property
    def command(self) -> list[str]:
        options = ["--home", self.home, "--listen", f"127.0.0.1:{self.port}", "--rules", self.rules]
        return [sys.executable, "-m", "monitor.cli", "run", *map(str, options), "--config", str(self.config)]

    def launch(self, *more: str, command: Sequence[str] = ()) -> Daemon:
        """Start it and do not wait."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*(command or self.command), *more], stdout=log, stderr=log, env=self.environ, cwd=self.folder
            )
        return self

    def start(self, *more: str) -> Daemon:
        self.launch(*more)
        self.ready()
        return self

    def ready(self) -> None:
        assert self.process is not None
        until(lambda: self.is_ready() or self.process.poll() is not None, "the daemon is not ready")  # type: ignore[union-attr]
        assert self.process.poll() is None, self.log.read_text()

    def is_ready(self) -> bool:
        return self.ask("/-/ready")[0] == 200

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def child(self, role: str) -> int:
        """The process id of front or engine; waits until there is one."""
        return int(
            until(
                lambda: next((p for p in children(self.pid) if command_of(p)[-1:] == [role]), None),
                f"there is no {role}",
            )
        )

    def family(self) -> list[int]:
        """All processes of the daemon."""
        return [self.pid, *descendants(self.pid)]

    def stop(self, seconds: float = WAIT) -> int:
        """SIGTERM; answers the exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(seconds)

    def kill(self) -> None:
        """SIGKILL for the parent alone; whoever outlives it by two seconds is an orphan."""
        assert self.process is not None
        family = self.family()
        self.process.kill()
        self.process.wait()
        until(lambda: not [pid for pid in family if alive(pid)], "an orphan is left", seconds=2.0)

    def end(self) -> None:
        """For fixtures: whatever is left goes."""
        if self.process is not None and self.process.poll() is None:
            for pid in reversed(self.family()):
                with_suppressed(lambda pid=pid: os.kill(pid, signal.SIGKILL))  # type: ignore[misc]
            self.process.wait()

    def said(self, action: str) -> list[dict[str, Any]]:
        """What was logged under an action."""
        lines = [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]
        return [line for line in lines if line.get("action") == action]

    # -- HTTP ---------------------------------------------------------------------------------------------------

    def ask(self, path: str, body: Any = None, timeout: float = 25.0) -> tuple[int, Any]:
        """Status and answer; (0, why) if there is none. A body is posted."""
        headers = {"Content-Type": "application/json"}
        if (self.home / "token").exists():
            headers["Authorization"] = f"Bearer {(self.home / 'token').read_text().strip()}"
        data = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data, headers)
        try:
            with urllib.request.urlopen(request, timeout=timeout) as answer:
                return answer.status, json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as refused:
            return refused.code, json.loads(refused.read() or b"null")
        except (OSError, ValueError) as problem:
            return 0, repr(problem)

    def page(self, path: str) -> str:
        """A page as a browser asks for it, with the token; a refusal is a page, too."""
        token = (self.home / "token").read_text().strip()
        headers = {"Authorization": f"Bearer {token}", "Accept": "text/html"}
        try:
            asked = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", None, headers)
            with urllib.request.urlopen(asked, timeout=WAIT) as answer:
                return str(answer.read().decode())
        except urllib.error.HTTPError as refused:
            return str(refused.read().decode())

    def text(self, path: str) -> str:
        """An answer that is no JSON."""
        headers = {"Authorization": f"Bearer {(self.home / 'token').read_text().strip()}"}
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", None, headers)
        with urllib.request.urlopen(request, timeout=WAIT) as answer:
            return str(answer.read().decode())

    def post(self, *events: dict[str, Any]) -> tuple[int, Any]:
        return self.ask("/v1/events", b"\n".join(json.dumps(event).encode() for event in events))

    def accept(self, *events: dict[str, Any]) -> None:
        """Post events that must all be taken."""
        status, answer = self.post(*events)
        assert status == 202 and answer["accepted"] == len(events), answer

    def accounting(self) -> dict[str, Any]:
        status, found = self.ask("/v1/accounting")
        assert status == 200, found
        return dict(found)

    def observed(self, count: int) -> None:
        """Wait until this many events are observed, and check that none is missing or counted twice."""
        until(lambda: self.ask("/v1/accounting")[1].get("observed") == count, f"{count} events are not observed")
        found = self.accounting()
        assert (found["accepted"], found["waiting"], found["quarantined"]) == (count, 0, 0), found

    def incidents(self) -> list[dict[str, Any]]:
        status, found = self.ask("/v1/incidents")
        return list(found["incidents"]) if status == 200 else []

    def incident(self, rule: str = "Low") -> dict[str, Any]:
        """The incident of a rule, once there is one."""
        found = until(lambda: [i for i in self.incidents() if i["rule"] == rule], f"no incident of {rule}")
        return dict(found[0])


class Poster(threading.Thread):
    """Posts events, two at a time, until it is told to stop. `answered` holds the ids of those that were taken."""

    def __init__(self, daemon: Daemon) -> None:
        super().__init__(daemon=True)
        self.target, self.answered, self.sent = daemon, list[str](), 0
        self._stop_it = threading.Event()

    def run(self) -> None:
        while not self._stop_it.is_set():
            ids = [f"p{self.sent + i}" for i in range(2)]
            self.sent += 2
            status, answer = self.target.post(*({"id": i, "model": "m", "output": {"confidence": 0.9}} for i in ids))
            if status == 202 and answer["accepted"] == 2:
                self.answered += ids
            self._stop_it.wait(0.005)

    def stop(self) -> None:
        self._stop_it.set()
        self.join(WAIT)


class Receiver(ThreadingHTTPServer):
    """Takes messages and keeps them."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.messages: list[dict[str, str]] = []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"json://127.0.0.1:{self.server_port}/hook"


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.messages.append(json.loads(body))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


# -- processes ------------------------------------------------------------------------------------------------------


def alive(pid: int) -> bool:
    """There, and not merely waiting to be buried."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"


def children(pid: int) -> list[int]:
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found += map(int, task.read_text().split())
        except OSError:
            continue
    return found


def descendants(pid: int) -> list[int]:
    return [other for child in children(pid) for other in (child, *descendants(child))]


def command_of(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")[:-1]
    except OSError:
        return []


def with_suppressed(act: Callable[[], object]) -> None:
    with contextlib.suppress(ProcessLookupError):
        act()
