"""May this model answer by itself? Asked before an answer is used: a look into memory that never raises."""

from __future__ import annotations

import logging
import os
import weakref
from collections.abc import Callable, Mapping
from time import monotonic
from typing import Any, TypeVar

from .asking import Asker, Decision
from .gate_board import Board
from .gate_feed import Feed
from .gate_file import GateFile, folder
from .gate_reading import ON_STALE, ON_START, Verdict
from .guard import guard
from .http import DEFAULT_URL, Connection

log = logging.getLogger("overloop_client")
F = TypeVar("F", bound=Callable[..., Any])


class Gate:
    """The gate of one model. Make one when the service starts and keep it; `check` as often as you like.

    A thread listens to the daemon and says which generation it follows. While the daemon is away the last state stands
    for its lease; after that `on_stale` says what does: `keep` it, `review`, or `auto`. A halt stands in any case. What
    was known last is kept in a file below `state_dir` (`OVERLOOP_STATE`, or the user's folder for states; "" for none),
    so that it survives a restart; where nothing is known at all `on_start` stands. Both are the pack's unless given.
    Making a gate waits for the first answer, at most `wait` seconds.
    """

    def __init__(
        self,
        model: str,
        url: str | None = None,
        token: str | None = None,
        *,
        version: str | None = None,
        on_stale: str | None = None,
        on_start: str | None = None,
        state_dir: str | None = None,
        poll: float = 2.0,
        timeout: float = 5.0,
        wait: float = 0.5,
    ) -> None:
        for given, known in ((on_stale, ON_STALE), (on_start, ON_START)):
            if given is not None and given not in known:
                raise ValueError(f"{given!r} is not what a gate can fall back to: use one of {', '.join(known)}.")
        self.model, self.version = model, version
        url = url or os.environ.get("OVERLOOP_URL") or DEFAULT_URL
        token = token or os.environ.get("OVERLOOP_TOKEN") or None
        Connection(url, token, timeout)  # a wrong address is refused now and not in the thread
        where = folder(state_dir)
        file = None if where is None else GateFile(where, url, model, token)
        self._board = Board(version, on_stale, on_start)
        self._feed = Feed(model, url, token, self._board, file, poll, timeout)
        self._asker = Asker(url, token, model, version)
        self._finalizer = weakref.finalize(self, self._feed.stop, 0.0)
        _watch_forks(self._feed)
        self._feed.restore()
        self._feed.start()
        self._feed.answered.wait(wait)

    def check(self, segment: str | None = None, operation: str | None = None) -> Verdict:
        """What the model may do now; for a segment (`context.channel=web`) or an operation, if they are named."""
        board = self._board
        if segment is None and operation is None and monotonic() < board.until:
            return board.verdict
        self._feed.start()
        return board.at(monotonic(), segment, operation)

    def wait(self, timeout: float) -> bool:
        """Wait until the daemon was heard; False if that takes longer than `timeout` seconds."""
        self._feed.start()
        until = monotonic() + timeout
        while not self._board.heard and monotonic() < until:
            self._feed.stopped(0.02)
        return self._board.heard

    def ask(
        self,
        decision_id: str,
        proposed: Any,
        fallback: Any = None,
        inputs: Mapping[str, Any] | None = None,
        deadline: float | None = None,
    ) -> Decision:
        """Ask a person about an answer, and wait for the decision until the deadline (the pack's, unless given).

        Never raises: where nobody decides, or the daemon cannot be asked, `fallback` holds.
        """
        reading = self._board.reading
        seconds = deadline or (60.0 if reading is None else reading.deadline)
        return self._asker.ask(decision_id, proposed, fallback, inputs or {}, seconds)

    def show(self, decision_id: str, proposed: Any, inputs: Mapping[str, Any] | None = None) -> None:
        """Put an answer that is out before people, from a thread of its own; what cannot be sent is dropped."""
        self._asker.show(decision_id, proposed, inputs or {})

    @property
    def sample(self) -> float:
        """The share of answers that people want to look at while review means `post`."""
        reading = self._board.reading
        return 0.1 if reading is None else reading.sample

    def guard(self, fallback: Callable[..., Any], **options: Any) -> Callable[[F], F]:
        """A decorator around a predict function: see `guard.guard`."""
        return guard(self, fallback, **options)

    def close(self) -> None:
        """End the thread. `check` goes on with what was known last."""
        self._finalizer.detach()
        self._feed.stop()

    def __enter__(self) -> Gate:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _watch_forks(feed: Feed) -> None:
    """The thread stays in the parent of a fork: the child's first check starts another one."""
    reference = weakref.ref(feed)

    def begin_anew() -> None:
        found = reference()
        if found is not None:
            found.board.begin()
            found.begin()

    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=begin_anew)
