"""One request on its way through the writer's thread, and the answer back to whoever waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

import structlog

from monitor.spool import Post, Receipt
from monitor.web.intake_body import unavailable
from monitor.web.problems import Problem

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Job:
    """What a request brings for each partition (partition 0 first), and who waits for the receipt."""

    posts: Sequence[Post]
    size: int
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[Receipt]
    receipts: list[Receipt] = field(default_factory=list)
    problem: Problem | None = None

    @property
    def open(self) -> bool:
        """Whether anything of it is still to be appended; a conflict in partition 0 brings nothing to the others."""
        done = self.problem is not None or any(receipt.conflict for receipt in self.receipts)
        return not done and len(self.receipts) < len(self.posts)

    def fail(self, reason: str, seconds: int) -> None:
        """It could not be written, or not all of it."""
        self.problem = unavailable(reason, seconds)
        if any(receipt.accepted for receipt in self.receipts):
            detail = f"{reason.rstrip('.')}. Only a part of this post was kept: send all of it again in {seconds} s."
            self.problem = Problem(503, detail, self.problem.headers)

    def settle(self) -> None:
        """For the event loop."""
        if self.future.done():
            return
        if self.problem is not None:
            self.future.set_exception(self.problem)
            return
        if len(self.receipts) == 1:
            self.future.set_result(self.receipts[0])
            return
        accepted, duplicates, conflicts = zip(*self.receipts, strict=True)
        self.future.set_result(Receipt(sum(accepted), sum(duplicates), any(conflicts)))


def answer(jobs: Sequence[Job]) -> None:
    """Settle jobs in the event loops that wait for them."""
    for loop in {job.loop for job in jobs}:
        mine = [job for job in jobs if job.loop is loop]
        try:
            loop.call_soon_threadsafe(_settle, mine)
        except RuntimeError:  # the loop was closed: nobody waits any more
            log.info("answers without a listener", posts=len(mine), action="intake_answer_lost")


def _settle(jobs: Sequence[Job]) -> None:
    for job in jobs:
        job.settle()
