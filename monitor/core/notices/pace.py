"""How fast: when to try again, and how often one target may be told. Pure arithmetic on daemon time."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import Final

FIRST_RETRY: Final = 1.0  # seconds
LONGEST_RETRY: Final = 300.0
FIRST_REFUSED: Final = 300.0  # seconds before a page that was refused is tried again
LONGEST_REFUSED: Final = 3600.0


def retry_delay(key: str, attempt: int, wish: float | None = None) -> float:
    """Seconds until the next attempt after `attempt` (1 = the first) failed: 1 s doubling to 5 min, without end.

    Up to half of it is taken off by a jitter drawn from the notice's key, so that many notices to one target do not
    come back at once and a replay still gives the same times. `wish` is the target's own (Retry-After), a minimum.
    """
    full = min(LONGEST_RETRY, FIRST_RETRY * 2.0 ** min(max(attempt, 1) - 1, 30))
    drawn = int.from_bytes(sha256(f"{key}/{attempt}".encode()).digest()[:4], "big") / 2**32
    delay = full * (1.0 - drawn / 2.0)
    return delay if wish is None else max(delay, min(wish, 3600.0))


def refused_delay(attempt: int) -> float:
    """Seconds until a refused message is tried again after `attempt` (1 = the first): 5 min doubling to 1 h, no end.

    It will be refused again until somebody mends the receiver, and it is that person who must not have to wait long.
    """
    return min(LONGEST_REFUSED, FIRST_REFUSED * 2.0 ** min(max(attempt, 1) - 1, 30))


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `burst` messages at once and `per_second` in the long run."""

    burst: float
    per_second: float


@dataclass(frozen=True, slots=True)
class Allowance:
    """What is left of a rate for one target, as of `at`."""

    left: float
    at: float


def spend(rate: Rate, allowance: Allowance | None, at: float) -> tuple[Allowance, float]:
    """Take one message out of a target's allowance (None: untouched so far).

    Gives the allowance afterwards and 0.0, or the allowance as it is and the seconds until a message is allowed.
    """
    left = rate.burst
    if allowance is not None:
        passed = max(0.0, at - allowance.at)
        left = min(rate.burst, allowance.left + passed * rate.per_second)
    if left >= 1.0:
        return Allowance(left - 1.0, at), 0.0
    return Allowance(left, at), (1.0 - left) / rate.per_second
