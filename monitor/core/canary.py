"""The event that goes round: sent by the daemon to itself, to prove that an event would get from intake to courier.

It takes the way of every event and is left out of all that is watched: no rule, no model's page, no accounting of
people's events sees it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import count
from typing import Final

CANARY: Final = "overloop.canary"  # its models: one for each partition, CANARY.NUMBER
_ID: Final = "canary-"


def is_canary(model: str) -> bool:
    return model.startswith(CANARY)


def canary_models(partitions: int, partition_of: Callable[[str], int]) -> list[str]:
    """A model for each partition, in their order."""
    found: dict[int, str] = {}
    for number in count():
        name = f"{CANARY}.{number}"
        found.setdefault(partition_of(name), name)
        if len(found) == partitions:
            return [found[partition] for partition in range(partitions)]
    raise AssertionError  # numbers do not end


def canary_id(number: int) -> str:
    """Numbers rise: of two the larger was sent later."""
    return f"{_ID}{number}"


def newest_canary(ids: Iterable[str], before: int = 0) -> int:
    """The largest number among ids of canaries and `before`."""
    numbers = (id_.removeprefix(_ID) for id_ in ids)
    return max([before, *(int(n) for n in numbers if n.isdecimal() and n.isascii() and len(n) < 19)])
