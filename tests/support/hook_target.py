"""A receiver of pages as a process of its own: it misbehaves at first, then takes everything. Its log is evidence.

Run as `python hook_target.py LOG ANSWER BAD`: the first BAD requests are answered as ANSWER says (200, 429, 500, hangs,
drips, resets), later ones with 200. Prints its port. Each request is one line of LOG before it is answered.
"""

from __future__ import annotations

import json
import re
import socket
import struct
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any

_INCIDENT = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
ANSWERS = ("200", "500", "429", "hangs", "drips", "resets")


class HookTarget:
    """The process, as a test holds it."""

    def __init__(self, log: Path, answer: str = "200", bad: int = 1) -> None:
        self.log = log
        self.log.touch()
        command = [sys.executable, __file__, str(log), answer, str(bad)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline())

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    def requests(self) -> list[dict[str, Any]]:
        """What reached it, in order: `at`, `key`, `answer`, `status`, `reason`, `incident`, what it is `about`, and `by` what."""
        whole = self.log.read_text().rpartition("\n")[0]
        return [json.loads(line) for line in whole.splitlines()]

    def taken(self) -> Counter[str]:
        """How often each message was answered with 200, by key."""
        return Counter(request["key"] for request in self.requests() if request["answer"] == "200")

    def __enter__(self) -> HookTarget:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, log: str, answer: str, bad: int) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.log, self.answer, self.bad, self.numbers = Path(log), answer, bad, count()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A sender that was killed."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_POST(self) -> None:
        data = self.rfile.read(int(self.headers["Content-Length"]))
        body = json.loads(data)
        answer = self.server.answer if next(self.server.numbers) < self.server.bad else "200"
        line = {"at": time.time(), "answer": answer, **(_webhook(body) if "overloop" in body else _apprise(body))}
        with self.server.log.open("ab", 0) as log:
            log.write(json.dumps(line).encode() + b"\n")
        self.close_connection = True
        with suppress(OSError):
            self._answer(answer)

    def _answer(self, answer: str) -> None:
        if answer == "hangs":
            time.sleep(1e6)
        if answer == "drips":
            for letter in b"HTTP/1.1 200 OK\r\nX-Drip: " + b"d" * 1_000_000:
                self.connection.sendall(bytes([letter]))
                time.sleep(0.5)
        if answer == "resets":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
            return
        self.send_response(int(answer))
        if answer == "429":
            self.send_header("Retry-After", "1")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def _webhook(body: dict[str, Any]) -> dict[str, Any]:
    told, labels = body["overloop"], [alert["labels"] for alert in body["alerts"]]
    about = sorted(f"{each.get('alertname')} on {each.get('model')}" for each in labels)
    found = {"key": told["notice"], "status": body["status"], "reason": told["reason"], "incident": told["incident"]}
    return {**found, "about": about, "by": "webhook"}


def _apprise(body: dict[str, Any]) -> dict[str, Any]:
    """Apprise's json:// has words only: they name the incident."""
    named = _INCIDENT.search(body["message"])
    incident = named[0] if named else ""
    found = {"key": f"apprise {incident} {body['title']}", "status": body["type"], "reason": "", "incident": incident}
    return {**found, "about": [body["title"]], "by": "apprise"}


def main() -> None:
    with _Server(sys.argv[1], sys.argv[2], int(sys.argv[3])) as server:
        print(server.server_port, flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
