"""The one thread that appends to the spool: while one group is being synced, the next gathers."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from threading import Condition, Thread

import structlog

from monitor.spool import Post, Receipt, Spool, SpoolBusy, SpoolError, SpoolFull
from monitor.web.intake_backlog import Backlog
from monitor.web.intake_body import unavailable
from monitor.web.intake_job import Job, answer

log = structlog.get_logger(__name__)

_GROUP_BYTES = 8 << 20
_GROUP_POSTS = 2_000
# Seconds until the thread acts without a post:
_COUNT = 1.0  # to count refused posts, and to see whether there is room again
_AGAIN, _AGAIN_AT_MOST = 0.1, 5.0  # to see whether the spool works again; twice as long after each time it does not
_IDLE = 3600.0  # so that a segment which is old enough is closed though nothing comes in


class Writer:
    """Started once, stopped once. `put`, `refuse` and `check` are the event loop's, the rest is the thread's.

    A failed append ends nothing: until one works again, posts are refused and the thread tries by itself.
    """

    def __init__(
        self,
        spool: Spool,
        now: Callable[[], float],
        wake: Callable[[], None],
        most_bytes: int,
        most_posts: int,
        backlog: Backlog | None = None,
        partitions: int = 1,
        idle: float = _IDLE,
    ) -> None:
        self._spool, self._now, self._wake = spool, now, wake
        self._most_bytes, self._most_posts = most_bytes, most_posts
        self._backlog, self._partitions, self._idle = backlog or Backlog(), partitions, idle
        self._thread = Thread(target=self._run, name="intake-writer", daemon=True)
        self._changed = Condition()
        self._jobs: deque[Job] = deque()
        self._pending_posts = 0  # waiting or being written
        self._pending_bytes = 0
        self._refused = 0
        self._stopping = self._ending = False
        self._failure: str | None = None  # nothing can be written: no post is tried
        self._shortage: str | None = None  # the last append found no room, or no way in: posts are tried all the same
        self._told = False  # the log says that posts are refused
        self._again = _AGAIN
        self._due = time.monotonic() + idle  # when to act without a post

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout: float) -> bool:
        """Write what is waiting, then end; False if that took too long."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        if self._thread.ident is not None:
            self._thread.join(timeout)
        return not self._thread.is_alive()

    @property
    def trouble(self) -> str | None:
        """Why posts are refused at the moment, or None."""
        return self._failure or self._shortage or self._backlog.full

    @property
    def refused(self) -> int:
        """Refused posts that the spool does not count yet."""
        return self._refused

    @property
    def pending(self) -> tuple[int, int]:
        """Posts and bytes that wait for an answer."""
        return self._pending_posts, self._pending_bytes

    def check(self) -> None:
        """Raises Problem while no post would be taken, whatever it is."""
        if self._stopping:
            raise unavailable("The daemon is stopping", 5)
        if (why := self._failure or self._backlog.full) is not None:
            raise unavailable(why, 5)

    def put(self, posts: Sequence[Post], size: int) -> asyncio.Future[Receipt]:
        """Hand over one request. Its future gets the receipt, or a Problem. Raises Problem when nothing is taken."""
        loop = asyncio.get_running_loop()
        job = Job(posts, size, loop, loop.create_future())
        with self._changed:
            self.check()
            if self._pending_posts >= self._most_posts or self._pending_bytes + size > self._most_bytes:
                raise unavailable("More posts are waiting than the disk can take", 1)
            self._pending_posts += 1
            self._pending_bytes += size
            self._jobs.append(job)
            if len(self._jobs) == 1:  # else the thread is awake, or will be
                self._changed.notify()
        return job.future

    def refuse(self) -> None:
        """Count a post that was turned away as a whole."""
        with self._changed:
            self._refused += 1
            if self._failure is None:
                self._due = min(self._due, time.monotonic() + _COUNT)
            self._changed.notify()

    def _run(self) -> None:
        while (group := self._next_group()) is not None:
            try:
                self._backlog.look()
                self._worked(self._write(group))
                if group:
                    self._wake()
            except Exception as problem:
                self._failed(group, problem)
            with self._changed:
                self._pending_posts -= len(group)
                self._pending_bytes -= sum(job.size for job in group)
            answer(group)

    def _next_group(self) -> list[Job] | None:
        """The jobs that go into the next transaction, [] to act without one, None at the end."""
        with self._changed:
            while not self._jobs:
                if self._stopping:
                    if not self._refused or self._ending:
                        return None
                    self._ending = True  # one last try to count them
                    return []
                left = self._due - time.monotonic()
                if left <= 0:
                    return []
                self._changed.wait(left)
            group: list[Job] = []
            size = 0
            while self._jobs and len(group) < _GROUP_POSTS and size < _GROUP_BYTES:
                size += self._jobs[0].size
                group.append(self._jobs.popleft())
            return group

    def _write(self, group: list[Job]) -> str | None:
        """Append what the group brings, and count the refused posts; answers what was short, if anything was.

        Without a group every partition gets an empty transaction, which tells whether it can be written.
        """
        refused, shortage = self._refused, None
        needed = {post.partition for job in group for post in job.posts} | {0} if group else range(self._partitions)
        for partition in sorted(needed):
            mine = [(job, post) for job in group if job.open for post in job.posts if post.partition == partition]
            try:
                self._append(partition, mine, 0 if partition else refused)
            except (SpoolFull, SpoolBusy) as problem:
                shortage = str(problem)
                for job, _ in mine:
                    job.fail(shortage, 5 if isinstance(problem, SpoolFull) else 1)
            else:
                with self._changed:
                    self._refused -= 0 if partition else refused
        return shortage

    def _append(self, partition: int, mine: Sequence[tuple[Job, Post]], refused: int) -> None:
        receipts: list[Receipt] = self._spool.append(partition, [post for _, post in mine], self._now(), refused)
        for (job, post), receipt in zip(mine, receipts, strict=True):
            job.receipts.append(receipt)
            if post.kind == "events":
                self._backlog.add(receipt.accepted)

    def _worked(self, shortage: str | None) -> None:
        with self._changed:
            self._failure, self._shortage, self._again = None, shortage, _AGAIN
            why = self.trouble
            self._due = time.monotonic() + (_COUNT if why or self._refused else self._idle)
        if why is None and self._told:
            log.info("posts are taken again", action="spool_takes")
        elif why is not None and not self._told:
            log.warning("posts are refused", reason=why, action="spool_refuses")
        self._told = why is not None

    def _failed(self, group: list[Job], problem: Exception) -> None:
        """Nothing can be written: say so to everybody who waits, who is added to the group, and try again later."""
        foreseen = isinstance(problem, SpoolError)
        sentence = str(problem) if foreseen else f"The spool's writer failed ({problem!r})"
        if sentence != self._failure:
            fault = None if foreseen else problem
            log.error("posts are refused", reason=sentence, action="intake_failed", exc_info=fault)
        with self._changed:
            self._failure, self._told = sentence, True
            self._due = time.monotonic() + self._again
            self._again = min(2 * self._again, _AGAIN_AT_MOST)
            group += self._jobs
            self._jobs.clear()
        for job in group:
            if job.open:
                job.fail(sentence, 5)
