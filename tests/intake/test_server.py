"""The routes behind a real server, and what is left when it is killed."""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from monitor.spool import Spool

SERVER = """
import socket, sys, time
from pathlib import Path
import uvicorn
from monitor.formats.secrets import Secrets
from monitor.spool import Spool
from monitor.web.ingest import Intake

spool = Spool.open(Path(sys.argv[1]))
intake = Intake(spool, Secrets(b"a key for secret columns"), now=time.time, authorise=lambda headers: None)
intake.start()

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while (await receive())["type"] != "lifespan.shutdown":
            await send({"type": "lifespan.startup.complete"})
        await send({"type": "lifespan.shutdown.complete"})
    else:
        await (intake.truth if scope["path"] == "/v1/truth" else intake.events)(scope, receive, send)

listener = socket.socket()
listener.bind(("127.0.0.1", 0))
listener.listen(100)
print(listener.getsockname()[1], flush=True)
uvicorn.run(app, fd=listener.fileno(), log_level="error")
intake.stop()
spool.close()
"""


@contextmanager
def serving(folder: Path) -> Iterator[tuple[int, subprocess.Popen[str]]]:
    command = [sys.executable, "-c", SERVER, str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield int(process.stdout.readline()), process
    finally:
        process.terminate()
        process.wait(20)
        process.stdout.close()


def request(connection: http.client.HTTPConnection, body: Any, **headers: str) -> tuple[int, Any]:
    connection.request("POST", "/v1/events", body, headers)
    response = connection.getresponse()
    return response.status, json.loads(response.read())


def line(id_: str) -> bytes:
    return json.dumps({"id": id_, "model": "m", "output": {"x": 1}}).encode()


def test_posts_over_a_kept_connection_and_bodies_refused_unread(tmp_path: Path) -> None:
    with serving(tmp_path / "spool") as (port, _):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        assert request(connection, line("a"))[1]["accepted"] == 1
        assert request(connection, iter([line("b") + b"\n", line("c")]))[1]["accepted"] == 2  # chunked
        assert request(connection, b"broken")[0] == 202
        connection.close()
        with socket.create_connection(("127.0.0.1", port), timeout=10) as raw:
            raw.sendall(b"POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n")
            answer = b""
            while part := raw.recv(65536):  # the server closes: it does not wait for the body
                answer += part
        assert answer.startswith(b"HTTP/1.1 413") and b"application/problem+json" in answer
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as another:
            assert request(another, line("d"))[0] == 202


def test_every_answered_event_is_there_exactly_once_after_sigkill(tmp_path: Path) -> None:
    folder = tmp_path / "spool"
    answered: set[str] = set()
    lock = threading.Lock()

    def send(name: str, port: int, start: int, process: subprocess.Popen[str]) -> int:
        """Post groups of five until the server is gone; answers the number of the post that got no answer."""
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        number = start
        while True:
            ids = [f"{name}-{number}-{n}" for n in range(5)]
            headers = {"Overloop-Producer": name, "Overloop-Sequence": str(number + 1)} if name < "t2" else {}
            try:
                status, answer = request(connection, b"\n".join(map(line, ids)), **headers)
            except (OSError, http.client.HTTPException):
                connection.close()
                return number
            assert status == 202 and answer["accepted"] + answer["duplicates"] == 5
            with lock:
                answered.update(ids)
                if len(answered) > 600:
                    process.kill()
            number += 1

    left = {f"t{n}": 0 for n in range(4)}
    for _ in range(2):
        answered.clear()
        with serving(folder) as (port, process):
            with ThreadPoolExecutor(len(left)) as pool:
                begun = [pool.submit(send, name, port, start, process) for name, start in left.items()]
            left = dict(zip(left, (one.result() for one in begun), strict=True))
        with Spool.open(folder) as spool:
            kept = [json.loads(raw)["id"] for r in spool.read(0, 0, 10**9) for raw in r.payload.split(b"\n")]
            assert len(kept) == len(set(kept)) == spool.totals(0).accepted == spool.end(0)
            assert answered <= set(kept)
