"""What a model's service calls for each answer. It never blocks the model and never raises into it."""

from __future__ import annotations

import atexit
import logging
import os
import sys
import weakref
from collections.abc import Mapping
from math import inf
from queue import Empty, SimpleQueue
from threading import Condition, Event, RLock, Thread
from time import monotonic, time
from typing import Any, NamedTuple

from .delivery import Delivery, Outcome
from .encode import Unencodable, line
from .http import DEFAULT_URL, Connection

log = logging.getLogger("overloop_client")

KINDS = ("events", "truth")
BATCH_LINES = 1_000
BATCH_BYTES = 1 << 20
REPORT_EVERY = 60.0  # seconds


class Stats(NamedTuple):
    """Counts since the client was made, in events and truths. `waiting` are not yet settled; `trouble` says why the
    daemon takes nothing at the moment.
    """

    logged: int
    waiting: int
    accepted: int
    duplicates: int
    rejected: int
    dropped: int
    trouble: str


class Client:
    """Gathers what is logged and posts it from a thread of its own, started with the first event.

    At most `queue_events` events and `queue_bytes` bytes wait; what comes beyond is dropped, counted, and reported
    once a minute to the logger `overloop_client`. A batch is sent after `linger` seconds or when it is full. After
    a fork the child begins empty, under a name of its own, and the parent goes on.
    """

    def __init__(
        self,
        url: str | None = None,
        token: str | None = None,
        *,
        linger: float = 0.2,
        timeout: float = 10.0,
        queue_events: int = 20_000,
        queue_bytes: int = 32 << 20,
        flush_at_exit: float = 2.0,
    ) -> None:
        self._url = url or os.environ.get("OVERLOOP_URL") or DEFAULT_URL
        self._token = token or os.environ.get("OVERLOOP_TOKEN") or None
        Connection(self._url, self._token, timeout)  # a wrong address is refused now and not in the thread
        self._linger, self._timeout, self._flush_at_exit = linger, timeout, flush_at_exit
        self._most_events, self._most_bytes = queue_events, queue_bytes
        self._begin()
        atexit.register(self._at_exit)
        _watch_forks(self)

    def log(
        self,
        model: str,
        inputs: Mapping[str, Any] | None = None,
        output: Mapping[str, Any] | None = None,
        id: str | int | None = None,
        version: str | None = None,
        at: Any = None,
        context: Mapping[str, Any] | None = None,
        truth: Mapping[str, Any] | None = None,
    ) -> str:
        """Log one answer of a model; answers its id, to be named again by `truth`.

        `at` is seconds since 1970 or RFC 3339 text; now if left out.
        """
        id_ = os.urandom(12).hex() if id is None else str(id)
        self._put(
            "events",
            {
                "id": id_,
                "model": model,
                "version": version,
                "at": round(time(), 6) if at is None else at,
                "inputs": inputs,
                "output": output,
                "context": context,
                "truth": truth,
            },
        )
        return id_

    def truth(self, model: str, id: str | int, truth: Mapping[str, Any], at: Any = None) -> None:
        """Say what turned out to be true of an answer logged before."""
        self._put("truth", {"id": str(id), "model": model, "at": at, "truth": truth})

    def flush(self, timeout: float = 5.0) -> bool:
        """Wait until all that was logged so far is settled; False if that takes longer than `timeout` seconds."""
        until = monotonic() + timeout
        with self._lock:
            goal = self._queued
            if self._thread is None:
                return self._settled >= goal
        self._queue.put(None)
        with self._progress:
            return self._progress.wait_for(lambda: self._settled >= goal, max(0.0, until - monotonic()))

    def close(self, timeout: float = 5.0) -> bool:
        """Flush, then end the thread; what is logged afterwards is dropped. True if everything reached the daemon."""
        with self._lock:
            self._closed = True
            self._deadline = monotonic() + timeout
            thread, lost = self._thread, self._counts.lost
        self._hurry.set()
        self._queue.put(None)
        if thread is not None:
            thread.join(timeout + 0.5)
        atexit.unregister(self._at_exit)
        return self._settled >= self._queued and self._counts.lost == lost

    def stats(self) -> Stats:
        with self._lock:
            waiting = self._queued - self._settled
            dropped = self._dropped + self._counts.lost
            counts = self._counts
            trouble = self._delivery.trouble
            return Stats(
                self._queued + self._dropped,
                waiting,
                counts.accepted,
                counts.duplicates,
                counts.rejected,
                dropped,
                trouble,
            )

    def _begin(self) -> None:
        """A fresh start, also in the child of a fork, where locks and threads of the parent are of no use."""
        self._lock = RLock()  # a signal handler may log while the same thread is logging
        self._progress = Condition()
        self._hurry = Event()
        self._queue: SimpleQueue[tuple[str, bytes] | None] = SimpleQueue()
        self._thread: Thread | None = None
        self._closed = False
        self._deadline = inf
        self._queued = self._settled = self._bytes = self._dropped = self._reported = 0
        self._counts = Outcome()
        self._last_problem = ""
        self._next_report = monotonic() + REPORT_EVERY
        connection = Connection(self._url, self._token, self._timeout)
        self._delivery = Delivery(connection, self._hurry, lambda: self._deadline)

    def _put(self, kind: str, fields: dict[str, Any]) -> None:
        try:
            data = line(fields)
        except Unencodable as problem:
            self._drop(f"an event cannot be written as JSON ({problem})")
            return
        with self._lock:
            if self._closed:
                self._drop("the client is closed")
            elif self._queued - self._settled >= self._most_events or self._bytes + len(data) > self._most_bytes:
                self._drop(self._delivery.trouble or "events come faster than they can be sent")
            else:
                self._queued += 1
                self._bytes += len(data)
                self._queue.put((kind, data))
                if self._thread is None:
                    self._start()

    def _drop(self, why: str) -> None:
        with self._lock:
            self._dropped += 1
            self._last_problem = why

    def _start(self) -> None:
        try:
            self._thread = Thread(target=self._run, name="overloop-client", daemon=True)
            self._thread.start()
            _flush_when_a_worker_ends(self)
        except RuntimeError:  # no more threads can be had, or the interpreter is ending: try again at the next event
            self._thread = None

    def _run(self) -> None:
        while True:
            batch = self._gather()
            for kind in KINDS:  # events first, so that a truth logged after its event does not come before it
                lines = [data for of, data in batch if of == kind]
                if lines:
                    self._settle(lines, self._send(kind, lines))
            if self._closed and not batch and self._queue.empty():
                break
            if monotonic() >= self._next_report:
                self._report()
        self._delivery.close()
        self._report()

    def _send(self, kind: str, lines: list[bytes]) -> Outcome:
        try:
            return self._delivery.send(kind, lines)
        except Exception as problem:  # the thread must outlive whatever a strange answer does to it
            log.exception("An answer of Overloop could not be handled")
            return Outcome(lost=len(lines), problem=repr(problem))

    def _gather(self) -> list[tuple[str, bytes]]:
        """What is sent next, in the order in which it was logged."""
        batch: list[tuple[str, bytes]] = []
        size = 0
        until = None
        while len(batch) < BATCH_LINES and size < BATCH_BYTES:
            patience = self._next_report if until is None else until
            try:
                item = self._queue.get(timeout=0.0 if self._closed else max(0.0, patience - monotonic()))
            except Empty:
                break
            if item is None:  # a flush: send what there is
                break
            batch.append(item)
            size += len(item[1])
            until = until or monotonic() + self._linger
        return batch

    def _settle(self, lines: list[bytes], outcome: Outcome) -> None:
        with self._lock:
            self._counts = self._counts.plus(outcome)
            self._bytes -= sum(map(len, lines))
            self._last_problem = outcome.problem or self._last_problem
        with self._progress:
            self._settled += len(lines)
            self._progress.notify_all()

    def _report(self) -> None:
        self._next_report = monotonic() + REPORT_EVERY
        with self._lock:
            lost = self._dropped + self._counts.lost + self._counts.rejected
            new, self._reported = lost - self._reported, lost
        if new:
            log.warning("%d events did not reach Overloop at %s: %s", new, self._url, self._last_problem)

    def _at_exit(self) -> None:
        self.close(self._flush_at_exit)


def _watch_forks(client: Client) -> None:
    reference = weakref.ref(client)

    def begin_anew() -> None:
        found = reference()
        if found is not None:
            found._begin()

    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=begin_anew)


def _flush_when_a_worker_ends(client: Client) -> None:
    """Workers of `multiprocessing` end without running atexit's list; they have one of their own."""
    process = sys.modules.get("multiprocessing.process")
    util = sys.modules.get("multiprocessing.util")
    if util is not None and process is not None and process.parent_process() is not None:
        util.Finalize(None, client._at_exit, exitpriority=10)
