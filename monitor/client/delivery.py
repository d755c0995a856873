"""Posting batches until each is settled: numbered, so that sending the same bytes twice keeps them once."""

from __future__ import annotations

import http.client
import os
import random
from collections.abc import Callable, Mapping
from threading import Event
from time import monotonic
from typing import Any, NamedTuple

from .http import Connection

FIRST_WAIT = 0.1  # seconds; doubled after each failure
LONGEST_WAIT = 30.0
FINAL = frozenset((400, 404, 405, 409, 413, 415, 422))  # the same bytes would get the same answer


class Outcome(NamedTuple):
    """What became of one batch. `lost` events were given up; `problem` says why, or what was wrong with a line.

    `status` is that of the last answer, 0 if there was none. `refusals` are the first rejected lines.
    """

    accepted: int = 0
    duplicates: int = 0
    rejected: int = 0
    lost: int = 0
    problem: str = ""
    status: int = 0
    refusals: tuple[tuple[int, str], ...] = ()

    def plus(self, other: Outcome) -> Outcome:
        """Both together, with the later problem."""
        return Outcome(
            self.accepted + other.accepted,
            self.duplicates + other.duplicates,
            self.rejected + other.rejected,
            self.lost + other.lost,
            other.problem or self.problem,
            other.status,
        )


class Delivery:
    """For one thread. `deadline()` is when to give up, in monotonic seconds; `hurry` is set when it comes nearer.

    Answers with a status of `final` are not tried again.
    """

    def __init__(
        self,
        connection: Connection,
        hurry: Event,
        deadline: Callable[[], float],
        *,
        producer: str | None = None,
        headers: Mapping[str, str] | None = None,
        final: frozenset[int] = FINAL,
    ) -> None:
        self._connection = connection
        self._hurry = hurry
        self._deadline = deadline
        self._producer = producer or f"client-{os.urandom(12).hex()}"
        self._headers = dict(headers or {})
        self._final = final
        self._sequence = 0
        self._random = random.Random(self._producer)
        self.trouble = ""  # why the daemon does not take anything at the moment

    def send(self, route: str, lines: list[bytes]) -> Outcome:
        """Post these lines to `/v1/<route>` under the next number; come back once it is known what became of them."""
        return self.resend(route, lines, self._producer, self._sequence + 1)

    def resend(self, route: str, lines: list[bytes], producer: str, sequence: int) -> Outcome:
        """Post these lines under a number that may have been used for the same bytes before."""
        self._producer, self._sequence = producer, sequence
        body = b"\n".join(lines)
        headers = {
            **self._headers,
            "Content-Type": "application/x-ndjson",
            "Overloop-Producer": self._producer,
            "Overloop-Sequence": str(self._sequence),
        }
        failures = 0
        while True:
            outcome, wait = self._once(route, body, headers, len(lines))
            if outcome is not None:
                return outcome
            backoff = min(LONGEST_WAIT, FIRST_WAIT * 2.0 ** min(failures, 20)) * self._random.uniform(0.5, 1.0)
            failures += 1
            if not self._sleep(max(wait or 0.0, backoff)):
                return Outcome(lost=len(lines), problem=self.trouble)

    def close(self) -> None:
        self._connection.close()

    def _once(
        self, route: str, body: bytes, headers: dict[str, str], count: int
    ) -> tuple[Outcome | None, float | None]:
        """An outcome, or None and how long to wait before the next try."""
        try:
            reply = self._connection.request("POST", f"/v1/{route}", body, headers)
        except (OSError, http.client.HTTPException) as problem:
            self.trouble = f"the daemon cannot be reached ({problem or type(problem).__name__})"
            return None, None
        if reply.status == 202:
            self.trouble = ""
            return _settled(reply.json(), count), None
        if reply.status in self._final:
            return Outcome(lost=count, problem=reply.detail(), status=reply.status), None
        self.trouble = reply.detail()
        return None, reply.wait()

    def _sleep(self, seconds: float) -> bool:
        """Wait; False once the deadline is reached."""
        until = monotonic() + seconds
        while (now := monotonic()) < self._deadline():
            if now >= until:
                return True
            # Once there is a hurry it no longer interrupts: the deadline cannot come nearer a second time.
            pause = Event() if self._hurry.is_set() else self._hurry
            pause.wait(min(until, self._deadline()) - now)
        return False


def _settled(answer: dict[str, Any], count: int) -> Outcome:
    rejected = [(int(one["line"]), str(one["reason"])) for one in answer.get("rejected") or []]
    number = len(rejected) + int(answer.get("rejected_beyond", 0))
    problem = f"line {rejected[0][0]}: {rejected[0][1]}" if rejected else ""
    accepted = int(answer.get("accepted", count - number))
    return Outcome(accepted, int(answer.get("duplicates", 0)), number, 0, problem, 202, tuple(rejected[:10]))
