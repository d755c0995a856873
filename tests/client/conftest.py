"""The other side of the wire: a daemon that answers as the test says."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest

Answer = tuple[int, dict[str, str], Any]


class Daemon:
    """An HTTP server on a free port. `answer` decides; `requests` are (path, headers, body) in the order they came."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        self.arrived = threading.Condition()
        self.stream: SimpleQueue[bytes | None] | None = None  # frames of server-sent events; None ends the stream
        self.answer: Callable[[str, dict[str, str], bytes], Answer] = self.accept
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self.thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def accept(self, path: str, headers: dict[str, str], body: bytes) -> Answer:
        return 202, {}, {"accepted": len(body.split(b"\n")), "rejected": [], "duplicates": 0}

    def lines(self, path: str = "/v1/events") -> list[Any]:
        return [json.loads(line) for at, _, body in self.requests if at == path for line in body.split(b"\n")]

    def wait(self, count: int) -> None:
        """Until so many requests have come."""
        with self.arrived:
            assert self.arrived.wait_for(lambda: len(self.requests) >= count, 10)

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def _handler(self) -> type[http.server.BaseHTTPRequestHandler]:
        daemon = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _serve(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                headers = {k.lower(): v for k, v in self.headers.items()}
                with daemon.arrived:
                    daemon.requests.append((self.path, headers, body))
                    daemon.arrived.notify_all()
                if "event-stream" in headers.get("accept", "") and daemon.stream is not None:
                    self._stream(daemon.stream)
                    return
                status, extra, answer = daemon.answer(self.path, headers, body)
                if status == 0:  # the line goes dead
                    self.close_connection = True
                    return
                data = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
                self.send_response(status)
                for name, value in {"Content-Length": str(len(data)), **extra}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(data)

            def _stream(self, frames: SimpleQueue[bytes | None]) -> None:
                self.close_connection = True
                self.send_response(200)
                self.send_header("Content-Type", "text/event-stream")
                self.send_header("Connection", "close")
                self.end_headers()
                with suppress(OSError):
                    while (frame := frames.get()) is not None:
                        self.wfile.write(frame)
                        self.wfile.flush()

            do_POST = do_GET = _serve  # noqa: N815

            def log_message(self, *_: Any) -> None:
                pass

        return Handler


@pytest.fixture
def daemon() -> Iterator[Daemon]:
    one = Daemon()
    yield one
    one.close()


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where gates keep what they knew last: not in the home of whoever runs the tests."""
    folder = tmp_path / "state"
    monkeypatch.setenv("OVERLOOP_STATE", str(folder))
    return folder
