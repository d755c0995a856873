"""A bounded load on loopback, in a process of its own: requests made in advance, sent as fast as they are answered, or
at a steady rate over new connections. Prints what became of them as JSON.
"""

from __future__ import annotations

import json
import selectors
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

import msgspec

PATIENCE = 30.0  # seconds without any answer after which the run is over


@dataclass(slots=True)
class Load:
    """What became of the requests of one run: seconds from the first byte sent to the last answer."""

    seconds: float = 0.0
    statuses: dict[str, int] = field(default_factory=dict)
    accepted: int = 0
    duplicates: int = 0
    retry_after: int = 0  # refusals that say when to come again
    failed: int = 0  # connections that were refused or broke off
    latencies: list[float] = field(default_factory=list)  # milliseconds, at most 10,000 of them
    cpu: float = 0.0  # seconds of the generator itself
    late: float = 0.0  # seconds by which the last request of a steady load began too late


def run(port: int, head: bytes, lines: list[bytes], **how: Any) -> Load:
    """Send in another process. `how`: connections, a_post, posts (as fast as possible), or rate and seconds (events a
    second over new connections, one each). The ids of the lines are made different by their place in the load.
    """
    told = {"port": port, "head": head.decode(), "lines": [line.decode() for line in lines], **how}
    done = subprocess.run(
        [sys.executable, "-m", "bench.intake_load"], input=msgspec.json.encode(told), stdout=subprocess.PIPE, check=True
    )
    return Load(**msgspec.json.decode(done.stdout))


def main() -> None:
    told = msgspec.json.decode(sys.stdin.buffer.read())
    port, head = told["port"], told["head"].encode()
    lines = [line.encode() for line in told["lines"]]
    began = time.process_time()
    if "rate" in told:
        load = steady(port, requests(head + b"Connection: close\r\n", lines, 1, 1 << 30), told["rate"], told["seconds"])
    else:
        made = list(requests(head, lines, told["a_post"], told["posts"]))
        began = time.process_time()
        load = flat_out(port, made, told["connections"])
    load.cpu = time.process_time() - began
    load.latencies = sorted(load.latencies)[:: max(1, len(load.latencies) // 10_000)]
    print(json.dumps(asdict(load)))


def requests(head: bytes, lines: list[bytes], a_post: int, posts: int) -> Iterator[bytes]:
    """Whole requests of `a_post` lines; where the lines begin again, their ids do not."""
    bodies = [b"\n".join(lines[start : start + a_post]) for start in range(0, len(lines), a_post)]
    for number in range(posts):
        round_, which = divmod(number, len(bodies))
        body = bodies[which].replace(b'"id": "bench-', b'"id": "%05d-' % round_)
        yield b"%sContent-Length: %d\r\n\r\n%s" % (head, len(body), body)


def flat_out(port: int, made: list[bytes], connections: int) -> Load:
    """Keep-alive connections, each with one request under way."""
    load, waiting = Load(), deque(made)
    selector = selectors.EpollSelector()
    open_ = [_Connection(port) for _ in range(min(connections, len(made)))]
    began = time.perf_counter()
    for connection in open_:
        selector.register(connection.socket, selectors.EVENT_READ, connection)
        connection.send(waiting.popleft())
    busy = len(open_)
    while busy:
        ready = selector.select(PATIENCE)
        if not ready:
            raise SystemExit("The front has not answered for a while.")
        for key, _ in ready:
            connection = key.data
            if not connection.receive(load):
                continue
            if waiting:
                connection.send(waiting.popleft())
            else:
                busy -= 1
    load.seconds = time.perf_counter() - began
    for connection in open_:
        connection.socket.close()
    return load


def steady(port: int, made: Iterable[bytes], rate: float, seconds: float) -> Load:
    """A new connection for each request, begun when its time has come whatever became of those before."""
    load, under_way = Load(), 0
    selector = selectors.EpollSelector()
    made = iter(made)
    began = answered = time.perf_counter()
    sent, total = 0, int(rate * seconds)
    while sent < total or under_way:
        now = time.perf_counter()
        due = min(int((now - began) * rate) + 1, total)
        while sent < due:
            load.late = max(load.late, now - began - sent / rate)
            sent += 1
            try:
                connection = _Connection(port)
                connection.send(next(made))
            except OSError:
                load.failed += 1
                continue
            selector.register(connection.socket, selectors.EVENT_READ, connection)
            under_way += 1
        for key, _ in selector.select(0.001 if sent < total else 0.1):
            if key.data.receive(load):
                answered = now
                selector.unregister(key.data.socket)
                key.data.socket.close()
                under_way -= 1
        if now - max(answered, began) > PATIENCE:
            load.failed += under_way
            break
    load.seconds = time.perf_counter() - began
    return load


class _Connection:
    """One request at a time."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._got, self._sent = b"", 0.0

    def send(self, request: bytes) -> None:
        self._sent = time.perf_counter()
        self.socket.sendall(request)

    def receive(self, load: Load) -> bool:
        """Read what is there; True when the request is done, one way or another."""
        try:
            part = self.socket.recv(65_536)
        except OSError:
            part = b""
        if not part:
            load.failed += 1
            return True
        self._got += part
        head, end, body = self._got.partition(b"\r\n\r\n")
        if not end or len(body) < int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0]):
            return False
        status = head[9:12].decode()
        load.statuses[status] = load.statuses.get(status, 0) + 1
        load.latencies.append(1e3 * (time.perf_counter() - self._sent))
        if status == "202":
            answer = msgspec.json.decode(body)
            load.accepted += answer["accepted"]
            load.duplicates += answer["duplicates"]
        load.retry_after += b"retry-after" in head.lower()
        self._got = b""
        return True


if __name__ == "__main__":
    main()
