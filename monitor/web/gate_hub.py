"""Open streams of gates: each change is sent as soon as it is in the ledger, and the state again every few seconds.

One task looks at the ledger for all streams; it runs while there is anybody to tell.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from time import monotonic
from typing import Final

import structlog
from starlette.concurrency import run_in_threadpool

from monitor.core.rules.model import Book
from monitor.store.database import Database
from monitor.store.errors import LedgerUnavailable
from monitor.store.gates import gates_mark
from monitor.web.gate_answers import gate_answer
from monitor.web.gates_file import GatesFile

log = structlog.get_logger("gates")

STREAMS: Final = 500  # open at a time
LOOK: Final = 0.25  # seconds between looks at the ledger
BEAT: Final = 5.0  # seconds between two frames of a stream
LASTS: Final = 600.0  # seconds a stream lasts: whose token was revoked is not told for longer
Mark = tuple[str | None, int, int, str]  # of the gates, and the digest of the rule book: terms are of it


class GateHub:
    """Belongs to the event loop; only `nudge` may be called by other threads."""

    def __init__(self, database: Database, book: Callable[[], Book], file: Path | None = None) -> None:
        self._database, self._book = database, book
        self._file = None if file is None else GatesFile(file)
        self.streams = 0
        self._mark: Mark | None = None  # None: the ledger could not be read
        self._frames: dict[str, bytes] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._nudged, self._changed = asyncio.Event(), asyncio.Event()
        self._closed = False

    def nudge(self) -> None:
        """Something was written just now: look at once."""
        loop = self._loop
        if loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(self._nudged.set)

    def turn(self, stop: bool) -> None:
        """From the event loop, now and then: begin if there is a file to write, and end all streams at the end."""
        if stop and not self._closed:
            self._closed = True
            self._nudged.set()
            self._changed.set()
        elif self._file is not None:
            self._begin()

    async def stream(self, model: str) -> AsyncIterator[bytes]:
        """Frames of server-sent events about a model. The caller has looked whether there is `room`."""
        self.streams += 1
        try:
            self._begin()
            until = monotonic() + LASTS * random.uniform(0.9, 1.1)
            yield b"retry: 2000\n\n"
            while not self._closed and monotonic() < until:
                changed = self._changed
                yield await self._frame(model)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(changed.wait(), BEAT)
        finally:
            self.streams -= 1

    @property
    def room(self) -> bool:
        return self.streams < STREAMS and not self._closed

    async def _frame(self, model: str) -> bytes:
        """The newest state as an event; a comment where the ledger cannot be read, so that leases run out."""
        if model in self._frames:
            return self._frames[model]
        mark = self._mark
        try:
            frame = await run_in_threadpool(self._read, model)
        except LedgerUnavailable:
            return b": the ledger cannot be read\n\n"
        if mark is not None and mark == self._mark:
            self._frames[model] = frame
        return frame

    def _read(self, model: str) -> bytes:
        with self._database.read() as connection:
            answer = gate_answer(connection, self._book(), model)
        text = json.dumps(answer, separators=(",", ":"))
        return f"id: {answer['epoch']}/{answer['generation']}\nevent: gate\ndata: {text}\n\n".encode()

    def _begin(self) -> None:
        if self._task is None or self._task.done():
            self._loop = asyncio.get_running_loop()
            self._task = self._loop.create_task(self._run())

    async def _run(self) -> None:
        while not self._closed and (self.streams or self._file is not None):
            self._nudged.clear()
            await self._look()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._nudged.wait(), LOOK)

    async def _look(self) -> None:
        try:
            mark: Mark | None = await run_in_threadpool(self._now)
        except LedgerUnavailable:
            mark = None
        if mark is None or mark != self._mark:
            self._frames.clear()
        if mark != self._mark:
            self._mark, before = mark, self._changed
            self._changed = asyncio.Event()
            before.set()

    def _now(self) -> Mark:
        with self._database.read() as connection:
            mark = (*gates_mark(connection), self._book().digest)
            if self._file is not None:
                self._file.keep(connection, mark)
        return mark
