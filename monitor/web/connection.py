"""Connections of the front, with a short way for the posts that services send most: small ones, over and over.

Such a post has a head that came before, byte for byte but for the digits of its length. What equal bytes mean is known
already, so neither the HTTP parser nor ASGI is asked again, and the answer goes out from the callback of the disk.
Whatever is unusual (a head not met yet, a body in parts, a sender who may not post, a body that cannot be read) goes
the long way from its first byte, so there is one set of refusals.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from monitor.web import intake_body
from monitor.web.doors import SAFE_ANSWER, Doors
from monitor.web.ingest import Answer, Intake, Kind
from monitor.web.intake_headers import Headers, flags_of, number_of
from monitor.web.problems import Problem, document

if TYPE_CHECKING:
    from monitor.spool import Flags, Receipt

KINDS: Mapping[str, Kind] = {"/v1/events": "events", "/v1/truth": "truth"}
_LONGEST = 2_048  # bytes of a head that is remembered
_MOST = 1_000  # heads remembered
_DIGITS = 6  # of a length: what is longer is not small
_ONE = Answer(1, 0, []).body()


@dataclass(frozen=True, slots=True, repr=False)
class Head:
    """What the first bytes of a post mean. No repr: there is a token in it."""

    kind: Kind
    path: str
    headers: Headers
    flags: Flags
    coding: str
    scope: Mapping[str, Any]


class Start(NamedTuple):
    """The first bytes of a request: its head without the digits of its length, that length, where its body begins."""

    key: bytes
    size: int
    body: int

    @classmethod
    def of(cls, data: bytes) -> Start | None:
        """None where the head has no end here, or does not say the body's length in the usual way."""
        end = data.find(b"\r\n\r\n", 0, _LONGEST) + 4
        digits = data.find(b"ength: ", 0, end) + 7
        stop = data.find(b"\r", digits, end)
        if end < 4 or digits < 20 or data[digits - 18 : digits].lower() != b"\r\ncontent-length: ":
            return None
        size = data[digits:stop]
        return cls(data[:digits] + data[stop:end], int(size), end) if size.isdigit() and len(size) <= _DIGITS else None


class Heads:
    """Heads met before, of senders who were let in. Owned by the event loop; all its connections share it."""

    def __init__(self, doors: Mapping[str, Doors], intake: Intake) -> None:
        self.doors, self.intake = doors, intake
        self._known: dict[bytes, Head] = {}
        self._dated: tuple[Any, bytes] = (None, b"")

    def get(self, key: bytes) -> Head | None:
        """What the head of this key means, if it is known."""
        return self._known.get(key)

    def learn(self, key: bytes, scope: Mapping[str, Any]) -> None:
        """Note what a head means that the parser has read, if a post like it may go the short way."""
        path, raw = scope["path"], scope["headers"]
        names = [name for name, _ in raw]
        if scope["method"] != "POST" or path not in KINDS or scope["raw_path"] != path.encode():
            return
        if scope["http_version"] != "1.1" or len(set(names)) < len(names):
            return
        if not {b"transfer-encoding", b"expect", b"upgrade"}.isdisjoint(names):
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in raw}
        kept = headers.get("connection", "keep-alive").lower() == "keep-alive"
        if not kept or not self.doors[path].welcomes(headers.get("host", "")):
            return
        try:
            if number_of(headers) is not None or self.intake.authorise(headers) is not None:
                return
            coding = intake_body.coding_of(headers)
        except Problem:
            return
        if len(self._known) >= _MOST:
            self._known.clear()
        self._known[key] = Head(KINDS[path], path, headers, flags_of(headers), coding, dict(scope))

    def start_of_answer(self, server: list[tuple[bytes, bytes]]) -> bytes:
        """The first lines of an answer with status 202; `server`: what the server adds, the date, new every second."""
        if self._dated[0] is not server:
            pairs = [*server, (b"content-type", b"application/json"), *SAFE_ANSWER]
            lines = b"".join([b"%s: %s\r\n" % pair for pair in pairs])
            self._dated = (server, b"HTTP/1.1 202 Accepted\r\n" + lines)
        return self._dated[1]


class _Waiting:
    """A post that waits for the disk, in the shape in which the library looks at the request under way."""

    __slots__ = ("began", "disconnected", "head", "keep_alive", "rejected", "response_complete")

    def __init__(self, head: Head, began: float) -> None:
        self.head, self.began = head, began
        self.rejected: list[tuple[int, str]] = []
        self.response_complete = self.disconnected = False
        self.keep_alive = True

    @property
    def message_event(self) -> _Waiting:
        return self

    def set(self) -> None:
        """Nobody waits for more of the body: it is all there."""


class Connection(HttpToolsProtocol):
    """uvicorn's, and the short way."""

    def __init__(self, heads: Heads, **given: Any) -> None:
        super().__init__(**given)
        self._heads = heads
        self._messages = 0  # that the parser has begun
        self._inside = False  # whether the parser is in the middle of one

    def data_received(self, data: bytes) -> None:
        if self._inside or not (self.cycle is None or self.cycle.response_complete):
            super().data_received(data)
            return
        start = Start.of(data)
        head = None if start is None else self._heads.get(start.key)
        if start is None or len(data) - start.body != start.size:
            super().data_received(data)
        elif head is None:
            before = self._messages
            super().data_received(data)
            if self._messages == before + 1 and not self._inside:
                self._heads.learn(start.key, self.scope)
        elif not self._post(head, data[start.body :]):
            super().data_received(data)

    def on_message_begin(self) -> None:
        self._inside = True
        self._messages += 1
        super().on_message_begin()

    def on_message_complete(self) -> None:
        self._inside = False
        super().on_message_complete()

    def _post(self, head: Head, body: bytes) -> bool:
        """Hand over a post; False, and nothing has happened, if it must go the long way.

        That is so, too, while the sender takes no answers: the long way waits until it does.
        """
        if self.flow.write_paused:
            return False
        waiting = _Waiting(head, time.perf_counter())
        intake = self._heads.intake
        try:
            if intake.authorise(head.headers) is not None:
                return False
            handed = intake.at_once(head.kind, body, head.flags, head.coding)
        except Problem:
            return False
        if handed is None:
            return False
        future, waiting.rejected = handed
        self._unset_keepalive_if_required()
        self.cycle = cast(RequestResponseCycle, waiting)
        future.add_done_callback(partial(self._done, waiting))
        return True

    def _done(self, waiting: _Waiting, future: asyncio.Future[Receipt]) -> None:
        if future.cancelled():
            return
        problem = future.exception()
        if problem is not None:
            self._refuse(waiting, problem)
            return
        head, heads = waiting.head, self._heads
        answer = heads.intake.told(head.kind, head.flags, future.result(), waiting.rejected)
        body = _ONE if answer.accepted == 1 and not answer.duplicates and not answer.rejected else answer.body()
        waiting.response_complete = True
        heads.doors[head.path].count(head.path, 202, time.perf_counter() - waiting.began)
        if self.transport.is_closing():
            return
        start = heads.start_of_answer(self.server_state.default_headers)
        close = b"" if waiting.keep_alive else b"connection: close\r\n"
        self.transport.write(b"%s%scontent-length: %d\r\n\r\n%s" % (start, close, len(body), body))
        if not waiting.keep_alive:
            self.transport.close()
        self.on_response_complete()

    def _refuse(self, waiting: _Waiting, problem: BaseException) -> None:
        """The disk did not take it: answer as everywhere else."""
        head = waiting.head
        self._heads.intake.refused()
        told = problem if isinstance(problem, Problem) else intake_body.unavailable(repr(problem), 5)
        cycle = RequestResponseCycle(
            scope=cast(Any, {**head.scope, "client": self.client, "server": self.server}),
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=self.access_log,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=False,
            keep_alive=waiting.keep_alive,
            on_response=self.on_response_complete,
        )
        cycle.more_body = False
        if self.cycle is cast(Any, waiting):
            self.cycle = cycle
        cycle.disconnected = waiting.disconnected or self.transport.is_closing()
        doors = self._heads.doors[head.path]
        self._start_asgi_task(cycle, cast(Any, Doors(document(told), doors.allowed, doors.count)))
