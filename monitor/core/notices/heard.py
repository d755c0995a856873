"""What each receiver has heard of an incident: read from what is on record, never kept besides."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from math import inf

from monitor.core.notices.keys import PAGES, recorded_notice
from monitor.core.notices.model import OnRecord


@dataclass(slots=True)
class Heard:
    """One receiver's knowledge of one incident. Times are daemon time at which a message was decided, -inf: never.

    What is void it has not heard. What is still on its way counts as heard: it gets there, or becomes void.
    """

    called: int = 0  # the last occurrence it was called about; 0: it was never called
    called_at: float = -inf
    fired_at: float = -inf  # when it was last called because the condition came
    over: int = 0  # the last occurrence whose end it was told
    asked_at: float = -inf  # when a call about the present occurrence was last decided, void or not
    repeats: int = 0  # how often that was repeated


def hearings(recorded: Mapping[str, OnRecord], occurrence: int) -> Mapping[str, Heard]:
    """By receiver; `recorded` are the notices of one incident by key, `occurrence` is the present one."""
    found: dict[str, Heard] = defaultdict(Heard)
    for key, kept in recorded.items():
        notice = recorded_notice(key)
        heard = found[notice.target]
        if notice.reason in PAGES:
            if notice.occurrence == occurrence:
                heard.asked_at = max(heard.asked_at, kept.at)
                heard.repeats = max(heard.repeats, notice.repeat if notice.reason == "repeat" else 0)
            if not kept.void:
                heard.called = max(heard.called, notice.occurrence)
                heard.called_at = max(heard.called_at, kept.at)
                if notice.reason in ("opened", "again"):
                    heard.fired_at = max(heard.fired_at, kept.at)
        elif notice.reason in ("recovered", "closed") and not kept.void:
            heard.over = max(heard.over, notice.occurrence)
    return found


def told(recorded: Mapping[str, OnRecord], occurrence: int | None = None) -> set[str]:
    """Names of the receivers that were called, in one occurrence or ever."""
    notices = [recorded_notice(key) for key, kept in recorded.items() if not kept.void]
    return {n.target for n in notices if n.reason in PAGES and occurrence in (None, n.occurrence)}
