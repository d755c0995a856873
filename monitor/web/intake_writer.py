"""The one thread that appends to the spool: while one group is being synced, the next gathers."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from threading import Condition, Thread

import structlog

from monitor.spool import Post, Receipt, Spool, SpoolBusy, SpoolError, SpoolFull
from monitor.web.intake_body import unavailable
from monitor.web.problems import Problem

log = structlog.get_logger(__name__)

_GROUP_BYTES = 8 << 20
_GROUP_POSTS = 2_000
_COUNT_EVERY = 1.0  # seconds: refused posts are counted in the spool without waiting for the next good one


@dataclass(slots=True)
class Job:
    """One request: what it brings for each partition (partition 0 first), and who waits for the receipt."""

    posts: Sequence[Post]
    size: int
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[Receipt]
    receipts: list[Receipt] = field(default_factory=list)
    problem: Problem | None = None


class Writer:
    """Started once, stopped once. `put` is called by the event loop, everything else here is the thread's."""

    def __init__(
        self, spool: Spool, now: Callable[[], float], wake: Callable[[], None], most_bytes: int, most_posts: int
    ) -> None:
        self._spool, self._now, self._wake = spool, now, wake
        self._most_bytes, self._most_posts = most_bytes, most_posts
        self._thread = Thread(target=self._run, name="intake-writer", daemon=True)
        self._changed = Condition()
        self._jobs: deque[Job] = deque()
        self._pending_posts = 0  # waiting or being written
        self._pending_bytes = 0
        self._refused = 0
        self._stopping = self._ending = False
        self.failure: str | None = None  # for ever
        self.shortage: str | None = None  # until the next append that works

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
    def refused(self) -> int:
        """Refused posts that the spool does not count yet."""
        return self._refused

    @property
    def pending(self) -> tuple[int, int]:
        """Posts and bytes that wait for an answer."""
        return self._pending_posts, self._pending_bytes

    def put(self, posts: Sequence[Post], size: int) -> asyncio.Future[Receipt]:
        """Hand over one request. Its future gets the receipt, or a Problem. Raises Problem when nothing is taken."""
        loop = asyncio.get_running_loop()
        job = Job(posts, size, loop, loop.create_future())
        with self._changed:
            if self.failure is not None or self._stopping:
                raise unavailable(self.failure or "The daemon is stopping", 5)
            if self._pending_posts >= self._most_posts or self._pending_bytes + size > self._most_bytes:
                raise unavailable("More posts are waiting than the disk can take", 1)
            self._pending_posts += 1
            self._pending_bytes += size
            self._jobs.append(job)
            self._changed.notify()
        return job.future

    def refuse(self) -> None:
        """Count a post that was turned away as a whole."""
        with self._changed:
            self._refused += 1
            self._changed.notify()

    def _run(self) -> None:
        group: list[Job] = []
        try:
            while (taken := self._next_group()) is not None:
                group = taken
                self._commit(group)
                self._answer(group)
        except BaseException as problem:
            self._give_up(group, problem)

    def _next_group(self) -> list[Job] | None:
        """The jobs that go into the next transaction, [] to count refused posts only, None at the end."""
        with self._changed:
            while not self._jobs:
                if self._stopping:
                    if not self._refused or self._ending:
                        return None
                    self._ending = True  # one last try to count them
                    return []
                if not self._changed.wait(_COUNT_EVERY if self._refused else None) and self._refused:
                    return []
            group: list[Job] = []
            size = 0
            while self._jobs and len(group) < _GROUP_POSTS and size < _GROUP_BYTES:
                size += self._jobs[0].size
                group.append(self._jobs.popleft())
            return group

    def _commit(self, group: list[Job]) -> None:
        refused = self._refused
        partitions = sorted({post.partition for job in group for post in job.posts} | {0} if refused or group else ())
        for partition in partitions:
            # A post found to be in conflict in partition 0 brings nothing to the others.
            mine = [
                (job, post)
                for job in group
                for post in job.posts
                if post.partition == partition and job.problem is None and not any(r.conflict for r in job.receipts)
            ]
            if not mine and not (partition == 0 and refused):
                continue
            try:
                posts = [post for _, post in mine]
                receipts = self._spool.append(partition, posts, self._now(), refused if partition == 0 else 0)
            except (SpoolFull, SpoolBusy) as problem:
                if self.shortage is None:
                    log.warning("posts are refused", reason=str(problem), action="spool_refuses")
                self.shortage = str(problem).rstrip(".")
                for job, _ in mine:
                    job.problem = unavailable(str(problem), 5 if isinstance(problem, SpoolFull) else 1)
            else:
                if self.shortage is not None:
                    log.info("posts are taken again", action="spool_takes")
                self.shortage = None
                for (job, _), receipt in zip(mine, receipts, strict=True):
                    job.receipts.append(receipt)
                if partition == 0:
                    with self._changed:
                        self._refused -= refused
        if group:
            self._wake()

    def _answer(self, group: list[Job]) -> None:
        if not group:
            return
        with self._changed:
            self._pending_posts -= len(group)
            self._pending_bytes -= sum(job.size for job in group)
        for loop in {job.loop for job in group}:
            _tell(loop, [job for job in group if job.loop is loop])

    def _give_up(self, group: list[Job], problem: BaseException) -> None:
        """Nothing more can be written: say so to everybody, for ever."""
        sentence = str(problem) if isinstance(problem, SpoolError) else f"The spool's writer failed ({problem!r})"
        log.error("intake stopped", reason=sentence, action="intake_failed", exc_info=problem)
        with self._changed:
            self.failure = sentence
            left = [job for job in (*group, *self._jobs) if not job.future.done()]
            self._jobs.clear()
            self._pending_posts = self._pending_bytes = 0
        for job in left:
            job.problem = unavailable(sentence, 5)
        for loop in {job.loop for job in left}:
            _tell(loop, [job for job in left if job.loop is loop])


def _tell(loop: asyncio.AbstractEventLoop, jobs: list[Job]) -> None:
    try:
        loop.call_soon_threadsafe(_settle, jobs)
    except RuntimeError:  # the loop was closed: nobody waits any more
        log.info("answers without a listener", posts=len(jobs), action="intake_answer_lost")


def _settle(jobs: list[Job]) -> None:
    for job in jobs:
        if job.future.done():
            continue
        if job.problem is not None:
            job.future.set_exception(job.problem)
        else:
            job.future.set_result(
                Receipt(
                    sum(receipt.accepted for receipt in job.receipts),
                    sum(receipt.duplicates for receipt in job.receipts),
                    any(receipt.conflict for receipt in job.receipts),
                )
            )
