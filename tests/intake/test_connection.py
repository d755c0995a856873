"""The short way of small posts: the same answers as the long way, and the parser is not asked twice."""

from __future__ import annotations

import json
import re
import socket
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest
import uvicorn

from monitor.web.connection import Connection, Heads, Start
from monitor.web.doors import Doors
from monitor.web.problems import Problem

HEAD = b"POST /v1/events HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer x\r\nContent-Length: %d\r\n\r\n"


class Seen(Connection):
    """A connection that tells how many messages its parser has read."""

    made: list[Seen]

    def __init__(self, made: list[Seen], heads: Heads, **given: Any) -> None:
        super().__init__(heads, **given)
        made.append(self)


@dataclass
class Line:
    """A client's end: whole answers, one after the other."""

    port: int
    rest: bytes = b""
    socket: socket.socket = field(init=False)

    def __post_init__(self) -> None:
        self.socket = socket.create_connection(("127.0.0.1", self.port), timeout=10)

    def say(self, *parts: bytes) -> None:
        for part in parts:
            self.socket.sendall(part)

    def answer(self) -> tuple[int, Any, dict[str, str]]:
        while (end := self.rest.find(b"\r\n\r\n")) < 0:
            self._more()
        head = self.rest[:end].decode()
        headers = {k.lower(): v for k, v in (line.split(": ", 1) for line in head.split("\r\n")[1:])}
        size = int(headers["content-length"])
        while len(self.rest) < end + 4 + size:
            self._more()
        body, self.rest = self.rest[end + 4 : end + 4 + size], self.rest[end + 4 + size :]
        return int(head.split()[1]), json.loads(body), headers

    def post(self, body: bytes, head: bytes = HEAD) -> tuple[int, Any, dict[str, str]]:
        self.say(head % len(body) + body)
        return self.answer()

    def _more(self) -> None:
        part = self.socket.recv(65_536)
        assert part, "the server hung up"
        self.rest += part


@dataclass
class Served:
    site: Any
    heads: Heads
    port: int
    made: list[Seen]
    server: uvicorn.Server
    counted: list[tuple[str, int]]
    file: Path  # of the spool
    lines: list[Line] = field(default_factory=list)

    def line(self) -> Line:
        self.lines.append(Line(self.port))
        return self.lines[-1]


@pytest.fixture
def served(make_site: Callable[..., Any], tmp_path: Path) -> Iterator[Callable[..., Served]]:
    running: list[tuple[uvicorn.Server, threading.Thread, socket.socket]] = []
    ends: list[Served] = []

    def start(**given: Any) -> Served:
        site = make_site(**given)
        counted: list[tuple[str, int]] = []

        def count(route: str, status: int, seconds: float) -> None:
            counted.append((route, status))

        ways = {"/v1/events": site.intake.events, "/v1/truth": site.intake.truth}
        doors = {path: Doors(app, {"localhost"}, count) for path, app in ways.items()}
        heads, made = Heads(doors, site.intake), list[Seen]()

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await doors[scope["path"]](scope, receive, send)

        http = cast(Any, partial(Seen, made, heads))
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off", loop="uvloop", http=http))
        listener = socket.create_server(("127.0.0.1", 0))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        running.append((server, thread, listener))
        file = next((tmp_path / given.get("folder", "spool")).rglob("*.db"))
        ends.append(Served(site, heads, listener.getsockname()[1], made, server, counted, file))
        return ends[-1]

    yield start
    for line in (line for end in ends for line in end.lines):
        line.socket.close()
    for server, thread, listener in running:
        server.should_exit = True
        thread.join(10)
        listener.close()


def event(id_: str, **more: Any) -> bytes:
    return json.dumps({"id": id_, "model": "m", "output": {"x": 1}, **more}).encode()


def undated(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name != "date"}


def test_the_parser_reads_a_head_once_however_many_connections_send_it(served: Callable[..., Served]) -> None:
    here = served()
    first, second = here.line(), here.line()
    for number in range(3):
        assert first.post(event(f"a{number}", inputs={"text": "t" * number}))[:2] == (
            202,
            {"accepted": 1, "rejected": [], "duplicates": 0},
        )
        assert second.post(event(f"b{number}"))[0] == 202
    assert [one._messages for one in here.made] == [1, 0]
    assert sorted(e["id"] for e in here.site.kept()) == ["a0", "a1", "a2", "b0", "b1", "b2"]
    assert here.counted == [("/v1/events", 202)] * 6


@pytest.mark.parametrize(
    "body",
    [
        event("0"),  # a duplicate
        event("new"),
        event("1") + b"\n" + b'{"model": "m"}',  # one line of two
        event("y") + b"\n" + event("z"),
        b"[1, 2",  # unreadable
        b"",
        b"{}",
        event("big", inputs={"text": "x" * 100_000}),
    ],
)
def test_both_ways_give_the_same_answer(served: Callable[..., Served], body: bytes) -> None:
    ways = []
    for name, way in (("short", HEAD), ("long", HEAD.replace(b"\r\n\r\n", b"\r\nConnection: Keep-Alive, x\r\n\r\n"))):
        here = served(folder=name)
        line = here.line()
        line.post(event("0"))
        status, answer, headers = line.post(body, way)
        ways.append((status, answer, undated(headers), sorted(e["id"] for e in here.site.kept())))
        totals = here.site.spool.totals(0)
        ways[-1] += (totals, here.site.intake.refused_since_commit(0), here.counted)
    assert ways[0] == ways[1]


def test_what_comes_in_parts_or_together_is_answered_in_order(served: Callable[..., Served]) -> None:
    here = served()
    line = here.line()
    line.post(event("a0"))
    whole = [HEAD % len(event(f"b{n}")) + event(f"b{n}") for n in range(6)]
    line.say(whole[0][:60])
    line.say(whole[0][60:])  # whenever it comes, it belongs to what came before
    assert line.answer()[1]["accepted"] == 1
    line.say(whole[1] + whole[2])
    assert [line.answer()[1]["accepted"] for _ in range(2)] == [1, 1]
    line.say(whole[3])
    line.say(whole[4])
    line.say(whole[5])
    assert [line.answer()[1]["accepted"] for _ in range(3)] == [1, 1, 1]
    assert line.post(event("c0"))[1]["accepted"] == 1
    assert [e["id"] for e in here.site.kept()] == ["a0", "b0", "b1", "b2", "b3", "b4", "b5", "c0"]


def test_a_sender_who_may_post_no_more_is_refused_though_its_head_is_known(served: Callable[..., Served]) -> None:
    verdicts: list[Any] = []
    here = served(authorise=lambda headers: verdicts[-1] if verdicts else None)
    line = here.line()
    assert [line.post(event(id_))[0] for id_ in "ab"] == [202, 202]
    verdicts.append(Problem(401, "Posting needs a token."))
    assert line.post(event("c"))[0] == 401
    assert [e["id"] for e in here.site.kept()] == ["a", "b"]


def test_a_head_is_known_by_all_but_its_length() -> None:
    starts = [Start.of(HEAD % size + b"x" * size) for size in (0, 7, 123_456)]
    assert [(one.size, one.key) for one in starts if one] == [
        (size, HEAD.replace(b"%d", b"")) for size in (0, 7, 123_456)
    ]
    assert [one.body for one in starts if one] == [len(HEAD % size) for size in (0, 7, 123_456)]


@pytest.mark.parametrize(
    "head",
    [
        b"POST / HTTP/1.1\r\nX-Strength: 5\r\nContent-Length: 5\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length:5\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: +5\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 5 \r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 1234567\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 5\r\n",
        b"POST / HTTP/1.1\r\nPad: " + b"x" * 3_000 + b"\r\nContent-Length: 5\r\n\r\n",
        b"\r\n\r\nContent-Length: 5\r\n",
        b"",
    ],
)
def test_a_length_that_is_not_said_in_the_usual_way_is_for_the_parser(head: bytes) -> None:
    assert Start.of(head + b"12345") is None


@pytest.mark.parametrize(
    "head",
    [
        b"POST /v1/events HTTP/1.1\r\nHost: elsewhere\r\nContent-Length: %d\r\n\r\n",
        b"PUT /v1/events HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n",
        b"POST /v1/events HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n",
        b"POST /v1/%%65vents HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n",
        b"POST /v1/events HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n",
        HEAD.replace(b"\r\n\r\n", b"\r\nOverloop-Producer: p\r\nOverloop-Sequence: 1\r\n\r\n"),
        b"POST /v1/events HTTP/1.1\r\nHost: localhost\r\nContent-Encoding: br\r\nContent-Length: %d\r\n\r\n",
    ],
)
def test_heads_that_are_not_plain_are_read_each_time(served: Callable[..., Served], head: bytes) -> None:
    here = served()
    line = here.line()
    for _ in range(2):
        body = event("a")
        line.say(head % len(body) + body)
        if b"100-continue" in head:
            while b"100 Continue\r\n\r\n" not in line.rest:
                line._more()
            line.rest = line.rest.replace(b"HTTP/1.1 100 Continue\r\n\r\n", b"")
        line.answer()
    assert here.made[0]._messages == 2


def test_a_disk_that_takes_nothing_is_told_as_everywhere_else(served: Callable[..., Served]) -> None:
    here = served()
    line = here.line()
    assert line.post(event("a"))[0] == 202
    with sqlite3.connect(here.file, isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        status, problem, headers = line.post(event("b"))
        other.execute("ROLLBACK")
    other.close()
    assert (status, headers["content-type"], problem["status"]) == (503, "application/problem+json", 503)
    assert re.search("locked by another program", problem["detail"]) and headers["cache-control"] == "no-store"
    assert here.counted[-1] == ("/v1/events", 503)
    assert line.post(event("b"))[1]["accepted"] == 1
    assert here.site.spool.totals(0).refused == 1 or here.site.intake.refused_since_commit(0) == 1
    assert here.made[0]._messages == 1


def test_a_server_that_ends_answers_what_it_has_taken(served: Callable[..., Served]) -> None:
    here = served()
    line = here.line()
    line.post(event("a"))
    with sqlite3.connect(here.file, isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        line.say(HEAD % len(event("b")) + event("b"))
        while not here.site.intake.pending_posts:
            threading.Event().wait(0.01)
        here.server.should_exit = True
        other.execute("ROLLBACK")
    other.close()
    assert line.answer()[0] == 202
    assert sorted(e["id"] for e in here.site.kept()) == ["a", "b"]


def test_a_sender_that_hangs_up_while_the_disk_works_harms_nobody(served: Callable[..., Served]) -> None:
    here = served()
    line = here.line()
    line.post(event("a"))
    line.say(HEAD % len(event("b")) + event("b"))
    line.socket.close()
    other = here.line()
    assert other.post(event("c"))[0] == 202
    assert {"a", "c"} <= {e["id"] for e in here.site.kept()}


def flood(here: Served, head: bytes) -> int:
    """Post after post without reading an answer: the most that waited in the server's own memory, in bytes."""
    line = Line.__new__(Line)
    line.port, line.rest, line.socket = here.port, b"", socket.socket()
    line.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    line.socket.connect(("127.0.0.1", here.port))
    here.lines.append(line)
    line.socket.settimeout(3)
    body, most = b"x\n" * 900, 0
    for number in range(300):
        try:
            line.say(head % len(body) + body)
        except TimeoutError:
            break
        end = time.monotonic() + 1.0
        while len(here.counted) <= number and time.monotonic() < end:
            time.sleep(0.002)
        if len(here.counted) <= number:
            break  # the server waits until its answers are read
        transport = here.made[-1].transport
        most = max(most, 0 if transport is None else transport.get_write_buffer_size())
    return most


@pytest.mark.parametrize("head", [HEAD, HEAD.replace(b"\r\n\r\n", b"\r\nConnection: Keep-Alive, x\r\n\r\n")])
def test_a_sender_that_reads_no_answers_is_held_up(served: Callable[..., Served], head: bytes) -> None:
    assert flood(served(), head) < 1 << 20
