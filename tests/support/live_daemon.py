"""A whole daemon, started as anybody would start it, and a local address that logs what it is told."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, TypeVar

ROOT = Path(__file__).resolve().parents[2]
T = TypeVar("T")


def wait_until(check: Callable[[], T], what: str, seconds: float = 20.0, pause: float = 0.05) -> T:
    """The first true answer of `check`. Fails with `what` and the last answer when time runs out."""
    end = time.monotonic() + seconds
    while not (answer := check()):
        assert time.monotonic() < end, f"not within {seconds:g} s: {what} (last answer: {answer!r})"
        time.sleep(pause)
    return answer


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True)
class Answer:
    """What the daemon answered over HTTP."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def detail(self) -> str:
        """The sentence of a problem document."""
        assert self.headers["content-type"] == "application/problem+json", self.body[:500]
        return str(self.json["detail"])


class Target(ThreadingHTTPServer):
    """Where notices go; `log` is the evidence: what arrived, in order, as Apprise's json:// sends it."""

    daemon_threads = True

    def __init__(self) -> None:
        self.log: list[dict[str, str]] = []
        super().__init__(("127.0.0.1", 0), _Hook)
        self._thread = threading.Thread(target=self.serve_forever, args=(0.05,))
        self._thread.start()

    @property
    def url(self) -> str:
        return f"json://127.0.0.1:{self.server_port}/hook"

    def about(self, incident: str) -> list[dict[str, str]]:
        """The messages that name an incident, oldest first."""
        return [message for message in self.log if incident in message["message"]]

    def stop(self) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()


class _Hook(BaseHTTPRequestHandler):
    server: Target

    def do_POST(self) -> None:
        self.server.log.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


class LiveDaemon:
    """`overloop run` in a process of its own. `before` stands in front of the command (a wrapper, such as setpriv)."""

    def __init__(
        self,
        home: Path,
        rules: Sequence[Path] = (),
        environ: Mapping[str, str] | None = None,
        before: Sequence[str] = (),
        log: Path | None = None,
    ) -> None:
        self.home, self.port = home, free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        flags = [part for folder in rules for part in ("--rules", str(folder))]
        run = ["run", "--home", str(home), "--listen", f"127.0.0.1:{self.port}", *flags]
        self.command = [*before, sys.executable, "-m", "monitor.cli", *run]
        plain = {name: value for name, value in os.environ.items() if not name.startswith("OVERLOOP_")}
        self.environ = {**plain, **(environ or {})}
        self._log = log or home.with_name(home.name + ".log")
        self._process: subprocess.Popen[bytes] | None = None

    # -- life ---------------------------------------------------------------------------------------------------

    def start(self) -> LiveDaemon:
        """Start and wait until it is ready. One that does not become ready is ended."""
        self.launch()
        try:
            wait_until(self._up, "the daemon is ready", 60.0)
        except BaseException:
            self.stop()
            raise
        return self

    def launch(self) -> None:
        """Start without waiting."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self.command, cwd=ROOT, env=self.environ, stdout=log, stderr=log)

    def _up(self) -> bool:
        assert self.process.poll() is None, f"the daemon ended with {self.process.returncode}:\n{self.log()}"
        return self.ready()

    @property
    def process(self) -> subprocess.Popen[bytes]:
        assert self._process is not None, "the daemon was not started"
        return self._process

    def ready(self) -> bool:
        try:
            return self.get("/-/ready", token="").status == 200
        except OSError:
            return False

    def stop(self, number: int = signal.SIGTERM) -> int:
        """End it, and assert that nothing it started is left. Answers the exit code."""
        if self._process is None:
            return 0
        family = descendants(self.process.pid)
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            code = self.process.wait(40.0)
        finally:
            self.process.kill()
            self._process = None
        wait_until(lambda: not [one for one in family if one.alive()], f"no orphan of {family} is left", 10.0)
        return code

    def run_to_end(self, seconds: float = 30.0) -> tuple[int, str]:
        """Start what is expected to end by itself: its exit code, and what it said."""
        self.launch()
        try:
            return self.process.wait(seconds), self.log()
        finally:
            self.stop()

    def log(self) -> str:
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def family(self) -> dict[str, int]:
        """The process ids of parent, front and engine."""
        found = {"parent": self.process.pid}
        for one in descendants(self.process.pid):
            for role in ("front", "engine"):
                if one.arguments()[-1:] == [role]:
                    found[role] = one.pid
        return found

    # -- HTTP ---------------------------------------------------------------------------------------------------

    @property
    def token(self) -> str:
        return (self.home / "token").read_text().strip()

    def call(
        self,
        method: str,
        path: str,
        body: bytes | Iterable[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
        token: str | None = None,
    ) -> Answer:
        """One request; `token` "" sends none."""
        token = self.token if token is None else token
        sent = {**({"Authorization": f"Bearer {token}"} if token else {}), **(headers or {})}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, body, sent)
            response = connection.getresponse()
            return Answer(response.status, {k.lower(): v for k, v in response.headers.items()}, response.read())
        finally:
            connection.close()

    def get(self, path: str, token: str | None = None) -> Answer:
        return self.call("GET", path, token=token)

    def post(self, path: str, body: Any = None, **headers: str) -> Answer:
        """Bytes as they are, anything else as JSON; in names of headers _ stands for -."""
        raw = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        kind = {} if isinstance(body, bytes) or body is None else {"Content-Type": "application/json"}
        return self.call("POST", path, raw, kind | {name.replace("_", "-"): value for name, value in headers.items()})

    def send(self, events: Iterable[Mapping[str, Any]], route: str = "/v1/events") -> Any:
        """Post events (or truths) as NDJSON, all of which must be taken."""
        answer = self.post(route, b"\n".join(json.dumps(event).encode() for event in events))
        assert answer.status == 202 and not answer.json["rejected"], answer.body[:500]
        return answer.json

    # -- what it says of itself ---------------------------------------------------------------------------------

    def accounting(self) -> dict[str, int]:
        """Where every event is, after checking that the identities hold."""
        found: dict[str, int] = self.get("/v1/accounting").json
        assert found["received"] == found["accepted"] + found["rejected"] + found["duplicates"], found
        assert found["accepted"] == found["observed"] + found["waiting"] + found["quarantined"], found
        return found

    def settled(self, seconds: float = 30.0) -> dict[str, int]:
        """The accounting once nothing waits."""
        wait_until(lambda: self.accounting()["waiting"] == 0, "every accepted event is observed", seconds)
        return self.accounting()

    def incidents(self, **wanted: str) -> list[dict[str, Any]]:
        query = "&".join(f"{name}={value}" for name, value in wanted.items())
        found: list[dict[str, Any]] = self.get(f"/v1/incidents?limit=1000&{query}").json["incidents"]
        return found

    def incident(self, rule: str, model: str, seconds: float = 20.0) -> dict[str, Any]:
        """The newest incident of a rule on a model, once there is one."""

        def newest() -> dict[str, Any] | None:
            return next((i for i in self.incidents(model=model) if i["rule"] == rule), None)

        found = wait_until(newest, f"an incident of {rule} on {model}", seconds)
        assert found is not None
        return found

    def cli(self, *arguments: str, seconds: float = 60.0) -> subprocess.CompletedProcess[str]:
        """`overloop …` on this home, as typed."""
        environ = {**self.environ, "OVERLOOP_HOME": str(self.home), "COLUMNS": "200"}
        command = [sys.executable, "-m", "monitor.cli", *arguments]
        return subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=seconds)


@dataclass(frozen=True)
class Process:
    """One process, told apart from a later one with the same number by when it started."""

    pid: int
    started: str

    def alive(self) -> bool:
        found = _stat(self.pid)
        return found is not None and found[1] == self.started and found[2] not in "ZX"

    def arguments(self) -> list[str]:
        try:
            raw = Path(f"/proc/{self.pid}/cmdline").read_bytes()
        except OSError:
            return []
        return [part.decode(errors="replace") for part in raw.split(b"\0") if part]


def descendants(pid: int) -> list[Process]:
    """All processes below one, helpers of its children included."""
    known = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    stats = {one: stat for one in known if (stat := _stat(one)) is not None}
    family: list[Process] = []
    below = {pid}
    while below:
        below = {one for one, (parent, _, _) in stats.items() if parent in below}
        family += [Process(one, stats[one][1]) for one in sorted(below)]
    return family


def rss(pid: int) -> int:
    """Bytes of memory a process holds now."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def _stat(pid: int) -> tuple[int, str, str] | None:
    """Parent, start time and state."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return int(fields[1]), fields[19], fields[0]
