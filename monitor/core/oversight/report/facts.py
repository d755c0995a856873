"""What a report is made from, as it was read; and the pieces that it is made of."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from monitor.core.audit.entry import timestamp
from monitor.core.detectors.budget.beta import betaincinv
from monitor.core.incidents.words import duration_text
from monitor.core.times import parse_time

Status = Literal["evidence present", "partial", "absent", "not applicable"]
PRESENT: Final = "evidence present"
_TAIL: Final = 0.025  # on each side of a 95 % interval


@dataclass(frozen=True, slots=True)
class Facts:
    """Times are seconds since 1970 UTC. `entries` are those of the audit log in [start, stop) about this model or the
    daemon, oldest first; `incidents`, `overrides` and `users` are as the API shows them.
    """

    model: str
    start: float
    stop: float
    made_at: float
    integrity: Mapping[str, Any]  # code, says, size, root; signed: heads signed in the period
    entries: Sequence[Mapping[str, Any]]
    incidents: Sequence[Mapping[str, Any]]  # opened in the period
    overrides: Sequence[Mapping[str, Any]]
    rules: Sequence[Mapping[str, Any]]  # rule, severity, stage, gate, form
    fallbacks: Mapping[str, str | None]  # pack -> safe state behind a halt
    false_pages: float  # a week
    users: Sequence[Mapping[str, Any]]
    seen: Mapping[str, Any] | None  # the model as it is listed
    watched_until: float  # the newest step that was committed

    def of(self, *kinds: str) -> Iterator[Mapping[str, Any]]:
        return (entry for entry in self.entries if entry["kind"] in kinds)


@dataclass(frozen=True, slots=True)
class Figure:
    """A number with what it counts. Of a share: `k` of `n`, with its exact 95 % interval (Clopper, Pearson 1934)."""

    name: str
    value: float | int | str | None
    k: int | None = None
    n: int | None = None
    interval: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class Section:
    """`says`: whole sentences. `not_shown`: what a reader must not conclude from it."""

    id: str
    title: str
    status: Status
    says: Sequence[str] = ()
    figures: Sequence[Figure] = ()
    rows: Sequence[Mapping[str, Any]] = ()
    not_shown: Sequence[str] = ()


def share(name: str, k: int, n: int) -> Figure:
    """`k` of `n`; without any there is no share."""
    if n == 0:
        return Figure(name, None, k, n)
    low = 0.0 if k == 0 else betaincinv(k, n - k + 1, _TAIL)
    high = 1.0 if k == n else betaincinv(k + 1, n - k, 1.0 - _TAIL)
    return Figure(name, k / n, k, n, (low, high))


def quantile(values: Sequence[float], part: float) -> float | None:
    """The smallest value that at least this part of them does not exceed."""
    ordered = sorted(values)
    return ordered[max(math.ceil(part * len(ordered)) - 1, 0)] if ordered else None


def lasting(seconds: float | None) -> str:
    return "–" if seconds is None else duration_text(round(seconds))


def moment(text: str | None) -> float | None:
    """A time as the API writes it, in seconds since 1970 UTC."""
    return None if text is None else parse_time(text)


def written(at: float) -> str:
    return timestamp(math.floor(at))


def counted(count: int, one: str, many: str | None = None) -> str:
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def listed(names: Collection[str]) -> str:
    return ", ".join(names) if names else "none"
