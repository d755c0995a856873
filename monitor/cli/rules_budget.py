"""How a rule on the page budget stands on a model, in words: what it has learned, refused, and can find."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from monitor.core.incidents.words import percent_text

REFUSED, SHOWN = 10, 3  # series that are named
HALF, FULL = 7, 14  # days of a reference at which series are watched at half and at all of the budget
STATES = {
    "collecting": "collecting a reference",
    "watching": "watched",
    "latched": "quiet since it reported",
    "refused": "refused",
    "disabled": "switched off after a failure",
}


def budget_sentences(about: dict[str, Any]) -> Iterator[str]:
    """Whole sentences from what `BudgetWatcher.describe` answers."""
    counts = about["series"]
    told = [f"{count:,} {STATES.get(state, state)}" for state, count in counts.items()]
    yield f"Its part of the page budget is {_budget(about['budget'])} on average, over all its series together."
    yield f"It follows {sum(counts.values()):,} series ({', '.join(told) or 'none yet'})."
    rows = about["references"]
    refused = [row for row in rows if row["state"] == "refused"]
    for row in refused[:REFUSED]:
        yield f"{_name(row)} is refused and not watched for shifts: {_lower(row['refused'])}"
    if len(refused) > REFUSED:
        yield f"{len(refused) - REFUSED:,} more are refused; `-o json` shows them all."
    collecting = [row for row in rows if row["state"] == "collecting"]
    for row in collecting[:SHOWN]:
        yield _collecting(row)
    armed = [row for row in rows if "chosen" in row]
    for row in sorted(armed, key=lambda row: -(row["now"] or 0.0))[:SHOWN]:
        yield from _armed(row)


def refusals(about: dict[str, Any]) -> set[str]:
    """Why series are refused: the notes that `budget_sentences` has told."""
    return {row["refused"] for row in about.get("references", ()) if "refused" in row}


def _budget(text: str) -> str:
    many = text.split(" ", 1)[0]
    return f"{many} false page{'' if many == '1' else 's'} a week"


def _collecting(row: dict[str, Any]) -> str:
    return (
        f"{_name(row)} has shown {row['collected']:,} values and is not watched yet: that begins when they span {HALF} "
        f"days, with half of the budget; from {FULL} days on it is all of it."
    )


def _armed(row: dict[str, Any]) -> Iterator[str]:
    yield f"{_name(row)}: {_lower(row['chosen'])}"
    if row["share"] < 1.0:
        yield f"It uses {percent_text(row['share'])} of its part of the budget until its reference has {FULL} days."
    points = "blocks" if "blocks" in row["chosen"] else "values"
    found = [
        f"{size.removesuffix(' sd')} standard deviation{'' if size == '1 sd' else 's'} in about {delay:,.0f} {points}"
        for size, delay in row["finds"].items()
        if delay is not None
    ]
    if not row["slow_changes"]:
        yield "It is watched for what is sudden, not for slow changes."
    elif found:
        yield f"It finds a shift of {', of '.join(found)}."
    if not row["sudden_changes"]:
        yield "So many of its values are equal that none stands out: it is watched for slow changes only."
    if row["state"] == "watching" and row["now"] is not None:
        yield f"It is now at {percent_text(row['now'])} of what pages."


def _name(row: dict[str, Any]) -> str:
    where = f" where {row['segment']}" if row["segment"] else ""
    return f"{row['column']}{where}" + (f" in version {row['version']}" if row["version"] else "")


def _lower(sentence: str) -> str:
    return f"{sentence[:1].lower()}{sentence[1:]}"
