"""The thread that listens for a gate: a stream of events while there is one, and questions every few seconds else."""

from __future__ import annotations

import http.client
import json
import logging
import os
import random
import socket
from contextlib import suppress
from threading import Event, Lock, Thread
from time import monotonic
from typing import Any
from urllib.parse import quote

from .gate_board import Board
from .gate_file import GateFile, Untrusted
from .gate_reading import Reading, read
from .http import Connection

log = logging.getLogger("overloop_client")

SILENCE = 15.0  # seconds after which a stream that says nothing is given up: the daemon speaks every 5
PRESENT = 60.0  # seconds between two words of "I am still here"
FIRST_WAIT, LONGEST_WAIT = 0.5, 15.0  # seconds before the daemon is tried again, doubled after each failure
NO_STREAM = 60.0  # seconds before a daemon that gives no stream is asked for one again


class Feed:
    """One gate's thread. It knows the board and not the gate, so that a gate nobody holds any more can end it."""

    def __init__(
        self,
        model: str,
        url: str,
        token: str | None,
        board: Board,
        file: GateFile | None,
        poll: float,
        timeout: float,
    ) -> None:
        self._model, self._url, self._token = model, url, token
        self._path = f"/v1/gates/{quote(model, safe='')}"
        self.board, self._file, self._poll, self._timeout = board, file, poll, timeout
        self._saved: Reading | None = None
        self.begin()

    def begin(self) -> None:
        """No thread runs yet, or (in the child of a fork) no more."""
        self.client = f"{socket.gethostname()[:60]}/{os.getpid()}/{os.urandom(3).hex()}"
        self.answered, self._stop, self._lock = Event(), Event(), Lock()
        self._thread: Thread | None = None
        self._socket: socket.socket | None = None
        self._connection = Connection(self._url, self._token, self._timeout)
        self._random = random.Random(self.client)
        self._acked: Any = None
        self._acked_at = self._stream_at = float("-inf")
        self._failures = 0

    def start(self) -> None:
        """Listen, if nobody does; where no thread can be had, the next reader tries again."""
        with self._lock:
            if self._thread is None and not self._stop.is_set():
                thread = Thread(target=self._run, name="overloop-gate", daemon=True)
                with suppress(RuntimeError):
                    thread.start()
                    self._thread = thread

    def stop(self, timeout: float = 2.0) -> None:
        """End the thread."""
        self._stop.set()
        open_, thread = self._socket, self._thread
        if open_ is not None:
            with suppress(OSError):
                open_.shutdown(socket.SHUT_RDWR)
        if thread is not None and thread.is_alive() and timeout > 0:
            thread.join(timeout)

    def stopped(self, seconds: float) -> bool:
        """Wait so long, or until it is told to stop."""
        return self._stop.wait(seconds)

    def restore(self) -> None:
        """Begin with what the file says: it holds for one lease, as if it had been heard just now."""
        if self._file is None:
            return
        try:
            kept = self._file.load()
        except Untrusted as problem:
            log.warning(
                "The last known gate of %s cannot be trusted, so review stands at least: %s.", self._model, problem
            )
            self.board.take(
                Reading("", 0, "review", f"The last known gate cannot be trusted: {problem}."), monotonic(), False
            )
        except OSError as problem:
            log.warning("The last known gate of %s cannot be read: %s", self._model, problem)
        else:
            if kept is not None:
                self._saved = kept
                self.board.take(kept, monotonic(), False)

    # -- the thread -----------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while not self._stop.is_set():
            heard = self._quietly(self._ask)
            self.answered.set()
            if heard and monotonic() >= self._stream_at and not self._stop.is_set():
                self._quietly(self._follow)
            self._stop.wait(self._pause())
        self._connection.close()

    def _quietly(self, step: Any) -> bool:
        """Whether it went well; the thread outlives whatever a strange answer does to it."""
        try:
            step()
        except (OSError, http.client.HTTPException) as failure:
            self.board.trouble(f"{self._url} cannot be reached ({failure or type(failure).__name__})")
        except _Refused as failure:
            self.board.trouble(f"{self._url} answered: {str(failure).rstrip('.')}")
        except Exception as failure:
            self.board.trouble(f"{self._url} gave an answer that cannot be read ({type(failure).__name__})")
        else:
            self._failures = 0
            return True
        self._failures += 1
        return False

    def _pause(self) -> float:
        wait = self._poll if not self._failures else min(FIRST_WAIT * 2.0 ** min(self._failures, 10), LONGEST_WAIT)
        return wait * self._random.uniform(0.7, 1.3)

    def _ask(self) -> None:
        reply = self._connection.request("GET", self._path)
        if reply.status != 200:
            raise _Refused(reply.detail())
        self._take(reply.json())

    def _follow(self) -> None:
        """Take what the stream says until it ends. It comes back at once where the daemon has none."""
        connection = Connection(self._url, self._token, SILENCE)
        response, self._socket = connection.follow(self._path, "text/event-stream")
        try:
            if response.status != 200 or "event-stream" not in (response.getheader("Content-Type") or ""):
                self._stream_at = monotonic() + NO_STREAM * self._random.uniform(0.7, 1.3)
                return
            self._lines(response)
        finally:
            self._socket = None
            response.close()
            connection.close()

    def _lines(self, response: http.client.HTTPResponse) -> None:
        data = b""
        while not self._stop.is_set():
            line = response.readline(1 << 20)
            if not line:
                return  # it ended, as streams do; the next one begins after a while
            if line.startswith(b"data:"):
                data += line[5:].strip()
            elif not line.strip() and data:
                self._take(json.loads(data))
                data = b""

    def _take(self, answer: dict[str, Any]) -> None:
        reading = read(answer)
        if reading is None:
            raise _Refused("something that is no gate")
        if self.board.take(reading, monotonic()):
            log.warning(
                "What %s says of the gate of %s is of the past (generation %d of %s) and not followed.",
                self._url, self._model, reading.generation, reading.epoch,
            )  # fmt: skip
            return
        self._keep(reading)
        self._acknowledge(reading)

    def _keep(self, reading: Reading) -> None:
        if self._file is None or reading == self._saved:
            return
        try:
            self._file.save(reading)
        except OSError as problem:
            log.warning("The gate of %s cannot be kept for the next start: %s", self._model, problem)
        self._saved = reading

    def _acknowledge(self, reading: Reading) -> None:
        """Say which generation is followed: after each change, and every now and then. Losing it costs nothing here."""
        state, drill = self.board.at(monotonic()).state, self.board.drill(monotonic())
        said = {"epoch": reading.epoch, "generation": reading.generation, "state": state, "drill": drill}
        if said == self._acked and monotonic() < self._acked_at + PRESENT:
            return
        body = json.dumps({"model": self._model, "client": self.client, **said}).encode()
        with suppress(OSError, http.client.HTTPException):
            reply = self._connection.request("POST", "/v1/gate-acks", body, {"Content-Type": "application/json"})
            if reply.status == 200:
                self._acked, self._acked_at = said, monotonic()


class _Refused(Exception):  # noqa: N818
    """The daemon answered something else than the gate."""
