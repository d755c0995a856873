"""A daemon under strace, what it promised to whom and when, and what a disk holds that lost its power then."""

from __future__ import annotations

import http.client
import json
import os
import random
import re
import signal
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from daemon_process import Daemon, children, until
from disk_image import Disk
from system_calls import MOST, TRACED, Call, calls

_KEY = re.compile(rb"^Idempotency-Key: (\S+)\r$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Promise:
    """From this line of the trace on somebody has heard it: `events` are accepted, an incident is `acknowledged`, or
    the receiver has the first byte of a `page` (then `what` is its key).
    """

    line: int
    kind: str
    what: tuple[str, ...]


@dataclass(slots=True)
class Asked:
    """What a client asked on one connection, in order: what a good answer to it promises."""

    port: int
    answers: list[tuple[bytes, str, tuple[str, ...]]] = field(default_factory=list)  # status, kind, what


class Client:
    """One connection that stays open, and a note of everything that it was promised."""

    def __init__(self, daemon: Daemon) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", daemon.port, timeout=60)
        self._connection.connect()
        self._token = (daemon.home / "token").read_text().strip()
        self.asked = Asked(self._connection.sock.getsockname()[1])

    def post(self, path: str, body: bytes, status: int, kind: str, what: Sequence[str]) -> None:
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
        self._connection.request("POST", path, body, headers)
        answer = self._connection.getresponse()
        said = answer.read()
        assert answer.status == status, said
        self.asked.answers.append((b"HTTP/1.1 %d" % status, kind, tuple(what)))

    def events(self, *events: dict[str, object]) -> None:
        body = b"\n".join(json.dumps(event).encode() for event in events)
        self.post("/v1/events", body, 202, "events", [str(event["id"]) for event in events])

    def close(self) -> None:
        self._connection.close()


class Traced:
    """A daemon that runs under strace from its first start on an empty home until it is told to stop."""

    def __init__(self, daemon: Daemon, strace: str) -> None:
        self.daemon, self.trace = daemon, daemon.folder / "trace"
        options = ["-f", "-yy", "-ttt", "-xx", "-s", str(MOST), "-qq", "-o", self.trace, "-e", f"trace={TRACED}"]
        daemon.launch(command=[strace, *map(str, options), *daemon.command])
        daemon.ready()
        self.asked: list[Asked] = []

    def post_at_once(self, posts: Sequence[Sequence[dict[str, object]]], clients: int) -> None:
        """Spread over some connections that post at the same time."""

        def work(mine: Sequence[Sequence[dict[str, object]]]) -> None:
            client = Client(self.daemon)
            self.asked.append(client.asked)
            for events in mine:
                client.events(*events)
            client.close()

        threads = [threading.Thread(target=work, args=(posts[number::clients],)) for number in range(clients)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def acknowledge(self, incident: str) -> None:
        client = Client(self.daemon)
        self.asked.append(client.asked)
        client.post(f"/v1/incidents/{incident}/acknowledge", b"{}", 200, "acknowledged", [incident])
        client.close()

    def stop(self) -> int:
        """Ends the daemon in order, and strace with it; answers the exit code."""
        (parent,) = children(self.daemon.pid)
        os.kill(parent, signal.SIGTERM)
        process = self.daemon.process
        assert process is not None
        until(lambda: process.poll() is not None, "the daemon does not stop")
        return int(process.returncode)

    def calls(self) -> list[Call]:
        """What concerns the home, this machine's network, or nothing that is named."""
        home = "".join(f"\\x{byte:02x}" for byte in str(self.daemon.home).encode())
        with self.trace.open() as lines:
            wanted = (line if home in line or "TCP" in line or "resumed>" in line else _empty(line) for line in lines)
            return [call for call in calls(wanted) if call.name != "nothing"]


def _empty(line: str) -> str:
    """Most lines are about other files: they keep their place and cost nothing."""
    pid, at, rest = line.split(None, 2)
    return f"{pid} {at} nothing( <unfinished ...>\n" if "<unfinished" in rest else f"{pid} {at} nothing() = 0\n"


def promises(found: Sequence[Call], asked: Sequence[Asked], port: int, target: int) -> list[Promise]:
    """Everything that was promised, by the line in which its first byte was handed to the system."""
    waiting = {f"TCP:[127.0.0.1:{port}->127.0.0.1:{each.port}]": iter(each.answers) for each in asked}
    made: list[Promise] = []
    for call in sorted(found, key=lambda call: call.began):
        if call.where in waiting and call.data.startswith(b"HTTP/1.1 "):
            status, kind, what = next(waiting[call.where])
            assert call.data.startswith(status), call.data[:100]
            made.append(Promise(call.began, kind, what))
        elif call.where.endswith(f"->127.0.0.1:{target}]") and (key := _KEY.search(call.data)) is not None:
            made.append(Promise(call.began, "page", (key[1].decode(),)))
    left = [what for answers in waiting.values() for _, _, what in answers]
    assert not left, f"answers that are not in the trace: {left}"
    return made


@dataclass(frozen=True, slots=True)
class Moment:
    """The disk just before a sync ends, and what has been promised by then."""

    line: int
    disk: Disk
    owed: tuple[Promise, ...]

    def cut(self, into: Path, seed: int | None = None) -> None:
        """The power is cut now: see `Disk.image`."""
        self.disk.image(into, None if seed is None else random.Random(seed * 1_000_003 + self.line))


def replay(root: Path, found: Sequence[Call], stops: Sequence[int]) -> Iterator[tuple[int, Disk]]:
    """The disk as it was when the lines of `stops` began. It goes on when the next one is asked for."""
    disk = Disk(root)
    syncs = sorted((call for call in found if call.name in ("fsync", "fdatasync")), key=lambda call: call.began)
    ends = sorted(found, key=lambda call: call.ended)
    begun = ended = 0
    for stop in sorted(stops):
        while ended < len(ends) and ends[ended].ended < stop:
            while begun < len(syncs) and syncs[begun].began <= ends[ended].ended:
                disk.begin(syncs[begun])
                begun += 1
            disk.apply(ends[ended])
            ended += 1
        yield stop, disk


def moments(root: Path, found: Sequence[Call], made: Sequence[Promise]) -> Iterator[Moment]:
    """One for each sync below the root, in order; look at it before you ask for the next."""
    disk = Disk(root)
    ours = {str(root), *(call.where for call in found if disk.is_ours(call.where))}
    stops = [call.ended for call in found if call.name in ("fsync", "fdatasync") and call.where in ours]
    for stop, disk in replay(root, found, stops):
        yield Moment(stop, disk, tuple(promise for promise in made if promise.line < stop))
