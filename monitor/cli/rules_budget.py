"""How a rule on the page budget stands on a model, in words: what was chosen, what it finds, what is refused."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

SHOWN = 3  # series that are told of one by one
STATES = {
    "collecting": "still collecting a reference",
    "watching": "watching",
    "latched": "waiting after a page",
    "refused": "refused",
    "disabled": "switched off after a failure",
}


def budgeted(about: dict[str, Any]) -> Iterator[str]:
    """Whole sentences from what a budgeted watcher says of itself."""
    total = sum(about["series"].values())
    told = ", ".join(f"{count:,} {STATES.get(state, state)}" for state, count in about["series"].items())
    yield f"It follows {total:,} series with {about['with']} ({told or 'none yet'})."
    yield f"Its budget is {about['budget']}."
    for row in about["references"][:SHOWN]:
        yield from _series(row)


def _series(row: dict[str, Any]) -> Iterator[str]:
    name = f"{row['column']}{_where(row['segment'])}"
    if "refused" in row:
        yield f"It does not watch `{name}`. {row['refused']}"
    if "collected" in row:
        yield f"Of `{name}` it has collected {row['collected']:,} values; a reference takes a week, a full one two."
    if "chosen" not in row:
        return
    yield f"For `{name}`: {row['chosen'][:1].lower()}{row['chosen'][1:]}"
    found = [f"{size} after about {n:,.0f} values" for size, n in row.get("finds", {}).items() if n is not None]
    if found:
        yield f"In `{name}` it finds a change of {', of '.join(found)}."
    lost = [size for size, n in row.get("finds", {}).items() if n is None]
    if lost:
        yield f"In `{name}` it hardly ever finds a change of {' or '.join(lost)}."
    if row.get("slow_changes") is False and row.get("sudden_changes"):
        yield f"In `{name}` it finds only what is sudden."
    if row.get("false_alarm_every"):
        yield f"{row['detector']} is set so that on noise it alarms once in {row['false_alarm_every']:,.0f} values."


def _where(segment: str) -> str:
    return f" where {segment}" if segment else ""
