"""On what terms the courier works, and what an outcome leads to."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from monitor.core.notices.keys import PAGES
from monitor.core.notices.model import Outcome
from monitor.core.notices.pace import Rate, refused_delay, retry_delay
from monitor.delivery.protocol import FailureReason, Result
from monitor.store.outbox import Claimed

_RATE: Final = Rate(burst=10.0, per_second=0.5)
_LONGEST_DOUBT: Final = 3600.0  # seconds between attempts at a target that never answers
_LASTING: Final = PAGES | {"watch_ended"}  # they ask a person to do something


@dataclass(frozen=True, slots=True)
class Terms:
    """Seconds unless named otherwise."""

    workers: int = 6  # messages on their way at once; each needs a helper of the pool
    deadline: float = 30.0  # for one attempt
    lease: float = 90.0  # after which another courier may take a claimed notice; well beyond the deadline
    doubt: float = 60.0  # before a page is sent again that may have arrived; doubles with each attempt
    give_up: float = 86_400.0  # age at which anything but a page is no longer tried
    drain: float = 10.0  # at the end, for messages on their way
    rate: Rate = _RATE  # of messages to one target


@dataclass(frozen=True, slots=True)
class Delivery:
    """What one attempt came to, for metrics. `recorded` is False if the lease was lost meanwhile."""

    target: str
    notice_reason: str
    outcome: Outcome
    reason: FailureReason | None
    attempt: int
    seconds: float
    recorded: bool


def settle(claimed: Claimed, result: Result, now: float, terms: Terms) -> tuple[Result, float | None]:
    """The result as it is recorded, and when the notice is tried again (None: never).

    A page that may have arrived is sent again: a duplicate is better than silence. News that may have arrived is not.
    A page is never given up while it is owed, not even where the receiver refuses it: it waits for the person who mends
    the receiver. Anything else is dead once it is refused, or after `terms.give_up`.
    """
    notice, lasting = claimed.notice, claimed.notice.reason in _LASTING
    if result.outcome == "retry" and notice.reason == "test":  # whoever asked for it waits for the answer
        return replace(result, outcome="dead"), None
    if result.outcome == "retry":
        if not lasting and now - notice.created_at > terms.give_up:
            problem = f"It was tried for {terms.give_up / 3600:g} hours and given up. {result.problem}"
            return replace(result, outcome="dead", problem=problem), None
        return result, now + retry_delay(notice.key, claimed.attempt, result.retry_after)
    if result.outcome == "dead" and lasting:
        problem = f"{result.problem} It is tried again until somebody has the incident in hand."
        return replace(result, outcome="retry", problem=problem), now + refused_delay(claimed.attempt)
    if result.outcome == "unknown" and lasting:
        return result, now + min(_LONGEST_DOUBT, terms.doubt * 2.0 ** min(claimed.attempt - 1, 16))
    return result, None
